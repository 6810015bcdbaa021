"""A chain that is wrong while every graph is right: the gate names the forgotten factor or the crossed tensors."""

from __future__ import annotations

import numpy as np
import pytest

from cases.builder import GraphBuilder
from cases.tflite.write import write_tflite
from repro.layouts.miswiring import FACTORS, Change, changes, mending
from repro.layouts.result import GateAnswer, GateCheck, Report
from repro.layouts.walk import prepare
from runner.run import Precision
from tests.repro.layouts import two_graphs
from tests.repro.layouts.gating import layout_of, refusals, run_gate


def hint(report: Report) -> str:
    """What the gate says beside the one refusal, of the chain."""
    assert {kind for kind, *_ in refusals(report)} == {"chain"}
    (note,) = [check for check in report.checks if check.kind == "chain" and check.answer is GateAnswer.NOTE]
    return note.reason


@pytest.mark.parametrize(("factor", "mends"), [(1.0, "x0.5"), (0.25, "x2")])
def test_a_forgotten_factor_is_named_with_its_tensor_and_reader(example, cpu, factor: float, mends: str):
    (example / "head.tflite").write_bytes(write_tflite(two_graphs.head(factor=factor)))
    assert f"so would the chain be if head reads 'features_x2' {mends}" in hint(run_gate(example, cpu))


def test_a_factor_at_the_end_of_the_chain_is_found_too(example, cpu):
    g = GraphBuilder()
    features, summary = g.input("features_x2", (1, 64, 24)), g.input("summary", (1, 1, 24))
    y = g.scaled(two_graphs._head(g, g.scaled(features, 0.5), summary), 2.0)
    (example / "head.tflite").write_bytes(write_tflite(g.build([y])))
    assert "if the end of the chain reads 'y' x0.5" in hint(run_gate(example, cpu))


def test_what_no_factor_and_no_exchange_mends_is_said(example, cpu):
    (example / "head.tflite").write_bytes(write_tflite(two_graphs.head(factor=0.35)))
    said = hint(run_gate(example, cpu))
    assert "what is wrong lies between them; of 7 forgotten factors" in said
    assert "7 were tried and none mends it" in said


def test_a_split_that_is_right_by_itself_loses_on_the_target():
    ground = prepare(layout_of(), None, Precision.FP32, lambda text: None)
    refused = GateCheck("chain", "chain", "y", GateAnswer.REFUSED, "too far off")
    note = mending(ground, refused, lambda text: None)
    assert (note.answer, note.tensor) == (GateAnswer.NOTE, "y")
    assert note.reason.startswith("the split itself is right")


def test_every_passed_tensor_is_tried_and_no_input_of_the_layout_is_scaled():
    ground = prepare(layout_of(), None, Precision.FP32, lambda text: None)
    passed = ((1, "features_x2"), (1, "summary"), (2, "y"))
    scaled = [Change(place, {name: (name, factor)}) for place, name in passed for factor in FACTORS]
    tried = list(changes(ground))
    assert [change for change in tried if change in scaled] == scaled
    assert [change for change in tried if change not in scaled] == [Change(1, {"features_x2": ("x", 1.0)})]


@pytest.mark.parametrize("seed", range(3))
def test_a_change_is_seen_by_its_reader_and_leaves_the_others_alone(seed: int):
    generator = np.random.default_rng(seed)
    values = {name: generator.standard_normal((2, 3), dtype=np.float32) for name in "abc"}
    seen = Change(0, {"a": ("b", 1.0), "b": ("a", 1.0)}).seen(values)
    assert seen["a"] is values["b"]
    assert seen["b"] is values["a"]
    assert seen["c"] is values["c"]
    half = Change(0, {"c": ("c", 0.5)})
    np.testing.assert_array_equal(half.seen(values)["c"] * 2, values["c"])
    assert half.seen(values)["c"].dtype == np.float32
    assert half.words(["head"]) == "head reads 'c' x0.5"
