"""The native runner by itself, against the real LiteRT libraries: isolation, deadlines, repeats, sanitisers."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from runner.adb.build import SOURCE, host_runner
from runner.adb.loopback.device import device_gpu
from runner.adb.manifest import BatchCase, BatchLimits, manifest_text, pack
from runner.adb.results import CaseLine, EventLine, parse_line, split_outputs
from runner.host.gpu import GpuName
from runner.run import Job, Precision
from runner.runtimes import Runtime, fetched, installed
from tests.runner.adb.conftest import sums

pytestmark = pytest.mark.gpu


@dataclass(frozen=True)
class Batch:
    code: int
    events: list[EventLine]
    lines: list[CaseLine]
    folder: Path
    errors: str


def run(
    place: Path,
    cases: Sequence[BatchCase],
    limits: BatchLimits | None = None,
    runtime: Runtime | None = None,
    runner: Path | None = None,
    stuck: Collection[int] = (),
) -> Batch:
    """One batch in a folder of this host, as a phone would run it.

    stuck: numbers of cases that hang, however fast or slow the machine is. In the place of their first input lies
    a pipe that nobody writes to, so that opening it never returns; by then the model is compiled and the driver up.
    """
    batch, objects = place / "batch", place / "objects"
    batch.mkdir()
    objects.mkdir()
    wanted: dict[str, bytes] = {}
    for case in cases:
        wanted.update(case.objects())
    for case in cases:
        if case.number in stuck:
            first = hashlib.sha256(case.job.feeds[0][0].tobytes()).hexdigest()
            del wanted[first]
            os.mkfifo(objects / first)
    (batch / "pack").write_bytes(pack(wanted))
    (batch / "manifest").write_text(manifest_text(cases, limits or BatchLimits(120.0)), encoding="utf-8")
    environment = device_gpu(GpuName("")).environment(os.environ)
    folder = (runtime or installed()).folder
    command = [str(runner or host_runner()), "run", str(batch), str(objects), str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, check=False, timeout=600)
    parsed = [parse_line(line) for line in done.stdout.splitlines()]
    lines = [line for line in parsed if isinstance(line, CaseLine)]
    events = [line for line in parsed if isinstance(line, EventLine)]
    return Batch(done.returncode, events, lines, batch, done.stderr.decode(errors="replace"))


def all_right(batch: Batch, jobs: list[Job], answers: list[np.ndarray], numbers: Sequence[int]) -> bool:
    by_number = {line.number: line for line in batch.lines}
    for number in numbers:
        line = by_number[number]
        data = (batch.folder / "out" / str(number)).read_bytes()
        outputs = split_outputs(line, len(jobs[number].feeds), data)
        if line.status != "ok" or not np.array_equal(outputs[0][0], answers[number]):
            return False
    return True


def test_bad_models_and_inputs_cost_only_themselves(tmp_path: Path) -> None:
    jobs, answers = sums(6)
    jobs[1] = Job(b"no model at all", jobs[1].feeds, name="rubbish")
    jobs[3] = Job(jobs[3].model[: len(jobs[3].model) // 2], jobs[3].feeds, name="cut in half")
    jobs[4] = Job(jobs[4].model, ((np.zeros(3, np.float32), np.zeros(4, np.float32)),), name="wrong size")
    batch = run(tmp_path, [BatchCase(i, job) for i, job in enumerate(jobs)])
    assert batch.code == 0, batch.errors
    assert [line.number for line in batch.lines] == [0, 1, 2, 3, 4, 5]
    assert all_right(batch, jobs, answers, [0, 2, 5])
    status = {line.number: line for line in batch.lines}
    assert status[1].status == "refused"
    assert status[3].status in ("refused", "crash")
    assert "is 16 bytes, was given 12" in status[4].message
    assert all(line.fully_accelerated for line in batch.lines if line.status == "ok")
    assert batch.events[-1].event == "end"


@pytest.mark.parametrize("place_of_hang", [0, 1])
def test_a_hang_is_ended_at_its_deadline_and_the_rest_runs(tmp_path: Path, place_of_hang: int) -> None:
    """Also where it follows others in one process, so that it is tried again alone."""
    jobs, answers = sums(3)
    jobs[place_of_hang] = replace(jobs[place_of_hang], name="stuck", deadline_s=1.0)
    batch = run(tmp_path, [BatchCase(i, job) for i, job in enumerate(jobs)], stuck=[place_of_hang])
    assert batch.code == 0
    (hang,) = [line for line in batch.lines if line.number == place_of_hang]
    assert hang.status == "hang"
    assert "no answer within 1 s" in hang.message
    assert all_right(batch, jobs, answers, [i for i in range(3) if i != place_of_hang])


def test_a_case_that_eats_memory_is_a_crash(tmp_path: Path) -> None:
    """The cases hang, so that each is there to be measured until it is ended."""
    jobs, _ = sums(2)
    limits = BatchLimits(120.0, memory_mb=1)
    batch = run(tmp_path, [BatchCase(i, job) for i, job in enumerate(jobs)], limits, stuck=[0, 1])
    assert batch.code == 0
    assert [line.status for line in batch.lines] == ["crash", "crash"]
    assert all("out of memory" in line.message for line in batch.lines)


def test_the_whole_deadline_ends_the_batch(tmp_path: Path) -> None:
    jobs, _ = sums(2)
    jobs = [replace(job, deadline_s=3600.0) for job in jobs]
    batch = run(tmp_path, [BatchCase(i, job) for i, job in enumerate(jobs)], BatchLimits(1.0), stuck=[0])
    assert batch.code == 4
    assert batch.lines == []
    assert batch.events[-1].kind == "deadline"


def test_every_case_can_have_a_process_of_its_own(tmp_path: Path) -> None:
    jobs, answers = sums(3)
    batch = run(tmp_path, [BatchCase(i, job) for i, job in enumerate(jobs)], BatchLimits(120.0, per_child=1))
    assert all_right(batch, jobs, answers, range(3))
    assert all("Selected adapter" in line.log for line in batch.lines)  # each brought the driver up itself


def test_repeats_and_equal_feeds_are_compared(tmp_path: Path) -> None:
    (job,), _ = sums(1)
    batch = run(tmp_path, [BatchCase(0, job, repeats=3)])
    (line,) = batch.lines
    assert line.repeats_differ == (0, 0, 0)
    assert line.same_feeds == ({"feed": 2, "of": 0, "differ": 0},)
    assert line.outputs[0].unwritten == (0, 0, 0)


def test_a_damaged_pack_is_found(tmp_path: Path) -> None:
    (job,), _ = sums(1)
    case = BatchCase(0, job)
    (tmp_path / "batch").mkdir()
    (tmp_path / "objects").mkdir()
    data = bytearray(pack(case.objects()))
    data[-1] ^= 1
    (tmp_path / "batch" / "pack").write_bytes(data)
    (tmp_path / "batch" / "manifest").write_text(manifest_text([case], BatchLimits(60.0)), encoding="utf-8")
    command = [str(host_runner()), "run", str(tmp_path / "batch"), str(tmp_path / "objects"), str(installed().folder)]
    done = subprocess.run(command, capture_output=True, check=False, timeout=600)
    assert done.returncode == 5
    assert b"damaged push" in done.stdout


def test_the_abi_of_every_runtime_that_is_here(tmp_path: Path) -> None:
    runtimes = {runtime.version: runtime for runtime in [installed(), *fetched()]}
    jobs, answers = sums(2)
    for version, runtime in runtimes.items():
        if runtime.accelerator is None:
            continue
        place = tmp_path / version
        place.mkdir()
        cases = [BatchCase(i, Job(job.model, job.feeds, Precision.FP16)) for i, job in enumerate(jobs)]
        batch = run(place, cases, runtime=runtime)
        assert batch.code == 0, version
        takes = batch.events[0].values["model_takes_environment"]
        assert takes == (tuple(map(int, version.split(".")[:3])) >= (2, 1, 6)), version
        assert all(line.status == "ok" for line in batch.lines), version
        outputs = split_outputs(batch.lines[0], 3, (batch.folder / "out" / "0").read_bytes())
        np.testing.assert_allclose(outputs[0][0], answers[0], rtol=2e-3, atol=2e-3)


@pytest.mark.slow
def test_nothing_is_found_by_the_sanitisers(tmp_path: Path) -> None:
    runner = tmp_path / "sanitised"
    flags = ["-std=c11", "-g", "-O1", "-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined"]
    subprocess.run(["gcc", *flags, str(SOURCE), "-o", str(runner), "-ldl"], check=True, timeout=600)
    jobs, answers = sums(4)
    jobs[2] = Job(b"no model", jobs[2].feeds, name="rubbish")
    batch = run(tmp_path, [BatchCase(i, job) for i, job in enumerate(jobs)], runner=runner)
    assert batch.code == 0
    assert "ERROR: " not in batch.errors
    assert "runtime error" not in batch.errors
    assert not any("Sanitizer" in line.log for line in batch.lines)
    assert all_right(batch, jobs, answers, [0, 1, 3])
