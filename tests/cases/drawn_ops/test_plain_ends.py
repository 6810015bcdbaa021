"""Ends of a graph in other types go behind a QUANTIZE or a CAST, and mean what they meant."""

from __future__ import annotations

import numpy as np
import pytest

from cases.builder import GraphBuilder
from cases.drawn_ops.plain_ends import with_plain_ends
from cases.evaluation.evaluate import evaluate
from cases.graph import Graph


def negated(dtype: str, scale: float = 0.0) -> Graph:
    g = GraphBuilder()
    x = g.input("x", (2, 4), dtype)
    if scale:
        x = g.on_grid(x, scale)
    (y,) = g.op("RELU" if scale else "LOGICAL_NOT" if dtype == "bool" else "NEG", (x,), name="y")
    return g.build([g.on_grid(y, scale) if scale else y])


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_bytes_that_stand_for_numbers_come_from_floats_and_become_floats(dtype: str):
    graph = with_plain_ends(negated(dtype, 0.5))
    assert [op.kind for op in graph.ops] == ["QUANTIZE", "RELU", "DEQUANTIZE"]
    x = np.array([[0.5, 1.0, 1.7, 2.0], [0.0, 0.5, 3.0, 9.1]], np.float32)
    assert evaluate(graph, (x,))["y_plain"].tolist() == [[0.5, 1.0, 1.5, 2.0], [0.0, 0.5, 3.0, 9.0]]


@pytest.mark.parametrize(("dtype", "kind"), [("int16", "NEG"), ("bool", "LOGICAL_NOT")])
def test_whole_numbers_and_truths_come_from_int32_and_become_int32(dtype: str, kind: str):
    graph = with_plain_ends(negated(dtype))
    assert [op.kind for op in graph.ops] == ["CAST", kind, "CAST"]
    assert {graph.tensors[name].dtype for name in (*graph.inputs, *graph.outputs)} == {"int32"}


@pytest.mark.parametrize(("dtype", "scale"), [("float32", 0.0), ("int32", 0.0), ("int16", 0.5)])
def test_what_is_plain_and_quantised_int16_stay(dtype: str, scale: float):
    graph = negated(dtype, scale)
    assert with_plain_ends(graph).ops == graph.ops
    assert with_plain_ends(graph).inputs == ("x",)


def test_bytes_that_are_asked_whether_they_are_equal_stay():
    g = GraphBuilder()
    operands = [g.on_grid(g.input(name, (8,), "int8"), 0.5) for name in "xz"]
    graph = g.build(g.op("EQUAL", operands, name="y"))
    assert with_plain_ends(graph) is graph
