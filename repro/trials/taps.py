"""Which tensor is the first wrong one? Each intermediate is exposed as one more output, one at a time.

Key insight: looking can hide the failure, because an output more is a role changed, and the delegate's fusions
depend on roles. So a tap says something only if the original failure was still there beside it; where no tap
left it in place the localisation is void, and that is the answer.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cases.evaluation.evaluate import unsupported
from cases.graph import Graph
from cases.tflite.write import write_tflite
from repro.trials.check import float64_references
from repro.verdicts.emulation import floors_for
from repro.verdicts.judge import judge_run
from repro.verdicts.verdict import Status, Verdict
from runner.run import Feed, Job, Precision
from runner.target import Target

Failure = tuple[int, str, str]


@dataclass(frozen=True)
class Tap:
    """What was seen with one intermediate exposed. survived: the original failures were all still there."""

    name: str
    producer: str
    survived: bool
    status: Status
    signature: str
    holds: str


@dataclass(frozen=True)
class TapReport:
    """A localisation. failures: (output, status, signature) without any tap. skipped: intermediates not tapped."""

    failures: tuple[Failure, ...]
    taps: tuple[Tap, ...]
    skipped: int = 0
    obstacle: str = ""

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

    def lines(self) -> Iterator[str]:
        """The report as the user reads it."""
        if self.obstacle:
            yield f"taps: {self.obstacle}"
            return
        if not self.failures:
            yield "taps: no output fails, so there is nothing to localise"
            return
        told = ", ".join(f"output {i} {s} {g}".strip() for i, s, g in self.failures)
        kept = sum(t.survived for t in self.taps)
        yield f"taps: {len(self.taps)} intermediates exposed one at a time; without a tap: {told}"
        if self.skipped:
            yield f"taps: {self.skipped} intermediates further from the outputs were not tapped"
        if not self.taps:
            yield "taps: no intermediates lie before the failing outputs: the op that writes them is the first wrong"
            return
        if self.is_void:
            yield "taps: VOID: the original failure survived none of the taps; looking at it hides it"
        else:
            yield f"taps: the original failure survived {kept} of {len(self.taps)} taps"
        first = self.first_wrong
        if first is not None:
            held = f", holds {first.holds}" if first.holds else ""
            yield f"taps: first wrong tensor: '{first.name}' (written by {first.producer}): {first.signature}{held}"
        elif not self.is_void:
            yield "taps: every tensor seen is right while the output is wrong: the failure begins at the output itself"
        for tap in self.hiding[:8]:
            yield f"taps: exposing '{tap.name}' (written by {tap.producer}) hides the failure; void there"
        if len(self.hiding) > 8:
            yield f"taps: ... and {len(self.hiding) - 8} more that hide it"


def localise(
    graph: Graph,
    target: Target,
    feeds: Sequence[Feed],
    precision: Precision = Precision.FP32,
    *,
    limit: int = 150,
) -> TapReport:
    """Tap the intermediates before the failing outputs (at most `limit`, the nearest) on a target.

    Runs `limit` + 1 models at most. Raises DeviceFailed when the target is lost.
    """
    foreign = unsupported(graph)
    if foreign:
        return TapReport((), (), obstacle=f"no reference for the intermediates: {', '.join(foreign)} is not evaluated")
    plain = dataclasses.replace(graph, extras=None) if hasattr(graph, "extras") else graph
    first = _judge(plain, (), target, feeds, precision)
    failures = _failures(first)
    if not failures or any(i < 0 for i, _, _ in failures):
        obstacle = "the run itself failed, so there is no output to localise" if failures else ""
        return TapReport(failures if not obstacle else (), (), obstacle=obstacle)
    candidates = _before(plain, [plain.outputs[i] for i, _, _ in failures])
    chosen = candidates[-limit:]
    everything = dataclasses.replace(plain, outputs=(*plain.outputs, *chosen))
    references = float64_references(everything, feeds)
    floors = floors_for(everything, feeds, references, precision)
    place = {name: i for i, name in enumerate(everything.outputs)}

    def jobs() -> Iterator[Job]:
        for name in chosen:
            tapped = dataclasses.replace(plain, outputs=(*plain.outputs, name))
            yield Job(write_tflite(tapped), tuple(feeds), precision, f"tap {name}")

    taps = []
    for name, run in zip(chosen, target.run_many(jobs()) if chosen else (), strict=True):
        tapped = dataclasses.replace(plain, outputs=(*plain.outputs, name))
        wanted = [place[n] for n in tapped.outputs]
        verdicts = judge_run(
            run,
            feeds,
            [[r[i] for i in wanted] for r in references],
            [floors[i] for i in wanted],
            graph=tapped,
            metrics="none",
        )
        last = verdicts[-1]
        survived = last.output >= 0 and set(failures) <= set(_failures(verdicts))
        taps.append(Tap(name, plain.producers[name].kind, survived, last.status, last.signature, last.holds))
    return TapReport(failures, tuple(taps), len(candidates) - len(chosen))


def _failures(verdicts: Sequence[Verdict]) -> tuple[Failure, ...]:
    return tuple(
        (v.output, str(v.status), v.signature) for v in verdicts if v.status not in (Status.PASS, Status.INVALID)
    )


def _judge(
    graph: Graph, extra: Sequence[str], target: Target, feeds: Sequence[Feed], precision: Precision
) -> tuple[Verdict, ...]:
    tapped = dataclasses.replace(graph, outputs=(*graph.outputs, *extra))
    references = float64_references(tapped, feeds)
    floors = floors_for(tapped, feeds, references, precision)
    run = target.run(Job(write_tflite(tapped), tuple(feeds), precision, "without taps"))
    return judge_run(run, feeds, references, floors, graph=tapped, metrics="none")


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
