"""What came of one start with a cache: the outputs that are right without one, or an error, or something else.

Key insight: a cache may be refused, ignored or used; what it may not do is change an output. So a run is held against
the same model's run without a cache: each output that is right there has to be right here, in every run of the process.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from repro.restarts.setups import says_read
from repro.verdicts.judge import judge, same_bits
from repro.verdicts.subject import Subject
from repro.verdicts.verdict import Status, Verdict
from runner.run import Outcome, Outputs, Run


class State(enum.StrEnum):
    """What came of it. All of WRONG, CRASH and HANG are faults; SKIPPED: it could not be tried, `said` why."""

    SAME = "SAME"
    REFUSED = "REFUSED"
    WRONG = "WRONG"
    CRASH = "CRASH"
    HANG = "HANG"
    SKIPPED = "SKIPPED"

    @property
    def is_fault(self) -> bool:
        return self in (State.WRONG, State.CRASH, State.HANG)


_ENDS = {Outcome.REFUSED: State.REFUSED, Outcome.CRASH: State.CRASH, Outcome.HANG: State.HANG}


@dataclass(frozen=True)
class Reading:
    """One step's answer. read: whether the delegate says that it took something from the cache. said: one line."""

    step: str
    state: State
    read: bool = False
    said: str = ""

    @property
    def words(self) -> str:
        """`SAME, read`, `WRONG, read: output 0 'y' FAIL stale`."""
        return f"{self.state}{', read' if self.read else ''}{f': {self.said}' if self.said else ''}"

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Plain:
    """A run without a cache. right: indices of the outputs that pass. reading: what came of it."""

    reading: Reading
    right: frozenset[int] = frozenset()


def plain_run(subject: Subject, run: Run) -> Plain:
    """What is right without a cache; nothing where the model does not run, or a later run of its process differs."""
    if run.outcome is not Outcome.OK:
        return Plain(_ended("without", run))
    right = frozenset(v.output for v in _verdicts(subject, run) if v.status is Status.PASS)
    return Plain(_compared("without", subject, run, right, None), right)


def reading_of(step: str, subject: Subject, run: Run, plain: Plain, written: Outputs | None = None) -> Reading:
    """What came of a run with a cache. written: outputs of the model that wrote it, where that is another one."""
    if run.outcome is not Outcome.OK:
        return _ended(step, run)
    return _compared(step, subject, run, plain.right, written)


def _ended(step: str, run: Run) -> Reading:
    state = _ENDS.get(run.outcome)
    said = run.message if state else f"{run.outcome}: {run.message}"
    return Reading(step, state or State.WRONG, says_read(run.log), said)


def _compared(step: str, subject: Subject, run: Run, right: frozenset[int], written: Outputs | None) -> Reading:
    read = says_read(run.log)
    wrong = [v for v in _verdicts(subject, run) if v.output in right and v.status is not Status.PASS]
    if wrong:
        whose = "; what the other model computes, bit for bit" if written and _equal(run.outputs, written) else ""
        return Reading(step, State.WRONG, read, f"{', '.join(f'{v.where} {v.said}' for v in wrong)}{whose}")
    later = _differing_round(run.outputs, len(subject.feeds), right)
    if later:
        return Reading(step, State.WRONG, read, f"round {later} of the same inputs gives other outputs than the first")
    return Reading(step, State.SAME, read)


def _verdicts(subject: Subject, run: Run) -> tuple[Verdict, ...]:
    """Of the first round of inputs."""
    return judge(replace(run, outputs=run.outputs[: len(subject.feeds)]), subject, metrics="none")


def _differing_round(outputs: Outputs, feeds: int, right: frozenset[int]) -> int:
    """The first later round of the same inputs in which an output that is right differs in a bit; 0 if none."""
    for run, arrays in enumerate(outputs[feeds:], feeds):
        first = outputs[run % feeds]
        if not all(same_bits(arrays[i], first[i]) for i in right):
            return run // feeds + 1
    return 0


def _equal(some: Outputs, others: Outputs) -> bool:
    """Whether all outputs of the runs that both have are the same bits."""
    return all(
        len(a) == len(b) and all(same_bits(x, y) for x, y in zip(a, b, strict=True))
        for a, b in zip(some, others, strict=False)
    )


def faults(readings: Sequence[Reading]) -> list[Reading]:
    return [one for one in readings if one.state.is_fault]
