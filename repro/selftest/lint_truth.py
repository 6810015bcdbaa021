"""The lint held against a delegate: thousands of drawn graphs, a prediction and a run each, a table.

`python -m repro.selftest.lint_truth --graphs 5000 --seed 0` (`make lint-truth`).

Key insight: an observation is kept apart from the prediction. The journal holds only what the delegate
did with each graph, under the model's own hash; the rules are applied when the table is made. So a
rule that has learned something is measured again in seconds, on the same runs.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from cases.drawn_ops.feeds import feeds_of
from cases.evaluation.evaluate import FLOAT64, evaluate, quantises_at_run_time
from cases.graph import Graph
from cases.tflite.write import write_tflite
from repro.delegate.adapters import Adapter
from repro.delegate.sighting import Effect
from repro.hazards.hazard import Hazard, Level
from repro.hazards.lint import foretold
from repro.hazards.rules import RULES
from repro.records.journal import Journal
from repro.records.strict import fitted_or_none
from repro.selftest.draws.draw import SURFACE, Draw, draw
from repro.trials.presented import adapters_of
from repro.trials.trial import CANNOT_BE_TRIED
from repro.verdicts.judge import judge
from repro.verdicts.references import OWN_OPS_ONLY
from repro.verdicts.right_by_chance import holds_one_input
from repro.verdicts.subject import graph_subject
from repro.verdicts.verdict import Status
from runner import targets
from runner.cache import cache_root
from runner.errors import BadInput, NothingRan, ReproError
from runner.run import Feed, Job, Outcome, Precision, Run
from runner.target import Target

TOLERANCE = {Precision.FP32: 2e-4, Precision.FP16: 5e-2}
"""Largest error, as a share of the reference's largest value (at least 1), that counts as right. The
hazards here are wrong by about the size of the values, a healthy run by 1e-6 (fp32) or 1e-3 (fp16)."""

BATCH = 256
ENDED = ("CRASH", "HANG")
OLDEST = ("add-reduce", "gemm-elementwise", "elementwise-gemm")
"""The rules that must have neither a miss nor a false hazard."""


@dataclass(frozen=True)
class GraphOutcome:
    """What the delegate did with one graph: how the run ended and which outputs were wrong.

    unjudged: outputs of which nothing can be said, since the comparison has no power or the cpu is wrong as well.
    """

    outcome: str
    wrong: tuple[int, ...]
    message: str = ""
    unjudged: tuple[int, ...] = ()


@dataclass
class RuleCounts:
    """What became of one rule's predictions, in graph outputs (refused, and processes that ended: in graphs).

    latent: predicted by a rule whose wrong values show for some inputs only, and these did not show them.
    powerless: predicted and equal to the reference, which is one and the same number throughout, the same for all
        inputs, or what a graph input holds: that is right too easily for the comparison to mean anything.
    """

    hits: int = 0
    false: int = 0
    latent: int = 0
    powerless: int = 0
    refused: int = 0
    examples: list[str] = field(default_factory=list)


@dataclass
class Confusion:
    """The whole table. missed: outputs that were wrong, or processes that ended, though no rule said so."""

    rows: dict[str, RuleCounts] = field(default_factory=dict)
    right: int = 0
    missed: int = 0
    graphs: int = 0
    outputs: int = 0
    refused_clean: int = 0
    missed_examples: list[str] = field(default_factory=list)

    def row(self, rule: str) -> RuleCounts:
        """The counts of a rule; one that is a risk elsewhere gets its row when it is met."""
        return self.rows.setdefault(rule, RuleCounts())

    @property
    def is_clean(self) -> bool:
        """Nothing missed, nothing predicted that did not happen."""
        return self.missed == 0 and all(row.false == 0 for row in self.rows.values())

    @property
    def compared(self) -> bool:
        """Whether anything was held against the rules: an output, or a process that ended."""
        return bool(self.outputs or self.missed or any(row.hits for row in self.rows.values()))


def feeds_for(graph: Graph, seed: int, index: int) -> tuple[Feed, ...]:
    """Three input sets: standard normal, all negative, all positive (where a zero slips in, one of them shows it)."""
    rng = np.random.default_rng([seed, index, 1])
    shapes = [graph.tensors[name].shape for name in graph.inputs]
    normal = tuple(rng.normal(size=shape).astype(np.float32) for shape in shapes)
    negative = tuple((-0.1 - np.abs(rng.normal(size=shape))).astype(np.float32) for shape in shapes)
    positive = tuple((0.1 + np.abs(rng.normal(size=shape))).astype(np.float32) for shape in shapes)
    return normal, negative, positive


def feeds_of_draw(d: Draw, seed: int) -> tuple[Feed, ...]:
    """Three input sets; around one op of any kind, such as that op makes something of."""
    return feeds_of(d.graph, d.index) if d.family == SURFACE else feeds_for(d.graph, seed, d.index)


def wrong_outputs(run: Run, reference: Run, tolerance: float) -> tuple[int, ...]:
    """Indices of the outputs that differ from the reference for any feed by more than rounding.

    Where the reference itself is not finite (a quotient by zero of either sign) there is nothing to compare.
    """
    found = set()
    for got, wanted in zip(run.outputs, reference.outputs, strict=True):
        for index, (mine, right) in enumerate(zip(got, wanted, strict=True)):
            scale = max(1.0, float(np.nanmax(np.abs(np.where(np.isfinite(right), right, 0.0)), initial=0.0)))
            same = (mine == right) | ~np.isfinite(right)
            with np.errstate(invalid="ignore"):
                close = same | (np.abs(mine.astype(np.float64) - right) <= tolerance * scale)
            if not close.all():
                found.add(index)
    return tuple(sorted(found))


def observe(
    draws: Iterable[Draw], seed: int, precision: Precision, target: Target, reference: Target, journal: Journal
) -> Iterator[tuple[Draw, GraphOutcome]]:
    """Run what the journal does not hold yet, in batches, and yield every draw with its observation."""
    waiting = iter(draws)
    while batch := list(islice(waiting, BATCH)):
        jobs = [Job(write_tflite(d.graph), feeds_of_draw(d, seed), precision, f"draw {seed}:{d.index}") for d in batch]
        keys = [f"{target.identity}:{job.key}" for job in jobs]
        known = {key: fitted_or_none(GraphOutcome, journal.get(key)) for key in keys}
        todo = [(d, key, job) for d, key, job in zip(batch, keys, jobs, strict=True) if known[key] is None]
        plain = [Job(job.model, job.feeds, Precision.FP32, job.name) for _, _, job in todo]
        runs = target.run_many([job for _, _, job in todo])
        for (d, key, job), run, right in zip(todo, runs, reference.run_many(plain), strict=True):
            if d.family == SURFACE:
                seen = judged(run, right, d.graph, job.feeds)
            else:
                seen = _outcome(run, right, TOLERANCE[precision])
                if seen.wrong and precision is Precision.FP16:
                    seen = confirmed(seen, judged(run, right, d.graph, job.feeds))
            known[key] = seen
            journal.add(key, asdict(seen))
        for d, key in zip(batch, keys, strict=True):
            outcome = known[key]
            assert outcome is not None
            yield d, outcome


def judged(run: Run, right: Run, graph: Graph, feeds: tuple[Feed, ...]) -> GraphOutcome:
    """By the judge, since results may be ties or a quantisation step off; nothing counts in which the cpu is wrong."""
    if right.outcome is not Outcome.OK:
        return GraphOutcome("NO_REFERENCE", (), right.message)
    if run.outcome is not Outcome.OK:
        return GraphOutcome(str(run.outcome), (), run.message)
    try:
        subject = graph_subject("draw", graph, feeds, OWN_OPS_ONLY)
        of_delegate, of_cpu = (
            {verdict.output: verdict.status for verdict in judge(one, subject, metrics="none")} for one in (run, right)
        )
    except CANNOT_BE_TRIED as error:
        return GraphOutcome("NO_REFERENCE", (), str(error))
    is_witness = not quantises_at_run_time(graph)
    unjudged = {
        index
        for index, status in of_delegate.items()
        if status is Status.INVALID or (is_witness and of_cpu[index] is Status.FAIL)
    }
    failed = {index for index, status in of_delegate.items() if status is Status.FAIL}
    return GraphOutcome("OK", tuple(sorted(failed - unjudged)), unjudged=tuple(sorted(unjudged)))


def confirmed(seen: GraphOutcome, by_judge: GraphOutcome) -> GraphOutcome:
    """What one tolerance for all graphs calls wrong, as far as the judge agrees, who knows what fp16 does to it."""
    if by_judge.outcome != "OK":
        return seen
    return replace(seen, wrong=tuple(i for i in seen.wrong if i in by_judge.wrong), unjudged=by_judge.unjudged)


def _outcome(run: Run, right: Run, tolerance: float) -> GraphOutcome:
    if right.outcome is not Outcome.OK:
        return GraphOutcome("NO_REFERENCE", (), right.message)
    if run.outcome is not Outcome.OK:
        return GraphOutcome(str(run.outcome), (), run.message)
    return GraphOutcome("OK", wrong_outputs(run, right, tolerance))


def confusion(observed: Iterable[tuple[Draw, GraphOutcome]], seed: int, adapters: Sequence[Adapter] = ()) -> Confusion:
    """The table of predictions against observations. Counts outputs; refused graphs have no outputs to count.

    adapters: what the graphs were run on, where it was presented to the delegate as another vendor's.
    """
    table = Confusion({rule: RuleCounts() for rule in RULES if RULES[rule].level is Level.HAZARD})
    for d, seen in observed:
        hazards = foretold(d.graph, adapters)
        table.graphs += 1
        if seen.outcome in ENDED:
            _count_ended(table, f"{seed}:{d.index}", hazards)
        elif seen.outcome != "OK":
            for rule in {hazard.rule for hazard in hazards}:
                table.row(rule).refused += 1
            table.refused_clean += not hazards
        else:
            _count(table, d, seed, hazards, seen)
    return table


def _count_ended(table: Confusion, name: str, hazards: Sequence[Hazard]) -> None:
    """A run that ended the process is predicted by a rule that says so, or missed; it has no outputs to count."""
    aborting = {hazard.rule for hazard in hazards if hazard.effect is Effect.ABORT}
    for rule in aborting:
        table.row(rule).hits += 1
    for rule in {hazard.rule for hazard in hazards} - aborting:
        table.row(rule).refused += 1
    if not aborting:
        table.missed += 1
        table.missed_examples.append(f"{name} (process ended)")


def _count(table: Confusion, d: Draw, seed: int, hazards: Sequence[Hazard], seen: GraphOutcome) -> None:
    graph, name = d.graph, f"{seed}:{d.index}"
    predicted: dict[int, set[str]] = {}
    for hazard in hazards:
        for index in hazard.affected:
            predicted.setdefault(index, set()).add(hazard.rule)
    for index in range(len(graph.outputs)):
        table.outputs += 1
        rules = predicted.get(index, set())
        for rule in rules:
            row = table.row(rule)
            if index in seen.wrong:
                row.hits += 1
            elif RULES[rule].latent:
                row.latent += 1
            elif index in seen.unjudged or tells_nothing(graph, feeds_of_draw(d, seed), index):
                row.powerless += 1
            else:
                row.false += 1
                row.examples.append(f"{name} output {index}")
        if not rules and index in seen.wrong:
            table.missed += 1
            table.missed_examples.append(f"{name} output {index}")
        elif not rules:
            table.right += 1


def tells_nothing(graph: Graph, feeds: Sequence[Feed], index: int) -> bool:
    """Whether an output could be right by chance, so that being right shows nothing.

    The true output is one number throughout for every feed or the same whatever is fed (a RELU cut all of it off),
    or it holds just what a graph input holds, as memory that nobody wrote may.
    """
    name = graph.outputs[index]
    true = [np.asarray(evaluate(graph, feed, FLOAT64)[name], np.float64) for feed in feeds]
    if all(float(np.ptp(values)) == 0.0 for values in true) or all(np.array_equal(values, true[0]) for values in true):
        return True
    return holds_one_input(true, feeds)


def show(table: Confusion, console: Console) -> None:
    """Print the table, then what a rule has to learn from."""
    grid = Table(
        "rule", "wrong", "right", "not shown", "no power", "refused", title="outputs by rule and what the delegate did"
    )
    for rule, row in table.rows.items():
        cells = (row.hits, row.false, row.latent, row.powerless, row.refused)
        grid.add_row(rule, *(str(cell) for cell in cells), style="red" if row.false else None)
    grid.add_section()
    grid.add_row("no rule", str(table.missed), str(table.right), "", "", str(table.refused_clean))
    console.print(grid)
    console.print(f"{table.graphs} graphs, {table.outputs} outputs")
    for rule, row in table.rows.items():
        if row.examples:
            console.print(f"[red]false[/] {rule}: draws {', '.join(row.examples[:8])}")
    if table.missed_examples:
        console.print(f"[red]missed[/]: draws {', '.join(table.missed_examples[:12])}")


@click.command()
@click.argument("settings", nargs=-1)
@click.option("--graphs", default=5000, show_default=True, help="How many graphs to draw.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--workers", default=targets.default_workers(), show_default=True)
@click.option("--fresh", is_flag=True, help="Forget what earlier runs observed.")
@click.option("--json", "as_json", is_flag=True, help="The table as one object on stdout.")
def main(settings: tuple[str, ...], graphs: int, seed: int, workers: int, fresh: bool, as_json: bool) -> None:
    """Hold the lint's rules against a delegate on drawn graphs, in each of SETTINGS, such as gpu:lavapipe@nvidia/fp32.

    A setting is a target and a precision; default gpu/fp32. Exit 1 on a miss or a false hazard, 3 if no output was
    compared.
    """
    console = Console(stderr=as_json)
    asked = [_setting(each) for each in settings or ("gpu/fp32",)]
    tables = [_table(console, *each, graphs, seed, workers, fresh, as_json) for each in asked]
    if not all(table.compared for table in tables):
        raise NothingRan(f"{graphs} graphs and no output to compare: the lint was not tried; draw more --graphs")
    sys.exit(0 if all(table.is_clean for table in tables) else 1)


def _setting(text: str) -> tuple[str, Precision]:
    target, slash, precision = text.rpartition("/")
    if not slash or precision not in list(Precision):
        raise BadInput(f"'{text}' is no setting; write a target and a precision, such as gpu:lavapipe@nvidia/fp32")
    return targets.resolve_one(target), Precision(precision)


def _table(
    console: Console,
    full: str,
    precision: Precision,
    graphs: int,
    seed: int,
    workers: int,
    fresh: bool,
    as_json: bool,
) -> Confusion:
    """Observe, predict, and print one table."""
    path = journal_path(full)
    if fresh:
        path.unlink(missing_ok=True)
    started = time.monotonic()
    draws = (draw(seed, index) for index in range(graphs))
    with (
        targets.open_target(full, workers=workers) as target,
        targets.open_target("cpu") as reference,
        Journal(path) as journal,
    ):
        console.print(f"{graphs} graphs, seed {seed}, {full} {precision}, {workers} workers; journal {path}")
        observed = observe(draws, seed, precision, target, reference, journal)
        table = confusion(_with_progress(observed, graphs, console), seed, adapters_of(full, precision))
    show(table, console)
    console.print(f"{time.monotonic() - started:.0f} s")
    if as_json:
        click.echo(json.dumps(as_object(table, seed, full, precision)))
    return table


def journal_path(target: str) -> Path:
    """Where the observations of a target are kept."""
    return cache_root() / "lint-truth" / f"{target.replace(':', '-').replace('@', '-')}.sqlite"


def as_object(table: Confusion, seed: int, target: str, precision: str) -> dict[str, object]:
    """The `--json` form."""
    rules = {
        rule: {
            "hits": row.hits,
            "false": row.false,
            "latent": row.latent,
            "no_power": row.powerless,
            "refused": row.refused,
        }
        for rule, row in table.rows.items()
    }
    counted = {"graphs": table.graphs, "outputs": table.outputs, "missed": table.missed, "right": table.right}
    return {"seed": seed, "target": target, "precision": precision, **counted, "rules": rules}


def _with_progress(
    observed: Iterator[tuple[Draw, GraphOutcome]], total: int, console: Console
) -> Iterator[tuple[Draw, GraphOutcome]]:
    started, seen = time.monotonic(), 0
    while chunk := list(islice(observed, BATCH)):
        yield from chunk
        seen += len(chunk)
        rate = seen / max(1e-9, time.monotonic() - started)
        console.print(f"  {seen}/{total} graphs, {rate:.0f} graphs/s", highlight=False)


if __name__ == "__main__":
    try:
        main()
    except ReproError as error:
        click.echo(f"repro: {error}", err=True)
        sys.exit(error.exit_code)
