"""What isolation costs: our cases per second over a bare in-process loop, and over a process for each case.

`isolated_vs_bare`: one worker of the pool, every Run judged while the next one computes, against a
bare CompiledModel loop (tests/bench/bare_loop.py): the same compiles and runs, the same driver
settings, nothing isolated and nothing judged. `isolated_vs_process_per_case`: the same pool against a fresh
worker for every job. Everything is run once beforehand, so that all sides find the driver's shader
cache and the references alike; start-up is excluded but for the last, whose point it is.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from cases.catalogue import catalogue
from repro.verdicts.judge import judge
from repro.verdicts.subject import Subject, case_subject
from runner.host.pool import HostTarget
from runner.run import Job, Outcome, Precision
from runner.targets import open_target, resolve

CASES = 48
ROUNDS = 3
SOLO_JOBS = 16

Work = list[tuple[Subject, Job]]


def sample(target: HostTarget) -> Work:
    """Graph cases of the catalogue that this target runs to the end, evenly drawn, each in both precisions."""
    cases = [case for case in catalogue() if case.graph is not None]
    chosen = cases[:: max(1, len(cases) // CASES)][:CASES]
    work = []
    for case in chosen:
        subject = case_subject(case)
        work += [(subject, subject.job(p)) for p in Precision]
    runs = list(target.run_many(job for _, job in work))
    ran = [item for item, run in zip(work, runs, strict=True) if run.outcome is Outcome.OK]
    for subject, job in ran:
        subject.floors(job.precision)  # references and floors are computed once, here
    return ran


def pooled_seconds(target: HostTarget, work: Work) -> float:
    """All jobs through the warm pool, every Run judged."""
    target.run(work[0][1])
    started = time.perf_counter()
    for (subject, _), run in zip(work, target.run_many(job for _, job in work), strict=True):
        assert judge(run, subject)
    return time.perf_counter() - started


def solo_seconds(target: HostTarget, work: Work) -> float:
    """All jobs, each in a worker of its own that is started for it and stopped after it."""
    started = time.perf_counter()
    for subject, job in work:
        target.deactivate()
        assert judge(target.run(job), subject)
    return time.perf_counter() - started


def bare_seconds(folder: Path, environment: dict[str, str]) -> float:
    """The bare loop's own figure."""
    script = Path(__file__).with_name("bare_loop.py")
    child = subprocess.run(
        [sys.executable, str(script), str(folder)],
        env=environment,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if child.returncode != 0:
        raise RuntimeError(f"the bare loop failed: {child.stderr[-500:]}")
    return float(json.loads(child.stdout.splitlines()[-1])["seconds"])


def write_jobs(work: Work, folder: Path) -> None:
    """The jobs as files, for the bare loop."""
    names = []
    for number, (_, job) in enumerate(work):
        (folder / f"{number}.tflite").write_bytes(job.model)
        arrays = {f"{k}_{i}": array for k, feed in enumerate(job.feeds) for i, array in enumerate(feed)}
        np.savez(folder / f"{number}.npz", **arrays)
        names.append([str(number), str(job.precision)])
    (folder / "jobs.json").write_text(json.dumps(names), encoding="utf-8")


def measure() -> dict[str, float]:
    """Ratios of cases per second: median of rounds in which the three sides take turns."""
    name = resolve(["gpu"])[0]
    rounds: list[tuple[float, float, float]] = []
    with open_target(name) as target, tempfile.TemporaryDirectory() as scratch:
        assert isinstance(target, HostTarget)
        work = sample(target)
        write_jobs(work, Path(scratch))
        environment = target.worker_environment(work[0][1])
        for _ in range(ROUNDS):
            pooled = pooled_seconds(target, work) / len(work)
            bare = bare_seconds(Path(scratch), environment) / len(work)
            solo = solo_seconds(target, work[:SOLO_JOBS]) / SOLO_JOBS
            rounds.append((bare, pooled, solo))
    bare, pooled, solo = (float(np.median(column)) for column in zip(*rounds, strict=True))
    ratios = {
        "isolated_vs_bare": float(np.median([b / p for b, p, _ in rounds])),
        "isolated_vs_process_per_case": float(np.median([s / p for _, p, s in rounds])),
    }
    table = Table(title=f"{len(work)} jobs of the catalogue on {name}, {ROUNDS} rounds, medians", box=None)
    table.add_column("how")
    table.add_column("cases/s", justify="right")
    table.add_column("ms per case", justify="right")
    rows = (
        ("bare loop in one process", bare),
        ("isolated and judged", pooled),
        ("a process a case", solo),
    )
    for how, seconds in rows:
        table.add_row(how, f"{1 / seconds:.1f}", f"{seconds * 1e3:.1f}")
    Console().print(table)
    return ratios


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))
