"""The worker of the browser, with a page that answers as it is told: which answer of a page is which end of a job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from runner.host.engine import Companion
from runner.host.web_worker import LiteRtJsEngine
from runner.host.worker import run_job
from runner.web.session import PageEnded, Session, StepRefused

X = np.zeros((1, 4), np.float32)
TOLD = {
    "inputs": [{"name": "x", "shape": [1, 4], "dtype": "float32"}],
    "outputs": [{"name": "y", "shape": [1, 4], "dtype": "float32"}],
    "fully": True,
}


class FakeSession(Session):
    def __init__(self, told: Mapping[str, Any] = TOLD, compiling: Exception | None = None, running: Any = None) -> None:
        self.told, self.compiling, self.running = told, compiling, running
        self.steps: list[str] = []

    def compile(self, model: bytes | bytearray, accelerator: str, precision: str) -> dict[str, Any]:
        self.steps.append(f"compile {accelerator} {precision}")
        if self.compiling:
            raise self.compiling
        return dict(self.told)

    def run(
        self, feed: Sequence[np.ndarray], outputs: Sequence[Mapping[str, Any]]
    ) -> tuple[list[np.ndarray], float, float]:
        self.steps.append("run")
        if self.running:
            raise self.running
        return [feed[0] + 1], 0.25, 0.5

    def release(self) -> None:
        self.steps.append("release")


def answered(
    session: FakeSession, *arrays: np.ndarray, options: Mapping[str, Any] | None = None, times: int = 1
) -> dict[str, Any]:
    feed = [{"dtype": a.dtype.str, "shape": list(a.shape)} for a in arrays]
    header = {"feeds": [feed] * times, "precision": "fp32", "options": options or {}}
    blobs = [bytearray(b"model"), *(bytearray(a.tobytes()) for _ in range(times) for a in arrays)]
    reply, _ = run_job(LiteRtJsEngine(session, "webgpu"), header, blobs)
    return reply


def test_a_job_is_compiled_once_run_for_each_feed_and_let_go():
    session = FakeSession()
    reply = answered(session, X, times=3)
    assert session.steps == ["compile webgpu fp32", "run", "run", "run", "release"]
    assert (reply["outcome"], reply["names"], reply["fully_accelerated"]) == ("OK", ["y"], True)
    assert (reply["stages"]["first_run"], reply["stages"]["repeat_run"], reply["stages"]["read"]) == (0.25, 0.25, 0.5)


@pytest.mark.parametrize(
    ("session", "outcome", "message", "steps"),
    [
        (
            FakeSession(compiling=StepRefused("Element type BOOL is not supported.")),
            "REFUSED",
            "not compiled: Element type BOOL is not supported.",
            ["compile webgpu fp32"],
        ),
        (
            FakeSession(running=StepRefused("no")),
            "REFUSED",
            "not run: no",
            ["compile webgpu fp32", "run", "release"],
        ),
        (
            FakeSession({**TOLD, "fully": False}),
            "NOT_RESIDENT",
            "compiled for the GPU alone, yet not fully accelerated",
            ["compile webgpu fp32", "release"],
        ),
        (
            FakeSession(compiling=PageEnded("Aborted()")),
            "CRASH",
            "the page ended: Aborted()",
            ["compile webgpu fp32"],
        ),
    ],
    ids=["refused", "refused to run", "left in part to WebAssembly, and not run", "the page is gone"],
)
def test_how_a_step_ends_is_how_the_job_ends(session: FakeSession, outcome: str, message: str, steps: list[str]):
    reply = answered(session, X)
    assert (reply["outcome"], reply["message"]) == (outcome, message)
    assert session.steps == steps


@pytest.mark.parametrize("array", [np.zeros((1, 5), np.float32), np.zeros((1, 4), np.int32)], ids=["shape", "type"])
def test_a_feed_that_does_not_fit_is_refused_before_it_is_run(array: np.ndarray):
    session = FakeSession()
    reply = answered(session, array)
    assert reply["outcome"] == "REFUSED"
    assert "input 0 'x' is float32[1, 4]" in reply["message"]
    assert session.steps == ["compile webgpu fp32", "release"]


def test_options_and_a_second_model_are_refused_before_anything_is_compiled():
    session = FakeSession()
    reply = answered(session, X, options={"buffer_storage_type": 1})
    assert (reply["outcome"], "buffer_storage_type" in reply["message"]) == ("REFUSED", True)
    engine, beside = LiteRtJsEngine(session, "webgpu"), Companion(bytearray(b"m"), [X], "fp32", {})
    with pytest.raises(Exception, match="a page here holds one at a time"):
        engine.run(bytearray(b"m"), [[X]], "fp32", {}, beside)
    assert session.steps == []
