"""A target that doubles its inputs: what a campaign does with jobs does not depend on what they compute."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np

from runner.run import Fingerprint, Job, Outcome, Precision, Run
from runner.target import Target

NAME = "gpu:doubling"


class Doubling(Target):
    """Counts how often each job was run. identity: of two that differ nothing may be mixed."""

    def __init__(self, identity: str = "doubling|1") -> None:
        self.name = NAME
        self.identity = identity
        self.ran: Counter[str] = Counter()

    def activate_impl(self) -> None: ...

    def deactivate_impl(self) -> None: ...

    def run_many_impl(self, jobs: Iterable[Job]) -> Iterator[Run]:
        for job in jobs:
            self.ran[job.name] += 1
            yield doubled(job)


def doubled(job: Job) -> Run:
    """The Run of one job."""
    made_of = Fingerprint(NAME, "1", {}, "", "", str(job.precision), job.model_sha256)
    outputs = tuple(tuple(2 * array for array in feed) for feed in job.feeds)
    return Run(job.name, Outcome.OK, made_of, outputs, ("y",), True)


def jobs(count: int, size: int = 3) -> list[Job]:
    """Jobs that all differ, with models and inputs of their own."""
    made = []
    for number in range(count):
        feeds = ((np.full((size,), number, np.float32),), (np.arange(size, dtype=np.float32),))
        made.append(Job(b"model %d" % (number // 2), feeds, Precision.FP32, f"job {number}"))
    return made


def same(runs: Iterable[Run], asked: Iterable[Job]) -> bool:
    """Whether these are the Runs of these jobs, in their order."""
    pairs = list(zip(runs, asked, strict=True))
    return all(
        run.name == job.name and np.array_equal(run.outputs, [[2 * a for a in feed] for feed in job.feeds])
        for run, job in pairs
    )
