"""What no rule is about is counted, and never called clean."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cases.graph import Graph, Op, Tensor
from cases.tflite.read import read_tflite
from repro import api
from repro.hazards.examined import EXAMINED, unexamined
from repro.selftest.draws.draw import SURFACE, draw

MODELS = Path(__file__).resolve().parents[2] / "reports" / "models"


def test_all_that_the_rules_were_held_against_is_examined():
    drawn = [draw(57, index) for index in range(400)]
    kinds = {op.kind for one in drawn if one.family != SURFACE for op in one.graph.ops}
    assert len(kinds) > 30
    assert kinds <= EXAMINED


def test_drawn_graphs_are_examined_whole():
    drawn = [draw(57, index) for index in range(68)]
    assert not any(unexamined(one.graph) for one in drawn if one.family != SURFACE)


def test_ops_of_other_kinds_and_of_other_types_are_counted_by_what_they_are():
    graph = read_tflite((MODELS / "tf_38285_cnn_int8_float_io.tflite").read_bytes())
    assert unexamined(graph)["CONV_2D of int8"] == unexamined(graph)["QUANTIZE"] == 1
    assert sum(unexamined(graph).values()) == len(graph.ops)


def test_what_is_refused_is_examined():
    tensors = {name: Tensor(name, (1, 4)) for name in ("x", "y", "z")}
    graph = Graph(tensors, (Op("SOME_OP", ("x",), ("y",)), Op("ONE_HOT", ("y",), ("z",))), ("x",), ("z",))
    assert dict(unexamined(Graph(tensors, graph.ops[:1], ("x",), ("y",)))) == {}


def test_a_model_without_hazards_is_clean_only_if_all_of_it_was_examined():
    tensors = {"x": Tensor("x", (1, 4)), "axes": Tensor("axes", (1,), "int32", np.ones(1, np.int32))}
    reverse = Op("REVERSE_V2", ("x", "axes"), ("y",))
    said = str(api.lint(Graph({**tensors, "y": Tensor("y", (1, 4))}, (reverse,), ("x",), ("y",))))
    assert "clean" not in said
    assert said.endswith("1 op not examined (no rule is about them): 1 REVERSE_V2")
    assert str(api.lint(MODELS / "dynamic_batch.tflite")).endswith("dynamic_batch.tflite: clean")
    assert "batch-matmul-broadcast" in str(api.lint(MODELS / "bmm_r3.tflite"))


def test_nothing_else_is_foretold_of_an_op_that_is_refused():
    rules = {hazard.rule for hazard in api.lint(MODELS / "litert_9523_dequantize_fc.tflite")}
    assert rules == {"op-refused"}
