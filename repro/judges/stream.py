"""A stream of runs, judged in its order, by this process and by judges beside it.

Key insight: whether judging holds a target up shows in one thing: whether the next run is there when it is asked for.
While it is not, this process has time and judges itself, so that a slow target costs no process more, and each of its
results is known before the next run. While it is, judges share the work.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from repro.judges.judges import Answer, Judges, judges_to_spare
from repro.verdicts.judge import judge
from repro.verdicts.subject import Subject
from repro.verdicts.verdict import Verdict
from runner.errors import ReproError
from runner.run import Run

AT_ONCE_S = 0.002
"""A run that came within this time was there already."""
OPEN = 64
"""Runs that are held at most because one before them is still judged."""


@dataclass(frozen=True)
class _Known:
    """Verdicts that were made here."""

    verdicts: tuple[Verdict, ...]
    is_there: bool = True

    def result(self) -> tuple[Verdict, ...]:
        return self.verdicts


def judged(
    pairs: Iterable[tuple[Subject, Run]], *, count: int | None = None
) -> Iterator[tuple[Subject, Run, tuple[Verdict, ...]]]:
    """Each pair with its verdicts, in the order of the pairs. count: judges beside this process; None: cores to spare.

    What the stream of pairs raises because a target is lost is raised after all that came before it. Raises what
    `judge` raises.
    """
    judges = Judges(judges_to_spare() if count is None else count)
    waiting: deque[tuple[Subject, Run, Answer | _Known]] = deque()
    source, failed = iter(pairs), None
    try:
        while True:
            asked = time.monotonic()
            try:
                subject, run = next(source)
            except StopIteration:
                break
            except ReproError as error:  # what came before it is not lost
                failed = error
                break
            was_there = time.monotonic() - asked < AT_ONCE_S
            answer = judges.ask(subject, run) if was_there else None
            waiting.append((subject, run, answer or _Known(judge(run, subject))))
            while waiting and (waiting[0][2].is_there or len(waiting) > OPEN):
                yield _ended(*waiting.popleft())
        while waiting:
            yield _ended(*waiting.popleft())
        if failed is not None:
            raise failed
    finally:
        judges.close()


def _ended(subject: Subject, run: Run, answer: Answer | _Known) -> tuple[Subject, Run, tuple[Verdict, ...]]:
    return subject, run, answer.result()
