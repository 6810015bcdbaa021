"""One worker process: it starts or says why not, answers, and leaves nothing behind when it is stopped."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from runner.host.worker_process import StartFailed, WorkerProcess, WorkerSpec, last_line
from runner.run import Job, Outcome
from runner.runtimes import installed
from tests.runner.models import add_model, feed


def spec(**changes: object) -> WorkerSpec:
    whole: dict[str, object] = {
        "engine": "cpu",
        "runtime": installed().folder,
        "environment": {},
        "memory_bytes": 1 << 31,
    }
    return WorkerSpec(**whole | changes)  # type: ignore[arg-type]


def test_a_worker_answers_and_is_gone_when_it_is_stopped():
    worker = WorkerProcess(spec())
    try:
        assert worker.alive
        inputs = feed(0)
        reply = worker.execute(Job(add_model(), (inputs, inputs)), 60.0)
        assert reply.outcome is Outcome.OK
        for outputs in reply.outputs:
            np.testing.assert_array_equal(outputs[0], inputs[0] + inputs[1])
        assert worker.served == 1
        assert Path(f"/proc/{worker.pid}").exists()
    finally:
        worker.stop()
    assert not worker.alive
    assert not Path(f"/proc/{worker.pid}").exists()
    worker.stop()


def test_a_worker_that_does_not_come_up_says_why():
    with pytest.raises(StartFailed, match="exit code"):
        WorkerProcess(spec(module="runner.no_such_module"))


def test_a_runtime_that_is_none_is_a_failed_start(tmp_path: Path):
    with pytest.raises(StartFailed) as error:
        WorkerProcess(spec(runtime=tmp_path))
    assert str(error.value)


def test_a_worker_that_was_killed_is_a_crash_that_names_the_signal():
    worker = WorkerProcess(spec())
    worker.kill()
    reply = worker.execute(Job(add_model(), (feed(0),)), 60.0)
    assert reply.outcome is Outcome.CRASH
    assert "SIGKILL" in reply.message
    assert not worker.alive


def test_a_worker_has_a_session_of_its_own_so_that_ctrl_c_is_the_pools():
    worker = WorkerProcess(spec())
    try:
        assert os.getsid(worker.pid) == worker.pid != os.getsid(0)
    finally:
        worker.stop()


@pytest.mark.parametrize(
    ("log", "line"),
    [
        ("", "(empty)"),
        ("\n \n", "(empty)"),
        ("first\nlast\n\n", "last"),
        ("F1126 17:01:02.345678 1234 model.cc:217] Check failed: x", "model.cc:217] Check failed: x"),
        ("I0000 00:00:1700000000.123456    4321 a.cc:1] said", "a.cc:1] said"),
        ("F1126 is no prefix", "F1126 is no prefix"),
        ("Check failed: x\n*** Check failure stack trace: ***\n    @     0x7f0102 absl::Die()\n", "Check failed: x"),
        ("Check failed: x\nmunmap_chunk(): invalid pointer", "Check failed: x"),
        ("said\n    @     0x7f0102 (unknown)", "said"),
        ("munmap_chunk(): invalid pointer\nanother thread said", "munmap_chunk(): invalid pointer"),
        ("malloc(): invalid size (unsorted)\nsaid", "malloc(): invalid size (unsorted)"),
        ("malloc(): unsorted double linked list corrupted\nsaid", "malloc(): unsorted double linked list corrupted"),
        ("double free or corruption (!prev)\nsaid", "double free or corruption (!prev)"),
        ("*** stack smashing detected ***: terminated\nsaid", "*** stack smashing detected ***: terminated"),
        ("terminate called after throwing 'E'\n  what():  x", "terminate called after throwing 'E'"),
        ("LLVM ERROR: cannot select\nStack dump:\n #0 0x00007f01 llvm::x()", "LLVM ERROR: cannot select"),
        ("corrupted size vs. prev_size\nCheck failed: y", "Check failed: y"),
        ("fault at 0x7f0102abcd of 0x20", "fault at 0x... of 0x20"),
    ],
)
def test_the_telling_line_of_a_log_is_without_time_thread_and_stack(log: str, line: str):
    assert last_line(log) == line
