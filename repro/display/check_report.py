"""What a check found, for programs (JSON lines), for CI (JUnit rows), and as its last line for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from repro.campaigns.expectations import Comparison, Standing
from repro.display import json_lines
from repro.display.input_plan import plan_json
from repro.display.junit import TestRow
from repro.records.lines import Line, Tone, counted, line
from repro.trials.check import Checked
from repro.trials.known_bugs import next_command
from repro.trials.partial import Border
from repro.verdicts.float16_range import LEAVES
from repro.verdicts.verdict import Status, Verdict
from runner.encoding import shell_command
from runner.host.pool import BESIDE_CPU
from runner.residency import residency_line


@dataclass
class Shown:
    """What was said of one model on one target in one precision.

    path: the file as it was named. comparisons: one per verdict; None where nothing is expected. again: the command
    that repeats it. notes: taps, blame, the division between GPU and cpu. borders: what crosses between them. unjudged:
    why something could not be judged, or empty.
    """

    path: Path
    checked: Checked
    comparisons: Sequence[Comparison] | None
    again: str
    notes: list[Line] = field(default_factory=list)
    borders: tuple[Border, ...] = ()
    unjudged: str = ""

    @property
    def graph(self) -> str:
        """Which graph of which file, where several are meant."""
        return str(self.path.with_name(self.checked.subject.name))

    def is_bad(self, index: int) -> bool:
        """Whether the output of this verdict is not as it should be."""
        verdict = self.checked.verdicts[index]
        if self.comparisons is not None:
            return self.comparisons[index].standing.is_news or bool(verdict.marks)
        return not verdict.is_clean

    @property
    def wrong_borders(self) -> tuple[Border, ...]:
        return tuple(one for one in self.borders if one.is_wrong)

    @property
    def problems(self) -> int:
        """How many outputs and border tensors are not as they should be; what could not be judged counts as one."""
        outputs = sum(self.is_bad(index) for index in range(len(self.checked.verdicts)))
        return outputs + len(self.wrong_borders) + bool(self.checked.unjudged) + bool(self.unjudged)


@dataclass(frozen=True)
class Unread:
    """A file among several that could not be checked, and why."""

    path: Path
    reason: str


def json_records(shown: Shown) -> Iterator[dict[str, object]]:
    """One object per output, then one per border tensor that was judged."""
    checked = shown.checked
    fingerprint = checked.run.fingerprint
    known = {output: [hazard.rule for hazard in hazards] for output, hazards in checked.known_bugs.items()}
    for index, verdict in enumerate(checked.verdicts):
        yield {
            "case": checked.subject.name,
            "model": str(shown.path),
            "target": fingerprint.target,
            "adapter": fingerprint.adapter,
            "runtime": fingerprint.runtime,
            "precision": fingerprint.precision,
            **json_lines.verdict_fields(verdict),
            "residency": residency_line(checked.run.log),
            "expected": shown.comparisons[index].expected if shown.comparisons else None,
            "marks": list(verdict.marks),
            "known_bugs": known.get(verdict.output, []),
            "memory": checked.memory.as_json() if checked.memory else None,
            "poison": checked.poison.as_json() if checked.poison else None,
            "input_plan": plan_json(checked.subject.plan),
            "unfit": checked.fitness.as_json() if checked.fitness and checked.is_unfit else None,
            "reference": checked.reference_from,
            "inputs": checked.subject.plan.words,
            "model_sha256": fingerprint.model_sha256,
            "driver": fingerprint.driver,
            "stages": dict(checked.run.stages),
        }
    for border in shown.borders:
        if border.verdict is not None:
            fields = {**json_lines.verdict_fields(border.verdict), "output": None}
            named = {"case": checked.subject.name, "model": str(shown.path)}
            yield {**named, **fields, "tensor": border.name, "way": border.way}


def junit_rows(shown: Sequence[Shown], unread: Sequence[Unread] = ()) -> list[TestRow]:
    """One row per output and border tensor, and one error per file that could not be checked.

    A known bug is skipped with its verdict; so is what a target says that fails its own controls.
    """
    rows = []
    for one in shown:
        fingerprint = one.checked.run.fingerprint
        suite = f"{fingerprint.target}.{fingerprint.precision}"
        seconds = sum(one.checked.run.stages.values()) / max(1, len(one.checked.verdicts))
        log = "\n".join(note.text for note in one.notes)
        for index, verdict in enumerate(one.checked.verdicts):
            failure, skipped = (_said(verdict), "") if one.is_bad(index) else ("", _known(one, index))
            if failure and one.checked.is_unfit:
                failure, skipped = "", f"the target is UNFIT: {failure}"
            name = f"{one.graph} output {verdict.output} {verdict.name}"
            rows.append(TestRow(suite, name, seconds, failure, skipped, log))
        for border in one.borders:
            if border.verdict is not None:
                failure = _said(border.verdict) if border.is_wrong else ""
                name = f"{one.graph} {border.way} {border.name}"
                rows.append(TestRow(suite, name, failure=failure))
        if one.checked.unjudged:
            rows.append(TestRow(suite, f"{one.graph} memory", failure="it could not be checked", log=log))
        if one.unjudged:
            rows.append(TestRow(suite, f"{one.graph} borders", failure=one.unjudged))
    return rows + [TestRow("files", str(one.path), error=one.reason) for one in unread]


def _said(verdict: Verdict) -> str:
    return ": ".join(part for part in (verdict.said, verdict.held) if part)


def _known(shown: Shown, index: int) -> str:
    comparison = shown.comparisons[index] if shown.comparisons is not None else None
    known = comparison is not None and comparison.standing in (Standing.KNOWN, Standing.FLAKE)
    return f"known: {comparison.expected}" if comparison is not None and known else ""


def exit_code(shown: Sequence[Shown], unread: Sequence[Unread] = ()) -> int:
    """1: something is wrong. 2: a file could not be checked. 3: only a target that is UNFIT says that something is."""
    if any(one.problems for one in shown if not one.checked.is_unfit):
        return 1
    if unread:
        return 2
    return 3 if any(one.problems for one in shown) else 0


def conclusion(shown: Sequence[Shown], unread: Sequence[Unread] = ()) -> Line:
    """How many outputs are not as they should be, and what to do about it."""
    outputs = counted(sum(len(one.checked.verdicts) for one in shown), "output")
    models = len({one.path for one in shown})
    of = f"{outputs} of {counted(models, 'model')}" if models + len(unread) > 1 else outputs
    left = f"; {counted(len(unread), 'file')} could not be checked" if unread else ""
    believed = sum(one.problems for one in shown if not one.checked.is_unfit)
    void = sum(one.problems for one in shown if one.checked.is_unfit)
    unclean = next((one for one in reversed(shown) if not one.checked.passed), None)
    if believed:
        return line((f"{believed} of {of} not as it should be", Tone.BAD), f"{left}; {what_next(shown)}")
    if void:
        said = f"{void} of {of} say nothing of the model: the target fails its own controls"
        return line((said, Tone.WARN), f"{left}; {what_next(shown)}")
    if not shown:
        return line((f"no model was checked{left}", Tone.BAD))
    if unclean is None:
        return line((f"{of}: right", Tone.WARN if unread else Tone.GOOD), left)
    return line(f"{of}: all as expected{left}")


def what_next(shown: Sequence[Shown]) -> str:
    """What to do about the last that is not as it should be and believed, else about the target."""
    worst = next((one for one in reversed(shown) if one.problems and not one.checked.is_unfit), None)
    return "next: repro doctor" if worst is None else _next(worst)


def _next(shown: Shown) -> str:
    fingerprint, bugs = shown.checked.run.fingerprint, shown.checked.known_bugs
    is_shared = fingerprint.target.endswith(BESIDE_CPU)  # which no other command runs
    wrong = [v for v in shown.checked.verdicts if v.status in (Status.FAIL, Status.CRASH, Status.HANG)]
    if {v.status for v in shown.checked.verdicts} in ({Status.INVALID}, {Status.INVALID, Status.PASS}):
        return "next: give inputs that mean something: --inputs X.npz, or --input NAME=KIND"
    if is_shared or not wrong:
        return "next: the reason above says what to change"
    model, target = str(shown.path), fingerprint.target
    if {v.output for v in wrong} <= set(bugs):
        command = next_command(bugs, model, target)
    elif all(LEAVES in v.holds for v in wrong):
        command = ["repro", "range", model]
    else:
        command = ["repro", "reduce", model, "--target", target, "--precision", fingerprint.precision]
    return f"next: {shell_command(command)}"
