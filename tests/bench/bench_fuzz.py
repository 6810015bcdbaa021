"""How many graphs a second the fuzzer judges, beside a bare loop over the same graphs.

Three loops over blocks of small drawn graphs. `fuzz_graphs_per_s`: draw, reference, floor, run in the
worker pool (one worker per core), lint, judge, when the driver has the block's shaders.
`fuzz_bare_graphs_per_s`: the same pool over ready files and inputs, nothing drawn or judged (a bare
in-process loop is no measure here: now and then a drawn graph ends the process that runs it).
`fuzz_new_shaders_graphs_per_s`: the first pass over a block no one has seen, which pays for compiling
shaders; what a hunt makes is between the two.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from repro.fuzzer.corpus import Corpus
from repro.fuzzer.hunt import Hunt
from repro.fuzzer.sources import Sources
from repro.reducer.search import NotReducible
from repro.verdicts.references import OwnOps
from repro.verdicts.subject import Subject
from runner.run import Outcome, Precision
from runner.target import Target
from runner.targets import open_target, resolve

GRAPHS = 128
SEED = 20


class _JudgeOnly(Hunt):
    """A hunt that reduces nothing: reductions are the same work as `repro reduce`, not a graph more."""

    def _reduce(self, index, original):  # type: ignore[no-untyped-def]
        raise NotReducible("not reduced in a benchmark")


def hunt(target: Target, folder: Path, seed: int) -> Hunt:
    def no_cpu() -> Target:
        raise AssertionError("drawn graphs need no cpu reference")

    store = Corpus(folder, seed, target.identity)
    return _JudgeOnly(target, Precision.FP32, OwnOps(no_cpu, strict_shapes=True), Sources(), store, {})


def fuzz_rate(target: Target, seed: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        fuzzer = hunt(target, Path(folder), seed)
        started = time.perf_counter()
        summary = fuzzer.run(600, GRAPHS)
        return float(summary["graphs"]) / (time.perf_counter() - started)


def runnable(target: Target, seed: int) -> list[Subject]:
    """The block's graphs that the target runs to the end."""
    with tempfile.TemporaryDirectory() as folder:
        fuzzer = hunt(target, Path(folder), seed)
        subjects = [fuzzer._subject(fuzzer.sources.draw(seed, index)) for index in range(GRAPHS)]
        usable = [subject for subject in subjects if subject is not None]
        runs = target.run_many(subject.job(Precision.FP32) for subject in usable)
        return [subject for subject, run in zip(usable, runs, strict=True) if run.outcome is Outcome.OK]


def bare_rate(target: Target, work: list[Subject]) -> float:
    """The same worker pool over ready bytes and inputs: nothing is drawn, nothing is judged."""
    started = time.perf_counter()
    count = sum(run.outcome is Outcome.OK for run in target.run_many(subject.job(Precision.FP32) for subject in work))
    return count / (time.perf_counter() - started)


def measure() -> dict[str, float]:
    """Graphs a second on the best Vulkan driver with one worker per core. Raises TargetUnavailable without one."""
    (name,) = resolve(["gpu"])
    with open_target(name, workers=os.cpu_count() or 1) as target:
        fresh = time.time_ns() % 10**9  # a block that no shader cache has seen
        cold = fuzz_rate(target, fresh)
        fuzz_rate(target, SEED)
        work = runnable(target, SEED)
        warm = fuzz_rate(target, SEED)
        bare = bare_rate(target, work)
    table = Table(title=f"{GRAPHS} drawn graphs on {name}, {os.cpu_count()} workers")
    table.add_column("loop")
    table.add_column("graphs/s", justify="right")
    for label, value in (
        ("fuzz, shaders known (draw, run, judge, lint)", warm),
        ("bare loop, shaders known (run only)", bare),
        (f"fuzz, shaders new (seed {fresh})", cold),
    ):
        table.add_row(label, f"{value:.1f}")
    Console().print(table)
    return {
        "fuzz_graphs_per_s": warm,
        "fuzz_bare_graphs_per_s": bare,
        "fuzz_vs_bare": warm / bare,
        "fuzz_new_shaders_graphs_per_s": cold,
    }


if __name__ == "__main__":
    measure()
