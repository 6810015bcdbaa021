"""A job that crashes, hangs or eats memory loses nothing but itself. Real pool, real worker process."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from runner.errors import TargetUnavailable
from runner.host.pool import HostTarget
from runner.run import Job, Outcome
from runner.runtimes import installed
from tests.runner.models import add_model, feed

MEMORY_LIMIT = 600 << 20


@pytest.fixture(scope="module")
def target() -> Iterator[HostTarget]:
    made = HostTarget("cpu", "cpu", installed(), memory_bytes=MEMORY_LIMIT, module="tests.runner.host.faulty_worker")
    with made:
        yield made


def healthy(seed: int) -> Job:
    return Job(add_model(), (feed(seed),), name=f"healthy {seed}")


def faulty(fault: str, deadline_s: float = 600.0) -> Job:
    """A job that misbehaves. Where it does not hang it ends by itself: its deadline is for machines that are broken."""
    return Job(add_model(), (feed(0),), name=fault, deadline_s=deadline_s, options={"simulated_fault": fault})


@pytest.mark.parametrize(
    ("fault", "outcome", "words"),
    [
        ("abort", Outcome.CRASH, "SIGABRT"),
        ("segfault", Outcome.CRASH, "SIGSEGV"),
        ("leave", Outcome.CRASH, "exit code 7"),
        ("eat", Outcome.CRASH, "out of memory"),
        ("fail_to_allocate", Outcome.CRASH, "out of memory"),
        ("babble_and_eat", Outcome.CRASH, "out of memory"),
        ("hang", Outcome.HANG, "no answer within 1 s"),
        ("babble", Outcome.HANG, "no answer within 1 s"),
    ],
)
def test_a_fault_costs_its_own_job_only(target: HostTarget, fault: str, outcome: Outcome, words: str):
    bad = faulty(fault, 1.0) if outcome is Outcome.HANG else faulty(fault)
    jobs = [healthy(1), bad, healthy(2), healthy(3)]
    runs = list(target.run_many(jobs))
    assert [run.outcome for run in runs] == [Outcome.OK, outcome, Outcome.OK, Outcome.OK]
    assert words in runs[1].message
    assert runs[1].outputs == ()
    for run, job in ((runs[0], jobs[0]), (runs[2], jobs[2]), (runs[3], jobs[3])):
        np.testing.assert_array_equal(run.outputs[0][0], job.feeds[0][0] + job.feeds[0][1])


def test_the_beginning_and_the_end_of_a_long_log_are_kept(target: HostTarget):
    crashed = target.run(faulty("abort"))
    assert "simulated: about to abort" in crashed.log
    assert "its log ends: simulated: about to abort" in crashed.message
    noisy = target.run(faulty("noise"))
    assert noisy.outcome is Outcome.OK
    assert "the end of the noise" in noisy.log
    assert noisy.log.startswith("the beginning of the noise")
    assert "bytes left out]" in noisy.log
    assert len(noisy.log) < 100_000


def test_a_job_that_dies_only_after_others_is_run_alone_before_it_is_called_a_crash(target: HostTarget):
    runs = list(target.run_many([healthy(1), faulty("abort_unless_first"), healthy(2)]))
    assert [run.outcome for run in runs] == [Outcome.OK] * 3
    assert "run again alone" in runs[1].log
    assert "SIGABRT" in runs[1].log


def test_a_first_run_that_was_read_too_early_is_run_again_in_the_same_worker():
    with HostTarget("cpu", "cpu", installed(), module="tests.runner.host.faulty_worker") as fresh:
        run = fresh.run(faulty("slow_at_first"))
        assert run.outcome is Outcome.OK
        assert "run again with its shaders compiled" in run.log
        assert len(fresh.idle_workers) == 1


def test_faults_do_not_disturb_neighbours_that_run_at_the_same_time():
    with HostTarget("cpu", "cpu", installed(), workers=2, module="tests.runner.host.faulty_worker") as target:
        jobs = [faulty("abort") if i % 3 == 0 else healthy(i) for i in range(9)]
        runs = list(target.run_many(jobs))
    assert [run.outcome for run in runs] == [Outcome.CRASH if i % 3 == 0 else Outcome.OK for i in range(9)]


def workers_of(target: HostTarget) -> list[int]:
    return [worker.pid for worker in target.idle_workers]


def test_a_worker_killed_between_jobs_is_replaced(target: HostTarget):
    assert target.run(healthy(1)).outcome is Outcome.OK
    (pid,) = workers_of(target)
    os.kill(pid, signal.SIGKILL)
    assert target.run(healthy(2)).outcome is Outcome.OK
    assert workers_of(target) != [pid]


@pytest.mark.slow
def test_a_worker_that_is_stopped_and_does_not_even_read_is_a_hang(target: HostTarget):
    assert target.run(healthy(1)).outcome is Outcome.OK
    (pid,) = workers_of(target)
    os.kill(pid, signal.SIGSTOP)
    # Both tries have this deadline: the second, alone in a fresh worker, needs some milliseconds of it.
    run = target.run(Job(add_model() + bytes(1_000_000), (feed(1),), name="large", deadline_s=8))
    assert run.outcome is Outcome.OK
    assert "HANG in a first try" in run.log


def test_a_consumer_that_leaves_early_is_not_kept_waiting_and_leaves_no_process():
    elsewhere = children_running("tests.runner.host.faulty_worker")
    target = HostTarget("cpu", "cpu", installed(), module="tests.runner.host.faulty_worker")
    with target:
        stream = target.run_many([healthy(1), faulty("hang", 1200), healthy(2), healthy(3)])
        assert next(stream).outcome is Outcome.OK
        before = time.monotonic()
        stream.close()  # type: ignore[attr-defined]
        assert time.monotonic() - before < 600, "it waited for the job that hangs"
        assert target.run(healthy(4)).outcome is Outcome.OK
    assert children_running("tests.runner.host.faulty_worker") == elsewhere


def children_running(module: str) -> int:
    """Child processes of this one that run the module."""
    count = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes().decode(errors="replace")
            parent = (process / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1]
        except OSError:
            continue
        count += module in line and parent == str(os.getpid())
    return count


def test_a_runtime_that_cannot_be_loaded_is_an_unavailable_target(tmp_path: Path):
    from runner.runtimes import Runtime

    (tmp_path / "libLiteRt.so").write_bytes(b"not a library")
    target = HostTarget("cpu", "cpu", Runtime("0.0.0", tmp_path))
    with pytest.raises(TargetUnavailable, match=r"invalid ELF header|file too short"):
        target.activate()
