"""The interface every target implements: a context manager that turns jobs into Runs.

Key insight: nothing above this line needs to know whether a driver, a worker process or a phone is
behind it. `run_many` is the primitive, because a phone and a worker pool are both batch machines.
"""

from __future__ import annotations

import abc
from collections.abc import Iterable, Iterator
from types import TracebackType

from runner.run import Job, Run


class Target(abc.ABC):
    """Something that runs .tflite models. Use it as a context manager.

    A new target sets the two attributes and writes the three methods that end in `_impl`; users call those
    without.
    """

    name: str
    """The full name: `cpu`, `gpu:lavapipe`, `adb:SERIAL`."""
    identity: str
    """A stable line of everything but the job that decides a result: runtime, library hashes, driver, adapter.

    Results are cached under (identity, job.key).
    """

    def activate(self) -> None:
        """Start what is needed. Raises TargetUnavailable with the remedy."""
        self.activate_impl()

    def deactivate(self) -> None:
        """Stop everything this target started. Safe to call twice."""
        self.deactivate_impl()

    def run(self, job: Job) -> Run:
        """Run one job. Never raises for what the model did; raises DeviceFailed if the target itself is lost."""
        return next(iter(self.run_many([job])))

    def run_many(self, jobs: Iterable[Job]) -> Iterator[Run]:
        """Run jobs, yielding one Run per job in the order of the jobs, as results become available."""
        return self.run_many_impl(jobs)

    @abc.abstractmethod
    def activate_impl(self) -> None:
        """Find out that jobs can run here and start what they need. Does nothing where that is done already.

        Raises TargetUnavailable with one line: what is missing and the command that mends it.
        """

    @abc.abstractmethod
    def deactivate_impl(self) -> None:
        """Stop every process, connection and thread that this target started, also in the middle of a job.

        Is called a second time, and before any activation.
        """

    @abc.abstractmethod
    def run_many_impl(self, jobs: Iterable[Job]) -> Iterator[Run]:
        """One Run per job, in the order of the jobs.

        Draw jobs only a few ahead of the consumer: they may be an endless stream, made while Runs are judged.
        What the model did is a Run (REFUSED, CRASH, HANG, NOT_RESIDENT), never an exception. Raises BadInput for
        a job that this target cannot be asked for (a precision, an option), DeviceFailed where the target itself
        is lost: then no Run is made up for what was in flight.
        """

    def __enter__(self) -> Target:
        self.activate()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.deactivate()
