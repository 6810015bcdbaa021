"""Cases over adb in a second: in batches, one at a time by the runner that stays, and each with a process of its own.

All run the same small catalogue cases on the same loopback device with the same runner, turn by turn, so that a busy
machine slows all three; a process per case is what a script does that pushes a model, runs it, and pulls its output.

- `adb_batch_vs_single`: batches against a process per case.
- `adb_resident_vs_single`: one case at a time by the runner that stays (what `reduce`, `fuzz` and `check` ask for)
  against a process per case.
- `adb_batch_vs_gpu`: batches against the time that the delegate itself takes for these cases, compiling and running
  them; 1 would be an adb that costs nothing, and is the floor.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from cases.catalogue import select
from repro.verdicts.subject import case_subject
from runner.adb.manifest import BatchCase
from runner.adb.session import Stay
from runner.adb.target import AdbTarget
from runner.run import Job, Precision, Run

BATCH = 120
SINGLE = 12
ROUNDS = 3


def jobs() -> list[Job]:
    """Small graph cases: a few nodes, fewer than 100 kB of inputs."""
    found: list[Job] = []
    for case in select((), None):
        if case.graph is None:
            continue
        job = case_subject(case).job(Precision.FP32)
        if sum(array.nbytes for feed in job.feeds for array in feed) < 300_000:
            found.append(job)
        if len(found) == BATCH:
            break
    return found


def measure() -> dict[str, float]:
    chosen = jobs()
    numbers = itertools.count(100_000)
    batched_s = alone_s = single_s = gpu_s = 0.0
    with AdbTarget("loopback") as target:
        apart = Stay(target.stay.link, target.stay.supplies, resident=False)
        apart.prepare()
        list(target.run_many(chosen))  # so that all ways find the driver's shader cache alike
        for _ in range(ROUNDS):
            started = time.monotonic()
            runs = list(target.run_many(chosen))
            batched_s += time.monotonic() - started
            gpu_s += sum(map(seconds_of_delegate, runs))
            alone_s += one_by_one(target.stay, chosen[:SINGLE], numbers)
            single_s += one_by_one(apart, chosen[:SINGLE], numbers)
        apart.clean()
    batch_rate = ROUNDS * BATCH / batched_s
    alone_rate, single_rate = ROUNDS * SINGLE / alone_s, ROUNDS * SINGLE / single_s
    table = Table("way", "cases", "cases/s", "against the last", box=None)
    for way, count, rate in (
        ("batches, by the runner that stays", BATCH, batch_rate),
        ("one at a time, by the runner that stays", SINGLE, alone_rate),
        ("one at a time, each with its own push and process", SINGLE, single_rate),
    ):
        table.add_row(way, f"{ROUNDS} x {count}", f"{rate:.1f}", f"{rate / single_rate:.1f} x")
    Console().print(table, f"of a batch's time the delegate takes {gpu_s / batched_s:.0%}", highlight=False)
    return {
        "adb_batch_vs_single": batch_rate / single_rate,
        "adb_resident_vs_single": alone_rate / single_rate,
        "adb_batch_vs_gpu": batched_s / gpu_s,
        "adb_batch_cases_per_s": batch_rate,
        "adb_single_cases_per_s": single_rate,
    }


def seconds_of_delegate(run: Run) -> float:
    """Compiling, and running each feed; nothing for what did not run."""
    stages = run.stages or {"compile": 0.0, "first_run": 0.0}
    return stages["compile"] + stages["first_run"] + (len(run.outputs) - 1) * stages.get("repeat_run", 0.0)


def one_by_one(stay: Stay, chosen: Sequence[Job], numbers: itertools.count[int]) -> float:
    """Seconds for batches of one."""
    started = time.monotonic()
    for job in chosen:
        answers = list(stay.run_batch([BatchCase(next(numbers), job)]))
        if len(answers) != 1:
            raise AssertionError(f"{len(answers)} answers of one case")
    return time.monotonic() - started
