"""Each graph on the feed it got: what is run and judged of it, residency, and outputs that a constant dominates."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.builder import GraphBuilder
from cases.evaluation.evaluate import evaluate
from cases.tflite.read import read_tflite
from cases.tflite.write import write_tflite
from repro.layouts.layout import GraphPart, Layout, Limit, Residual
from repro.layouts.models import PartModel, Values
from repro.layouts.outputs import GraphPlan, job_of, output_checks, plan, residency_check, thresholds_of
from repro.layouts.reference import ReferenceSource
from repro.layouts.result import GateAnswer, GateCheck
from repro.verdicts.thresholds import DEFAULT
from runner.run import Fingerprint, Outcome, Precision, Run
from tests.repro.layouts import two_graphs
from tests.repro.layouts.gating import EXAMPLE, layout_of, refusals, replace_in, run_gate
from tests.repro.verdicts.judging import normal

ROWS, WIDTH = 6, 4
CONSTANT = 1e6


def model_of() -> PartModel:
    """y = x + c, where c is so large that float32 keeps one digit of x."""
    g = GraphBuilder()
    graph = g.build([g.add(g.input("x", (1, ROWS, WIDTH)), g.const(np.full(WIDTH, CONSTANT)), "y")])
    part = GraphPart(name="shift", builder="module:function", inputs=("x",), outputs=("y",))
    return PartModel(part, write_tflite(graph), graph)


def sets(count: int = 2) -> list[Values]:
    return [{"x": normal(1, ROWS, WIDTH, seed=seed).astype(np.float32)} for seed in range(count)]


def ran(planned: GraphPlan, change: float = 0.0, target: str = "gpu:a", **facts: object) -> Run:
    """What a target gives back for a plan: the right values, all of them changed by as much."""
    fingerprint = Fingerprint(target, "0", {}, "", "", "fp32", "")
    outputs = tuple(((x + np.float32(CONSTANT) + np.float32(change)).astype(np.float32),) for (x,) in planned.feeds)
    whole: dict[str, object] = {
        "outcome": Outcome.OK,
        "outputs": outputs,
        "output_names": ("y",),
        "fully_accelerated": True,
    }
    return Run("shift", fingerprint=fingerprint, **whole | facts)  # type: ignore[arg-type]


def test_a_constant_output_is_refused(example, cpu):
    """A head that multiplies by zero: the comparison has no power, and that is no pass."""
    (example / "head.tflite").write_bytes(write_tflite(two_graphs.head(factor=0.0)))
    g = GraphBuilder()
    g.input("features_x2", (1, two_graphs.TOKENS, two_graphs.FEATURES))
    summary = g.input("summary", (1, 1, two_graphs.FEATURES))
    flat = g.scaled(summary, 0.0)
    wide = g.add(flat, g.const(np.ones((1, two_graphs.TOKENS, 1))))
    y = g.fully_connected(wide, np.ones((two_graphs.CLASSES, two_graphs.FEATURES)), name="y")
    (example / "head.tflite").write_bytes(write_tflite(g.build([y])))
    report = run_gate(example, cpu)
    assert ("output", "head", "y") in refusals(report)
    assert "INVALID" in next(c.reason for c in report.refusals if c.kind == "output")


def other_weights(part: str, feed: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
    """A reference of the encoder with other weights than its file has; the head's is its own."""
    data = (EXAMPLE / f"{part}.tflite").read_bytes()
    graph = read_tflite(data, part)
    outputs = evaluate(graph, feed)
    shift = 1.0 if part == "head" else -1.0
    return tuple(shift * outputs[name] for name in graph.outputs)


def test_a_file_of_other_weights_than_its_reference_is_called_that(example, cpu):
    replace_in(example, "split.toml", 'graphs = "float64"', 'graphs = "tests.repro.layouts.test_outputs:other_weights"')
    report = run_gate(example, cpu)
    reasons = {(c.part, c.tensor): c.reason for c in report.refusals if c.kind == "output"}
    assert set(reasons) == {("encoder", "features_x2"), ("encoder", "summary")}
    assert all("something else than its reference" in reason for reason in reasons.values())


@given(st.integers(1, 4))
def test_the_first_feed_comes_again_and_the_chain_takes_the_same_run_where_it_got_the_same(count: int):
    model, ideal = model_of(), sets(count)
    planned = plan(model, ideal, [dict(values) for values in ideal], layout_of())
    assert len(planned.feeds) == count + 1
    assert planned.feeds[-1] is planned.feeds[0]
    assert (planned.judged, planned.chain) == (tuple(range(count + 1)), tuple(range(count)))


def test_a_chain_that_got_something_else_is_run_beside_what_the_reference_gives():
    model, ideal, actual = model_of(), sets(), [{"x": values["x"] + 1} for values in sets()]
    planned = plan(model, ideal, actual, layout_of())
    np.testing.assert_array_equal(planned.feeds[planned.judged[0]][0], ideal[0]["x"])
    assert planned.feeds[planned.judged[-1]] is planned.feeds[0]
    for k, values in zip(planned.chain, actual, strict=True):
        np.testing.assert_array_equal(planned.feeds[k][0], values["x"])


def test_behind_a_broken_chain_a_graph_is_judged_on_the_references_inputs_only():
    planned = plan(model_of(), sets(), None, layout_of())
    assert (planned.judged, planned.chain) == ((0, 1, 2), ())


def test_a_job_carries_the_plan_and_says_whose_it_is():
    planned = plan(model_of(), sets(), None, layout_of())
    job = job_of(model_of(), planned, Precision.FP16, layout_of())
    assert (job.feeds, job.precision, job.name) == (planned.feeds, Precision.FP16, "two-graphs shift")


PLANNED = plan(model_of(), sets(), None, layout_of())


@pytest.mark.parametrize(
    ("run", "answer", "says"),
    [
        (ran(PLANNED), GateAnswer.PASS, "all of it runs on the GPU"),
        (ran(PLANNED, fully_accelerated=False), GateAnswer.REFUSED, "not fully accelerated"),
        (ran(PLANNED, fully_accelerated=None), GateAnswer.REFUSED, "the runtime says nothing"),
        (ran(PLANNED, target="cpu"), GateAnswer.NOTE, "no delegate to be resident on"),
        (ran(PLANNED, outcome=Outcome.REFUSED, message="GATHER"), GateAnswer.REFUSED, "REFUSED: GATHER"),
        (ran(PLANNED, outcome=Outcome.CRASH, message="x", target="cpu"), GateAnswer.REFUSED, "CRASH: x"),
    ],
)
def test_residency_is_proved_and_not_assumed(run: Run, answer: GateAnswer, says: str):
    check = residency_check(model_of(), run)
    assert (check.kind, check.part, check.answer) == ("residency", "shift", answer)
    assert says in check.reason


def judged(layout: Layout, run: Run, planned: GraphPlan = PLANNED) -> GateCheck:
    source = ReferenceSource(layout, None)
    (check,) = output_checks(layout, model_of(), run, planned, source, Precision.FP32, None)
    return check


@pytest.fixture
def plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    monkeypatch.setenv("REPRO_CACHE", str(tmp_path))
    layout = layout_of()
    return dataclasses.replace(layout, references=dataclasses.replace(layout.references, chain=""))


def constant(places: str = "") -> np.ndarray:
    """What dominates y; +inf in the rows that are left out."""
    array = np.full((1, ROWS, WIDTH), CONSTANT)
    if places:
        array[:, 0] = np.inf
    return array


def without_constant(layout: Layout, folder: Path, left_out: str = "") -> Layout:
    np.save(folder / "constant.npy", constant(left_out))
    residual = Residual("y", str(folder / "constant.npy"), "it is the rest that matters")
    return dataclasses.replace(layout, residuals=(residual,))


def test_a_tensor_that_a_constant_dominates_has_no_power_and_without_it_has(plain: Layout, tmp_path: Path):
    assert "INVALID" in judged(plain, ran(PLANNED)).reason
    check = judged(without_constant(plain, tmp_path), ran(PLANNED))
    assert check.answer is GateAnswer.PASS, check.reason
    assert check.reason.endswith("(it is the rest that matters)")


def test_what_is_left_without_the_constant_is_judged(plain: Layout, tmp_path: Path):
    check = judged(without_constant(plain, tmp_path), ran(PLANNED, change=0.5))
    assert check.answer is GateAnswer.REFUSED
    assert check.reason.startswith("FAIL wrong: ")
    assert "noise floors" not in check.reason
    assert "noise floors" in check.detail, "the precise numbers are for -v and JSON"
    assert check.numbers["rmse"] == pytest.approx(0.5, rel=1e-2)


def test_rows_without_a_constant_are_left_out(plain: Layout, tmp_path: Path):
    run = ran(PLANNED)
    for (y,) in run.outputs:
        y[:, 0] = 7.0
    # The whole tensor is wrong there all the same: leaving out rows forgives nothing that the judge can see.
    assert judged(plain, run).answer is GateAnswer.REFUSED
    inner = judged(without_constant(plain, tmp_path, "left out"), ran(PLANNED))
    assert inner.answer is GateAnswer.PASS, inner.reason


def test_a_layouts_own_limits_replace_the_judges_and_the_chains_stay_out():
    limits = {"element_floors_fp32": Limit(2.0, "mine"), "chain_snr_db": Limit(90, "the chain's")}
    table = thresholds_of(layout_of(), limits)
    assert (table.name, table["element_floors_fp32"]) == ("two-graphs", 2.0)
    assert table["tensor_rmse_floors"] == DEFAULT["tensor_rmse_floors"]
    assert thresholds_of(layout_of(), {"chain_snr_db": Limit(90, "the chain's")}) is DEFAULT
