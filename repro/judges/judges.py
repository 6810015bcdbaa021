"""Judges beside this process, one per core to spare, and questions to them.

Key insight: a verdict is a pure function of a subject and a Run, both of which are data. So it can be asked of any
process, and whatever goes wrong there (a subject that cannot be pickled, a judge that was killed) costs nothing but
judging it here.
"""

from __future__ import annotations

import os
import pickle
import socket
import subprocess
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection

from repro.judges.process import READY
from repro.verdicts.footprint import judging_bytes
from repro.verdicts.judge import judge
from repro.verdicts.subject import Subject
from repro.verdicts.verdict import Verdict
from runner import children
from runner.python_child import child_command, child_environment
from runner.run import Run

MOST = 6
"""Judges at most: what is left for one process to do (drawing inputs, the journal) is a quarter of judging."""
LARGE_BYTES = 256 << 20
"""What takes more memory to judge is judged here, one after the other."""
QUEUED = 3
"""Questions that one judge has at once."""
START_AFTER = 32
"""Questions that are answered here before judges are started, which takes them a second."""


def judges_to_spare() -> int:
    """How many judges this machine has room for, beside this process and what runs models. None below four cores."""
    return max(0, min(MOST, len(os.sched_getaffinity(0)) // 2 - 1))


@dataclass(frozen=True)
class Answer:
    """An answer that was asked for."""

    subject: Subject
    run: Run
    asked: Future[tuple[Verdict, ...] | None]

    @property
    def is_there(self) -> bool:
        return self.asked.done()

    def result(self) -> tuple[Verdict, ...]:
        """The verdicts, made here where the judge had none. Raises as `judge` does."""
        answer = self.asked.result()
        return judge(self.run, self.subject) if answer is None else answer


class _Judge:
    """One judge: its line, the thread that waits for its answers, and what it was asked last."""

    def __init__(self, line: Connection) -> None:
        self._line = line
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="repro-judge")
        self._latest: Subject | None = None
        self._asked: list[Future[tuple[Verdict, ...] | None]] = []
        self._is_there = False
        self._thread.submit(self._begin)

    def _begin(self) -> None:
        with suppress(EOFError, OSError):  # it has ended, and is not there
            self._is_there = self._line.recv_bytes() == READY

    @property
    def queued(self) -> int:
        """Questions that it has not answered."""
        self._asked = [one for one in self._asked if not one.done()]
        return len(self._asked)

    @property
    def is_free(self) -> bool:
        return self._is_there and self.queued < QUEUED

    def knows(self, subject: Subject) -> bool:
        """Whether it was asked of the same subject just before: in its other precision most often."""
        return self._latest is subject

    def ask(self, subject: Subject, run: Run) -> Future[tuple[Verdict, ...] | None]:
        """Raises what pickle raises."""
        question = pickle.dumps((None if self.knows(subject) else subject, run))
        self._latest = subject
        self._asked.append(self._thread.submit(self._answer, question))
        return self._asked[-1]

    def _answer(self, question: bytes) -> tuple[Verdict, ...] | None:
        try:
            self._line.send_bytes(question)
            answer: tuple[Verdict, ...] | None = pickle.loads(self._line.recv_bytes())
            return answer
        except (EOFError, OSError):  # it has ended
            self._is_there = False
            return None

    def close(self) -> None:
        """Its process has been ended, so that nothing is waited for."""
        self._thread.shutdown(wait=True)
        self._line.close()


class Judges:
    """Some judges, asked by one thread; the first questions start them, if there are enough of them."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._judges: list[_Judge] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._here = 0

    def ask(self, subject: Subject, run: Run) -> Answer | None:
        """Who answers, later; None where it is best judged here: nobody is free, or it is large."""
        if not self._count or subject.is_bare or judging_bytes(subject.graph, len(subject.model)) > LARGE_BYTES:
            return None
        free = self._free(subject)
        if free is None:
            return None
        try:
            asked = free.ask(subject, run)
        except (pickle.PicklingError, AttributeError, TypeError):  # a case of lambdas, which have no name
            return None
        return Answer(subject, run, asked)

    def _free(self, subject: Subject) -> _Judge | None:
        if self._process is None:
            self._here += 1
            if self._here > START_AFTER:
                self.start()
            return None
        free = [one for one in self._judges if one.is_free]
        return min(free, key=lambda one: (not one.knows(subject), one.queued), default=None)

    def start(self) -> None:
        """Start the judges, and do not wait for them."""
        lines = [socket.socketpair() for _ in range(self._count)]
        theirs = [other.detach() for _, other in lines]
        # A judge has one core.
        own = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        self._process = children.start(
            child_command("repro.judges.process", *map(str, theirs)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**child_environment(os.environ), **own},
            pass_fds=theirs,
        )
        for end in theirs:
            os.close(end)
        self._judges = [_Judge(Connection(mine.detach())) for mine, _ in lines]

    def close(self) -> None:
        """End the judges. Those who were asked answer from here."""
        if self._process is not None:
            children.end(self._process)
            for one in self._judges:
                one.close()
