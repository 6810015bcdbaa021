"""What the targets over OpenCL cost beside gpu:lavapipe: the same small cases of the catalogue, in fp32.

`opencl_<driver>_<cold|warm>_<workers>`: wall seconds over those of gpu:lavapipe in the same state, with one worker and
with one per core. Cold: the driver compiles everything, into an empty cache. Warm: once more. Oclgrind has no cache.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from unittest import mock

from rich.console import Console
from rich.table import Table

from cases.catalogue import catalogue
from repro.verdicts.subject import case_subject
from runner.host.pool import is_small
from runner.opencl.drivers import opencl_driver
from runner.run import Job, Precision
from runner.targets import default_workers, open_target

CASES = 60
BASE = "gpu:lavapipe"
DRIVERS = ("pocl", "oclgrind")
CACHES = ("POCL_CACHE_DIR", "MESA_SHADER_CACHE_DIR")


def sample() -> list[Job]:
    """Small graph cases, evenly drawn: Oclgrind interprets, and takes minutes for a large one."""
    small = [case for case in catalogue() if case.graph is not None]
    jobs = [case_subject(case).job(Precision.FP32) for case in small[:: max(1, len(small) // CASES)]]
    return [job for job in jobs if is_small(job)]


def seconds(name: str, jobs: Sequence[Job], workers: int) -> dict[str, float]:
    """Wall seconds of all jobs through a started target: cold, then warm."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="repro-bench-"))
        stack.enter_context(mock.patch.dict(os.environ, dict.fromkeys(CACHES, folder)))
        target = stack.enter_context(open_target(name, workers=workers))
        found = {}
        for state in ("cold", "warm"):
            started = time.perf_counter()
            assert sum(1 for _ in target.run_many(jobs)) == len(jobs)
            found[state] = time.perf_counter() - started
        return found


def measure() -> dict[str, float]:
    """The ratios; none where no OpenCL driver is set up, which is said in one line."""
    names = {BASE: "lavapipe"} | {f"gpu:{key}": key for key in DRIVERS if opencl_driver(key)}
    if len(names) == 1:
        print("   no OpenCL driver is here; `make opencl` brings two")
        return {}
    jobs = sample()
    table = Table("target", "workers", "cold s", "warm s", title=f"{len(jobs)} small cases, fp32")
    values: dict[str, float] = {}
    for workers in (1, default_workers()):
        base: dict[str, float] = {}
        for name, key in names.items():
            took = seconds(name, jobs, workers)
            table.add_row(name, str(workers), f"{took['cold']:.1f}", f"{took['warm']:.1f}")
            base = base or took
            values |= {f"opencl_{key}_{state}_{workers}": took[state] / base[state] for state in took if key in DRIVERS}
    Console().print(table)
    return values
