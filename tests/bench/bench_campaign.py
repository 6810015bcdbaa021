"""What a campaign on several machines costs: two workers on two cores against the pool of this machine.

`campaign_scaling`: jobs per second of `--scheduler` with two workers of one process each, over those of the local pool
with two processes; all are processes of `repro` on this machine. The workers are there already, and a local pool starts
its processes first: of a run of a minute that is two or three seconds. `campaign_ms_per_task`, `campaign_kib_per_job`:
what the scheduler spends on a task that does nothing, and what travels for one job there and back.
`campaign_command_runs_per_s`: how many runs the command itself takes in where they cost nothing to make: it draws
inputs, judges on its cores and keeps a journal. From these docs/campaigns.md tells what many workers would do.
"""

from __future__ import annotations

import json
import pickle
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from cases.catalogue import select
from repro.campaigns.campaign import run_campaign
from repro.campaigns.expectations import Expectations
from repro.records.journal import Journal
from repro.remote.access import access
from repro.remote.engine import Engine
from repro.remote.parcel import pack
from repro.verdicts.subject import case_subject
from runner.run import Job, Precision, Run
from runner.target import Target
from runner.targets import open_target, resolve

CASES = ("fanout/*", "findings/*")
ROUNDS = 2
TASKS = 500


@contextmanager
def two_workers(target: str, folder: Path) -> Iterator[str]:
    """The address of a scheduler with two workers of one process each."""
    children = []

    def start(name: str, *words: str) -> str:
        log = folder / f"{name}.log"
        with log.open("wb") as file:
            children.append(subprocess.Popen([sys.executable, "-m", "repro", *words], stdout=file, stderr=file))
        while not (found := re.search(r"scheduler at (\S+)|lends", log.read_text(encoding="utf-8"))):
            if children[-1].poll() is not None:
                raise RuntimeError(log.read_text(encoding="utf-8"))
            time.sleep(0.1)
        return found[0].rpartition(" ")[2]

    try:
        address = start("scheduler", "scheduler", "--port", "0")
        for name in ("w1", "w2"):
            start(name, "worker", "--scheduler", address, "--target", target, "--processes", "1", "--name", name)
        yield address
    finally:
        for child in reversed(children):
            child.kill()
            child.wait()


def seconds(target: str, *words: str) -> float:
    """How long `repro run` itself says that the runs took: what starting a process costs is the same for both."""
    command = [sys.executable, "-m", "repro", "run", *CASES, "--target", target, "--again", *words]
    said = subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stdout
    return float(re.findall(r"; ([\d.]+) s; seed", said)[-1])


def ms_per_task(address: str) -> float:
    """From handing in tasks that do nothing to the last answer."""
    with Engine(access(address)) as engine:
        engine.submit(int).result()
        started = time.perf_counter()
        tickets = [engine.submit(int) for _ in range(TASKS)]
        for ticket in tickets:
            ticket.result()
        return (time.perf_counter() - started) / TASKS * 1e3


class Recorded(Target):
    """Answers at once, with runs that were made before, in the order of their jobs."""

    def __init__(self, runs: Sequence[Run]) -> None:
        self.name = self.identity = "recorded"
        self._runs = runs

    def activate_impl(self) -> None: ...

    def deactivate_impl(self) -> None: ...

    def run_many_impl(self, jobs: Iterable[Job]) -> Iterator[Run]:
        return (run for run, _ in zip(self._runs, jobs, strict=True))


def runs_per_s(runs: Sequence[Run], folder: Path) -> float:
    """Runs that one command draws, judges and keeps in a second."""
    with Journal(folder / "journal.sqlite") as journal, Recorded(runs) as target:
        started = time.perf_counter()
        run_campaign(select(CASES), target, tuple(Precision), Expectations("recorded"), journal)
        return len(runs) / (time.perf_counter() - started)


def made_and_moved(target: str) -> tuple[list[Run], float, float]:
    """The runs of the catalogue's part, and what travels for one of its jobs (KiB): there, and back."""
    jobs = [case_subject(case).job(precision) for case in select(CASES) for precision in Precision]
    parcel, large = pack(jobs)
    there = len(pickle.dumps(parcel)) + sum(map(len, large.values()))
    with open_target(target, workers=2) as opened:
        runs = list(opened.run_many(jobs))
    return runs, there / len(jobs) / 1024, len(pickle.dumps(runs)) / len(jobs) / 1024


def measure() -> dict[str, float]:
    """Median of rounds in which both take turns."""
    target = resolve(["gpu"])[0]
    rounds = []
    with tempfile.TemporaryDirectory() as folder, two_workers(target, Path(folder)) as address:
        for _ in range(ROUNDS):
            local = seconds(target, "--workers", "2")
            remote = seconds(target, "--scheduler", address)
            print(f"local pool {local:.1f} s, two workers {remote:.1f} s: {local / remote:.2f}", flush=True)
            rounds.append(local / remote)
        task = ms_per_task(address)
    runs, there, back = made_and_moved(target)
    with tempfile.TemporaryDirectory() as folder:
        command = float(np.median([runs_per_s(runs, Path(folder) / str(n)) for n in range(ROUNDS + 1)]))
    return {
        "campaign_scaling": float(np.median(rounds)),
        "campaign_ms_per_task": task,
        "campaign_command_runs_per_s": command,
        "campaign_kib_per_job_there": there,
        "campaign_kib_per_job_back": back,
    }


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))
