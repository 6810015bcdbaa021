"""Does a target work here: one tiny model tells, what works is remembered, and what does not is asked again."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from cases.tflite.read import read_tflite
from runner.host import probe as probing
from runner.host.driver import Driver
from runner.host.probe import MODEL, probe
from runner.host.vulkan import Adapter, logged_adapter, without_width
from runner.host.worker_process import Reply, StartFailed, WorkerSpec
from runner.run import Job, Outcome
from runner.runtimes import Runtime, installed

LAVAPIPE = Adapter("lavapipe", "llvmpipe (LLVM 15.0.6, 256 bits)", "cpu", "llvmpipe Mesa", "1.3", str(MODEL), 1)
RIGHT = ((np.full(4, 5, np.float32),),)
LOG = "I0000 webgpu.cc:1] Selected adapter: llvmpipe (LLVM 15.0.6, 256 bits), arch=x, backend=Vulkan\n"


def test_the_model_is_one_sum_of_two():
    graph = read_tflite(MODEL.read_bytes())
    assert [op.kind for op in graph.ops] == ["ADD"]
    assert graph.inputs == ("a", "b")


@pytest.mark.parametrize(
    ("log", "name"),
    [
        (LOG, "llvmpipe (LLVM 15.0.6)"),
        ("Selected adapter: Intel(R) Arc(TM), arch=xe", "Intel(R) Arc(TM)"),
        ("before\nSelected adapter: SwiftShader Device\nafter", "SwiftShader Device"),
        ("nothing of it", ""),
        ("", ""),
    ],
)
def test_the_adapter_is_the_one_that_the_log_names_without_its_vector_width(log: str, name: str):
    assert logged_adapter(log) == name


def test_only_a_vector_width_at_the_end_is_cut_off():
    assert without_width("llvmpipe (LLVM 15.0.6, 256 bits)") == "llvmpipe (LLVM 15.0.6)"
    assert without_width("a, 256 bits) b") == "a, 256 bits) b"


class Worker:
    """A process that is not there: starts as it is told to, and gives one reply."""

    started = 0
    reply: Reply | str

    def __init__(self, spec: WorkerSpec) -> None:
        Worker.started += 1
        if isinstance(self.reply, str):
            raise StartFailed(self.reply)
        self.start_log = "GPU accelerator registered\n"

    def execute(self, job: Job, deadline_s: float) -> Reply:
        assert isinstance(self.reply, Reply)
        return self.reply

    def stop(self) -> None: ...


@pytest.fixture(autouse=True)
def _stand_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REPRO_CACHE", str(tmp_path))
    monkeypatch.setattr(probing, "WorkerProcess", Worker)
    Worker.started = 0


def asked(
    reply: Reply | str,
    *,
    driver: Driver = LAVAPIPE,
    environment: Mapping[str, str] | None = None,
    runtime: Runtime | None = None,
) -> tuple[bool, str, str]:
    Worker.reply = reply
    chosen = runtime or installed()
    found = probe("gpu:x", WorkerSpec("gpu", chosen.folder, environment or {}, 1 << 30), chosen, driver)
    return found.ok, found.adapter, found.message


WORKS = Reply(Outcome.OK, "", LOG, RIGHT)


def test_what_works_is_remembered_and_not_asked_again():
    first = asked(WORKS)
    assert first == (True, "llvmpipe (LLVM 15.0.6)", "")
    assert asked("would not start any more") == first
    assert Worker.started == 1


def test_another_environment_or_adapter_is_asked_for_itself(tmp_path: Path):
    asked(WORKS)
    asked(WORKS, environment={"VK_INSTANCE_LAYERS": "naming"})
    asked(WORKS, environment={"VK_INSTANCE_LAYERS": "naming", "REPRO_ADAPTER_NAME": "Mali-G610"})
    assert Worker.started == 3


def test_what_does_not_work_is_asked_again_each_time():
    for _ in range(2):
        ok, _, message = asked("the library cannot be loaded")
        assert not ok
        assert "gpu:x cannot start with LiteRT" in message
        assert "the library cannot be loaded; run `repro doctor`" in message
    assert Worker.started == 2
    assert asked(WORKS)[0]


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (dataclasses.replace(WORKS, outputs=((np.zeros(4, np.float32),),)), "came out as [0.0, 0.0, 0.0, 0.0]"),
        (Reply(Outcome.REFUSED, "no", "No adapters found"), "accepts no adapter of this driver"),
        (
            Reply(Outcome.CRASH, "SIGSEGV", "x\nF0101 11:22:33.4 55 a.cc:7] Check failed\n"),
            "CRASH, SIGSEGV; its log ends: a.cc:7]",
        ),
    ],
)
def test_a_wrong_sum_is_no_working_target(reply: Reply, why: str):
    ok, _, message = asked(reply)
    assert not ok
    assert why in message


def test_a_runtime_without_an_accelerator_is_not_even_started(tmp_path: Path):
    bare = dataclasses.replace(installed(), folder=tmp_path)
    ok, _, message = asked(WORKS, runtime=bare)
    assert not ok
    assert "ships no GPU accelerator" in message
    assert Worker.started == 0
