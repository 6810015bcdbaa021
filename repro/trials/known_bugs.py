"""Which bug that is known already explains what a check found wrong, so that nobody reduces it once more.

Key insight: the rules that foretell a failure from the file say of which outputs, and on which adapters. What they say
of an output that did come out wrong is its name, with the finding that documents it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from cases.graph import Graph
from repro.delegate.sighting import Effect
from repro.hazards.hazard import Hazard, Level
from repro.hazards.lint import foretold, measured_risks
from repro.hazards.risks import LISTED_TWICE
from repro.hazards.rules import RULES
from repro.records.lines import Line, Tone, line
from repro.trials.presented import adapters_of
from repro.verdicts.verdict import Status, Verdict
from runner.encoding import shown_name
from runner.run import Precision


def known_bugs(
    graph: Graph, verdicts: Sequence[Verdict], target: str, precision: Precision
) -> Mapping[int, tuple[Hazard, ...]]:
    """Output index -> what explains that it is wrong; -1 for a run that ended. Pure.

    target: name of where it ran. A cpu has no delegate, whose rules say nothing of it.
    """
    wrong = [verdict for verdict in verdicts if verdict.status in (Status.FAIL, Status.CRASH)]
    if not wrong:
        return {}
    found = [risk for risk in measured_risks(graph) if risk.rule == LISTED_TWICE]
    if not target.startswith("cpu"):
        found += foretold(graph, adapters_of(target, precision))
    explained = {verdict.output: tuple(_that_explain(verdict, found)) for verdict in wrong}
    return {output: hazards for output, hazards in explained.items() if hazards}


def _that_explain(verdict: Verdict, found: Sequence[Hazard]) -> Iterator[Hazard]:
    """One of each rule."""
    rules = set()
    for hazard in found:
        ends = verdict.status is Status.CRASH and hazard.effect is Effect.ABORT
        if (ends or verdict.output in hazard.affected) and hazard.rule not in rules:
            rules.add(hazard.rule)
            yield hazard


def asked_for(hazard: Hazard) -> tuple[str, ...]:
    """The option with which `repro fix` mends it: a risk only where it is asked to."""
    return () if RULES[hazard.rule].level is Level.HAZARD else ("--also", hazard.rule)


def next_command(bugs: Mapping[int, tuple[Hazard, ...]], model: str, target: str) -> list[str]:
    """What to run when known bugs explain all that is wrong: what mends them, else what says how they are avoided."""
    hazards = {hazard.rule: hazard for of_one in bugs.values() for hazard in of_one}
    if not all(RULES[rule].workaround for rule in hazards):
        return ["repro", "lint", model]
    also = [word for hazard in hazards.values() for word in asked_for(hazard)]
    return ["repro", "fix", model, "-o", "fixed.tflite", "--target", target, *also]


def known_bug_lines(bugs: Mapping[int, tuple[Hazard, ...]]) -> Iterator[Line]:
    """One line per bug: its rule, its finding, what it does, and whether something helps."""
    outputs: dict[str, list[int]] = {}
    hazards = {hazard.rule: hazard for of_one in bugs.values() for hazard in of_one}
    for output, of_one in bugs.items():
        for hazard in of_one:
            outputs.setdefault(hazard.rule, []).append(output)
    for rule_id, hazard in hazards.items():
        rule = RULES[rule_id]
        numbers = ", ".join(str(output) for output in outputs[rule_id] if output >= 0)
        of = f" of output{'s' if ',' in numbers else ''} {numbers}" if numbers else ""
        finding = f", finding {rule.finding}" if rule.finding else ""
        helps = f"; `{' '.join(('repro fix', *asked_for(hazard)))}` mends it" if rule.workaround else ""
        yield line((f"known bug{of}: {rule_id}{finding}", Tone.WARN), f" at '{shown_name(hazard.tensor)}'{helps}")
