"""A model in a browser: the same machinery as every host target, with what a page can do to it. A real browser."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cases import catalogue
from cases.builder import GraphBuilder
from cases.tflite.write import write_tflite
from repro.verdicts.judge import judge
from repro.verdicts.subject import case_subject
from runner.host.pool import HostTarget
from runner.run import Job, Outcome, Precision, unwritten_mask
from runner.runtimes import runtime
from runner.targets import available_web, open_target
from runner.web.browser import web_browser
from runner.web.litert_js import KNOWN, NEWEST
from tests.runner.models import add_model, feed, fully_connected_then_add_model, two_outputs_model
from tests.runner.web.needs import need_browser

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def _browser() -> None:
    need_browser()


@pytest.fixture(scope="module")
def web() -> Iterator[HostTarget]:
    with open_target("gpu:web") as target:
        assert isinstance(target, HostTarget)
        yield target


@pytest.mark.parametrize("version", KNOWN)
def test_a_model_runs_whole_on_the_gpu_that_the_browser_gives(version: str):
    a, b = feed(1)
    with open_target("gpu:web", runtime=version) as target:
        run = target.run(Job(add_model(), ((a, b),), name="add"))
    assert (run.outcome, run.fully_accelerated) == (Outcome.OK, True)
    np.testing.assert_array_equal(run.outputs[0][0], a + b)
    assert run.fingerprint.runtime == version
    assert run.fingerprint.driver.startswith("Chromium ")
    assert run.fingerprint.adapter == web_browser().device


def test_outputs_come_in_the_order_of_the_file(web: HostTarget):
    a, b = feed(2)
    run = web.run(Job(two_outputs_model(), ((a, b), (b, a)), name="two"))
    assert run.output_names == ("s", "p")
    np.testing.assert_array_equal(run.outputs[0][0], a - b)
    np.testing.assert_array_equal(run.outputs[1][1], b * a)


def test_what_nothing_writes_holds_the_sentinel_in_every_run_and_what_is_written_does_not(web: HostTarget):
    run = web.run(Job(fully_connected_then_add_model(), tuple(feed(k, 1) for k in (1, 2, 1)), name="fc"))
    assert [[bool(unwritten_mask(o).all()) for o in outputs] for outputs in run.outputs] == [[True, False]] * 3
    assert not any(unwritten_mask(outputs[1]).any() for outputs in run.outputs)


def test_a_result_that_nobody_reads_does_not_keep_a_model_from_running(web: HostTarget):
    b = GraphBuilder()
    x = b.input("x", (1, 3, 5, 4))
    first, _ = b.split(x, 2, 3)
    b.output(first, b.mul(x, b.const(np.float32(2.0)), "twice"))
    value = np.arange(60, dtype=np.float32).reshape(1, 3, 5, 4)
    run = web.run(Job(write_tflite(b.build()), ((value,),), name="half of a split"))
    assert run.outcome is Outcome.OK, run.message
    np.testing.assert_array_equal(run.outputs[0][0], value[..., :2])
    np.testing.assert_array_equal(run.outputs[0][1], 2 * value)


@pytest.mark.parametrize("width", [1, 2, 3, 5, 8, 64, 4096])
def test_an_output_of_any_size_that_nothing_writes_is_told(web: HostTarget, width: int):
    """Small ones lie in memory that the runtime has just used for something else."""
    b = GraphBuilder()
    y = b.fully_connected(b.input("x", (1, 2, 4)), np.ones((width, 4), np.float32), name="y")
    b.output(y, b.mul(y, b.const(np.float32(0.5)), "half"))
    graph = b.build()
    feeds = tuple((np.full((1, 2, 4), value, np.float32),) for value in (1.0, 2.0))
    run = web.run(Job(write_tflite(graph), feeds, name=str(width)))
    for k, value in enumerate((1.0, 2.0)):
        assert unwritten_mask(run.outputs[k][0]).all()
        np.testing.assert_array_equal(run.outputs[k][1], np.full((1, 2, width), 2 * value, np.float32))


def test_the_bug_that_began_it_all_shows(web: HostTarget):
    subject = case_subject(next(iter(catalogue.select(["findings/add-output-feeds-reduction-minimal"], None))))
    verdicts = judge(web.run(subject.job(Precision.FP32)), subject)
    assert [f"{v.status} {v.signature}".strip() for v in verdicts] == ["FAIL alias(x)", "PASS"]


def test_an_input_that_litert_js_has_no_tensors_for_is_refused_in_its_words(web: HostTarget):
    b = GraphBuilder()
    b.output(b.unary("LOGICAL_NOT", b.input("x", (1, 8), "bool"), "y"))
    run = web.run(Job(write_tflite(b.build()), ((np.ones((1, 8), bool),),), name="bool"))
    assert (run.outcome, run.message) == (
        Outcome.REFUSED,
        "not compiled: Element type BOOL is not supported.",
    )


def test_a_presented_name_reaches_the_delegate_and_is_said(web: HostTarget):
    with open_target("gpu:web@Mali-G610") as named:
        run = named.run(Job(add_model(), (feed(1),), name="named"))
    assert run.outcome is Outcome.OK
    assert "named Mali-G610, not a Mali" in run.fingerprint.driver
    assert run.fingerprint.adapter.startswith("Mali-G610")
    assert named.identity != web.identity


def test_the_cpu_of_litert_js_is_webassembly():
    a, b = feed(3)
    with open_target("cpu", runtime=NEWEST) as target:
        run = target.run(Job(two_outputs_model(), ((a, b),), name="wasm"))
    assert (run.outcome, run.fully_accelerated, run.fingerprint.runtime) == (Outcome.OK, None, NEWEST)
    np.testing.assert_array_equal(run.outputs[0][0], a - b)


def test_the_doctor_finds_what_was_set_up():
    (info,) = available_web()
    assert (info.name, info.usable, info.reason) == ("gpu:web", True, "")


@pytest.fixture(scope="module")
def faulty() -> Iterator[HostTarget]:
    """A target whose jobs may ask for a fault."""
    browser = web_browser()
    made = HostTarget("gpu:web", "gpu", runtime(NEWEST), driver=browser, module="tests.runner.web.faulty_page_worker")
    with made:
        yield made


@pytest.mark.parametrize(
    ("fault", "outcome", "words"),
    [
        ("trap", Outcome.CRASH, "the page ended: unreachable"),
        ("renderer", Outcome.CRASH, "the page ended: "),
        ("gpu", Outcome.CRASH, "the page ended: the GPU's device was lost"),
        ("browser", Outcome.CRASH, "the page ended: "),
        ("hang", Outcome.HANG, "no answer within 8 s"),
    ],
)
def test_a_fault_of_a_page_costs_its_own_job_and_says_what_it_printed(
    faulty: HostTarget, fault: str, outcome: Outcome, words: str
):
    healthy = Job(add_model(), (feed(1),), name="healthy")
    deadline = 8.0 if outcome is Outcome.HANG else 120.0
    bad = Job(add_model(), (feed(0),), name=fault, deadline_s=deadline, options={"simulated_fault": fault})
    runs = list(faulty.run_many([healthy, bad, healthy]))
    assert [run.outcome for run in runs] == [Outcome.OK, outcome, Outcome.OK]
    assert words in runs[1].message
    assert f"about to simulate: {fault}" in runs[1].log
    np.testing.assert_array_equal(runs[2].outputs[0][0], runs[0].outputs[0][0])


def test_nothing_is_left_of_a_browser_whose_worker_was_killed(web: HostTarget, tmp_path: Path):
    with open_target("gpu:web") as target:
        assert isinstance(target, HostTarget)
        target.run(Job(add_model(), (feed(1),), name="add"))
        (worker,) = target.idle_workers
        scratch = worker._scratch.name
        started = browsers_in(scratch)
        worker.kill()
        for _ in range(600):
            if not browsers_in(scratch):
                break
            time.sleep(0.1)
        assert started
        assert browsers_in(scratch) == []
        worker.stop()
    assert not Path(scratch).exists()


def browsers_in(folder: str) -> list[int]:
    """The processes whose profile lies in a folder."""
    found = []
    for status in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if f"--user-data-dir={folder}".encode() in status.read_bytes():
                found.append(int(status.parent.name))
        except OSError:
            continue  # it has just ended
    return found
