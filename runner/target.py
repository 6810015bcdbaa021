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

    `name` is the full name (`cpu`, `gpu:lavapipe`, `adb:SERIAL`); `identity` is a short stable
    string of everything but the job that decides a result (runtime, library hashes, driver,
    adapter): results are cached under (identity, job.key).
    """

    name: str
    identity: str

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
    def activate_impl(self) -> None: ...

    @abc.abstractmethod
    def deactivate_impl(self) -> None: ...

    @abc.abstractmethod
    def run_many_impl(self, jobs: Iterable[Job]) -> Iterator[Run]: ...

    def __enter__(self) -> Target:
        self.activate()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.deactivate()
