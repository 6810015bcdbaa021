"""`adb_batch_vs_single`: our batches over adb against one push and one process per case, side by side.

Both run the same small catalogue cases on the same loopback device with the same runner; the single
way is what a script does that pushes a model, runs it, and pulls its output, case after case.
"""

from __future__ import annotations

import time

from rich.console import Console
from rich.table import Table

from cases.catalogue import select
from repro.verdicts.subject import case_subject
from runner.adb.manifest import BatchCase
from runner.adb.session import Stay
from runner.adb.target import AdbTarget
from runner.run import Job, Precision

BATCH = 120
SINGLE = 12


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
    with AdbTarget("loopback") as target:
        stay = target.stay
        for _ in stay.run_batch([BatchCase(i, job) for i, job in enumerate(chosen[:SINGLE])]):
            pass  # so that both ways find the driver's shader cache alike
        started = time.monotonic()
        batched = sum(1 for _ in target.run_many(chosen))
        batch_rate = batched / (time.monotonic() - started)
        started = time.monotonic()
        single = sum(run_alone(stay, i, job) for i, job in enumerate(chosen[:SINGLE]))
        single_rate = single / (time.monotonic() - started)
    ratio = batch_rate / single_rate
    table = Table("way", "cases", "cases/s", box=None)
    table.add_row("one batch: one push, one process", str(batched), f"{batch_rate:.1f}")
    table.add_row("one push, one process per case", str(single), f"{single_rate:.1f}")
    Console().print(table, f"batch vs single: {ratio:.1f} x", highlight=False)
    return {"adb_batch_vs_single": ratio, "adb_batch_cases_per_s": batch_rate, "adb_single_cases_per_s": single_rate}


def run_alone(stay: Stay, number: int, job: Job) -> int:
    """A batch of one: its own push, its own process, its own pull."""
    answers = list(stay.run_batch([BatchCase(100_000 + number, job)]))
    return len(answers)
