"""What the gate costs beyond the target's work: `gate_overhead` = gate wall seconds over bare compile and run, minus 1.

The gate runs once beforehand, so that graphs, references, floors and the driver's shaders are cached, as on every day
but the first. Then it runs again through a target that keeps its jobs, and the same jobs go through a bare
CompiledModel loop in one process (tests/bench/bare_loop.py), back to back.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import models.dfine
from repro.layouts.gate import chosen_size, gate
from repro.layouts.reader import read_layout
from runner.host.pool import HostTarget
from runner.run import Job, Precision, Run
from runner.target import Target
from runner.targets import open_target, resolve
from tests.bench.bench_isolation import bare_seconds
from tests.bench.bench_isolation import write_jobs as write_prepared

LAYOUT = Path(models.dfine.__file__).parent / "shipped.toml"
ROUNDS = 3


class Keeping(Target):
    """A target that keeps the jobs it passes on."""

    def __init__(self, inner: HostTarget) -> None:
        self.inner = inner
        self.name = inner.name
        self.identity = inner.identity
        self.jobs: list[Job] = []

    def activate_impl(self) -> None:
        self.inner.activate()

    def deactivate_impl(self) -> None:
        self.inner.deactivate()

    def run_many_impl(self, jobs: Iterable[Job]) -> Iterator[Run]:
        def kept() -> Iterator[Job]:
            for job in jobs:
                self.jobs.append(job)
                yield job

        yield from self.inner.run_many(kept())


def measure() -> dict[str, float]:
    """gate_overhead: median of rounds in which gate and bare loop take turns."""
    layout = read_layout(LAYOUT)
    size = chosen_size(layout, None)
    ratios = []
    with open_target(resolve(["gpu"])[0]) as inner, tempfile.TemporaryDirectory() as scratch:
        assert isinstance(inner, HostTarget)
        warm = Keeping(inner)
        report = gate(layout, warm, Precision.FP32, size, lambda text: None)
        assert report.passed, [check.reason for check in report.refusals]
        write_prepared([(None, job) for job in warm.jobs], Path(scratch))  # type: ignore[misc]
        environment = inner.worker_environment(warm.jobs[0])
        for _ in range(ROUNDS):
            started = time.perf_counter()
            gate(read_layout(LAYOUT), Keeping(inner), Precision.FP32, size, lambda text: None)
            gated = time.perf_counter() - started
            bare = bare_seconds(Path(scratch), environment)
            ratios.append(gated / bare - 1)
            print(f"gate {gated:.1f} s, bare compile and run {bare:.1f} s, overhead {ratios[-1]:+.1%}")
    return {"gate_overhead": sorted(ratios)[len(ratios) // 2]}


if __name__ == "__main__":
    print(measure())
