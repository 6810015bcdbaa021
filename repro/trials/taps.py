"""Which tensor is the first wrong one? Each intermediate is exposed as one more output, one at a time.

Key insight: looking can hide the failure, because one more output changes a tensor's role, and the delegate's fusions
depend on roles. So a tap says something only if the original failure was still there beside it; where no tap
left it in place the localisation is void, and that is the answer.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cases.evaluation.evaluate import unsupported
from cases.graph import Graph
from repro.records.lines import counted
from repro.verdicts.float16_range import BeyondFloat16, first_beyond_float16
from repro.verdicts.judge import judge
from repro.verdicts.references import Given
from repro.verdicts.subject import Subject
from repro.verdicts.verdict import Status, Verdict
from runner.memory import TooMuchMemory
from runner.run import Precision
from runner.target import Target

Failure = tuple[int, str, str]


@dataclass(frozen=True)
class Tap:
    """What was seen with one intermediate exposed. survived: the original failures were all still there.

    max_abs: its largest error, which may be infinite or NaN; None where the run had no outputs.
    """

    name: str
    producer: str
    survived: bool
    status: Status
    signature: str
    holds: str
    max_abs: float | None = None


@dataclass(frozen=True)
class TapReport:
    """A localisation.

    failures: (output, status, signature) without any tap. skipped: intermediates not tapped. beyond: what leaves
    float16's range first, by evaluation alone.
    """

    failures: tuple[Failure, ...]
    taps: tuple[Tap, ...]
    skipped: int = 0
    obstacle: str = ""
    beyond: BeyondFloat16 | None = None

    @property
    def is_void(self) -> bool:
        """No tap left the original failure in place, so nothing was learnt about where it begins."""
        return bool(self.failures) and not any(t.survived for t in self.taps)

    @property
    def first_wrong(self) -> Tap | None:
        """The earliest tensor, in execution order, that is wrong while the original failure is still there."""
        return next((t for t in self.taps if t.survived and t.status is Status.FAIL), None)

    @property
    def hiding(self) -> tuple[Tap, ...]:
        """Taps that made the original failure vanish or change: exposing them is a workaround, and a clue."""
        return tuple(t for t in self.taps if not t.survived)

    def _is_at_or_before(self, name: str, first: Tap | None) -> bool:
        names = [tap.name for tap in self.taps]
        return first is None or name in names[: names.index(first.name) + 1]

    def lines(self) -> Iterator[str]:
        """The report as the user reads it."""
        if self.obstacle:
            yield f"taps: {self.obstacle}"
            return
        if not self.failures:
            yield "taps: no output fails, so there is nothing to localise"
            return
        failures = ", ".join(f"output {i} {s} {g}".strip() for i, s, g in self.failures)
        survivors = sum(t.survived for t in self.taps)
        yield f"taps: {failures}; {counted(len(self.taps), 'inner tensor')} shown, each as one more output"
        if self.skipped:
            yield f"taps: {counted(self.skipped, 'tensor')} further from the outputs not shown"
        if not self.taps:
            yield "taps: no tensor lies before the failing outputs: the op that writes them is the first wrong"
            return
        if self.is_void:
            yield "taps: VOID: the failure is gone whichever of them is shown; looking at it hides it"
        else:
            yield f"taps: it still fails in the same way with {survivors} of {len(self.taps)} shown"
        first = self.first_wrong
        if self.beyond is not None and self._is_at_or_before(self.beyond.name, first):
            yield f"taps: {self.beyond.words}; it is the first, and what is computed from it is wrong"
        elif first is not None:
            holds = f", holds {first.holds}" if first.holds else ""
            yield f"taps: first wrong tensor: '{first.name}' (written by {first.producer}): {first.signature}{holds}"
        elif not self.is_void:
            yield "taps: every tensor seen is right while the output is wrong: the failure begins at the output itself"
        for tap in self.hiding[:8]:
            yield f"taps: showing '{tap.name}' (written by {tap.producer}) hides the failure, so it says nothing"
        if len(self.hiding) > 8:
            yield f"taps: ... and {len(self.hiding) - 8} more that hide it"


def localise(subject: Subject, target: Target, precision: Precision = Precision.FP32, *, limit: int = 150) -> TapReport:
    """Tap the intermediates before the failing outputs (at most `limit`, the nearest) on a target.

    Runs `limit` + 1 models at most. Raises DeviceFailed when the target is lost.
    """
    foreign = unsupported(subject.graph)
    if foreign:
        return TapReport(
            (), (), obstacle=f"what is right inside the model is not known: {', '.join(foreign)} is not evaluated"
        )
    plain = dataclasses.replace(subject.graph, extras=None)
    original = dataclasses.replace(subject.edited(plain), name="without taps")
    failures = _failures(judge(target.run(original.job(precision)), original, metrics="none"))
    if not failures or any(i < 0 for i, _, _ in failures):
        obstacle = "the run itself failed, so there is no output to localise" if failures else ""
        return TapReport(failures if not obstacle else (), (), obstacle=obstacle)
    candidates = _before(plain, [plain.outputs[i] for i, _, _ in failures])
    chosen = candidates[-limit:]
    everything = original.edited(dataclasses.replace(plain, outputs=(*plain.outputs, *chosen)))
    try:
        everything.require_reference()
    except TooMuchMemory as error:
        return TapReport(failures, (), obstacle=str(error))
    tapped = [_tapped(everything, plain, name, precision) for name in chosen]
    jobs = (one.job(precision) for one in tapped)
    taps = []
    for name, one, run in zip(chosen, tapped, target.run_many(jobs) if chosen else (), strict=True):
        verdicts = judge(run, one)
        last = verdicts[-1]
        survived = last.output >= 0 and set(failures) <= set(_failures(verdicts))
        wrong_by = last.metrics.get("max_abs")
        taps.append(Tap(name, plain.producers[name].kind, survived, last.status, last.signature, last.holds, wrong_by))
    beyond = None
    if precision is Precision.FP16:
        beyond = first_beyond_float16(plain, original.feeds[0], [plain.outputs[i] for i, _, _ in failures])
    return TapReport(failures, tuple(taps), len(candidates) - len(chosen), beyond=beyond)


def _tapped(everything: Subject, plain: Graph, name: str, precision: Precision) -> Subject:
    """The graph with one output more; references and floors are taken from the one evaluation with all of them."""
    outputs = (*plain.outputs, name)
    places = [everything.graph.outputs.index(output) for output in outputs]
    references = tuple(tuple(arrays[i] for i in places) for arrays in everything.references)
    return dataclasses.replace(
        everything.edited(dataclasses.replace(plain, outputs=outputs)),
        name=f"tap {name}",
        reference=Given(references),
        given_floors={precision: tuple(everything.floors(precision)[i] for i in places)},
    )


def _failures(verdicts: Sequence[Verdict]) -> tuple[Failure, ...]:
    return tuple(
        (v.output, str(v.status), v.signature) for v in verdicts if v.status not in (Status.PASS, Status.INVALID)
    )


def _before(graph: Graph, outputs: Sequence[str]) -> list[str]:
    """Intermediates on the way to some outputs, in execution order; outputs themselves are seen anyway."""
    needed = set(outputs)
    for op in reversed(graph.ops):
        if needed & set(op.outputs):
            needed |= {n for n in op.inputs if n}
    return [
        name
        for op in graph.ops
        for name in op.outputs
        if name in needed and name not in graph.outputs and graph.tensors[name].dtype == "float32"
    ]
