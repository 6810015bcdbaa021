"""What of quantised tensors the delegate loses: measured on lavapipe, LiteRT 2.3.0."""

from __future__ import annotations

import numpy as np
import pytest

from cases.builder import GraphBuilder
from cases.graph import Graph
from repro.delegate.replay import replay


def pair(kind: str, dtype: str, scales: tuple[float, float, float], shapes=((1, 4, 8), (1, 4, 8))) -> Graph:
    g = GraphBuilder()
    operands = [g.on_grid(g.input(name, shape, dtype), s) for name, shape, s in zip("xz", shapes, scales, strict=False)]
    return g.build([g.on_grid(*g.op(kind, operands, name="y"), scales[2])])


def events(graph: Graph) -> list[tuple[str, str]]:
    return [(event.rule, str(event.effect)) for event in replay(graph).events]


@pytest.mark.parametrize(
    ("kind", "scales", "is_wrong"),
    [
        ("ADD", (0.1, 0.1, 0.1), False),
        ("ADD", (0.1, 0.1, 0.2), True),
        ("SUB", (0.1, 0.2, 0.1), True),
        ("SUB", (0.1, 0.1, 0.1), False),
        ("MUL", (0.1, 0.1, 0.1), True),
        ("MUL", (1.0, 1.0, 1.0), False),
        ("MUL", (0.5, 0.25, 0.125), False),
        ("DIV", (0.5, 0.25, 2.0), False),
        ("DIV", (0.5, 0.25, 1.0), True),
        ("MAXIMUM", (0.1, 0.1, 0.1), False),
    ],
)
def test_arithmetic_of_int16_is_right_where_it_is_that_of_the_integers(kind, scales, is_wrong: bool):
    assert events(pair(kind, "int16", scales)) == ([("int16-scales", "wrong")] if is_wrong else [])
    assert events(pair(kind, "int8", scales)) == []


@pytest.mark.parametrize(
    ("kind", "scales", "is_wrong"),
    [
        ("EQUAL", (0.5, 0.5), False),
        ("EQUAL", (0.5, 0.25), True),
        ("NOT_EQUAL", (0.25, 0.5), True),
        ("GREATER", (0.25, 0.5), False),
    ],
)
def test_equality_of_int16_is_that_of_the_integers_and_order_is_so_to_tflite_as_well(kind, scales, is_wrong: bool):
    def compared(dtype: str) -> Graph:
        g = GraphBuilder()
        operands = [g.on_grid(g.input(name, (4, 8), dtype), s) for name, s in zip("xz", scales, strict=True)]
        return g.build(g.op(kind, operands, name="y"))

    assert events(compared("int16")) == ([("int16-scales", "wrong")] if is_wrong else [])
    assert events(compared("int8")) == []


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize(
    ("shapes", "is_void"),
    [
        (((1, 4, 8), (1, 8)), True),
        (((1, 4, 8), (8,)), True),
        (((1, 4, 8), (4, 8)), True),
        (((1, 2, 4, 8), (1, 4, 8)), True),
        (((1, 8), (8,)), True),
        (((1, 4, 8), (1, 1, 8)), False),
        (((1, 4, 8), (1, 4, 1)), False),
        (((4, 8), (1, 8)), False),
    ],
)
def test_bytes_of_two_ranks_void_the_graph(shapes, is_void: bool, dtype: str):
    graph = pair("MUL", dtype, (0.1, 0.1, 0.1), shapes)
    assert events(graph) == ([("quantised-ranks", "void")] if is_void else [])


def test_integers_that_stand_for_themselves_are_another_matter():
    g = GraphBuilder()
    assert events(g.build([g.mul(g.input("x", (1, 4, 8), "int8"), g.input("z", (8,), "int8"))])) == []


@pytest.mark.parametrize(
    ("kind", "scale", "made", "is_wrong"),
    [
        ("ABS", 0.1, 0.1, False),
        ("ABS", 0.1, 0.08, True),
        ("SUM", 0.1, 0.1, False),
        ("SUM", 0.1, 0.3, True),
        ("REDUCE_PROD", 0.1, 0.1, True),
        ("REDUCE_MAX", 0.1, 0.1, False),
    ],
)
def test_one_tensor_of_int16_is_right_where_its_integers_are_those_of_the_result(kind, scale, made, is_wrong: bool):
    def graph(dtype: str) -> Graph:
        g = GraphBuilder()
        x = g.on_grid(g.input("x", (2, 4, 8), dtype), scale)
        (y,) = g.op(kind, (x,), name="y") if kind == "ABS" else g.op(kind, (x, g.const([1], dtype="int32")), name="y")
        return g.build([g.on_grid(y, made)])

    assert events(graph("int16")) == ([("int16-scales", "wrong")] if is_wrong else [])
    assert events(graph("int8")) == []


@pytest.mark.parametrize(
    ("shape", "dtype", "is_void"), [((8,), "int8", True), ((2, 8), "int8", False), ((8,), "float32", False)]
)
def test_the_largest_of_a_vector_of_bytes_void_the_graph(shape, dtype: str, is_void: bool):
    g = GraphBuilder()
    x = g.input("x", shape, dtype)
    held = x if dtype == "float32" else g.on_grid(x, 0.1)
    found = events(g.build(g.op("TOPK_V2", (held, g.const(2, dtype="int32")), outputs=("largest", "places"))))
    assert set(found) == ({("quantised-ranks", "void")} if is_void else set())


@pytest.mark.parametrize(
    ("shape", "scales", "rule"),
    [
        ((4, 8), 1, "embedding-one-scale"),
        ((4, 8), 4, ""),
        ((1, 8), 1, ""),
        ((4, 1, 1, 8), 1, "embedding-rank-aborts"),
    ],
)
def test_a_table_of_integers_needs_a_scale_per_row_and_two_axes(shape, scales: int, rule: str):
    g = GraphBuilder()
    table = g.on_grid(g.const(np.ones(shape), dtype="int8"), [0.1] * scales)
    found = events(g.build(g.op("EMBEDDING_LOOKUP", (g.input("ids", (3,), "int32"), table), name="y")))
    assert [name for name, _ in found] == ([rule] if rule else [])


def test_a_convolution_of_one_pixel_in_bytes_is_no_convolution_to_the_passes_behind_it():
    g = GraphBuilder()
    kernel = g.on_grid(g.const(np.ones((4, 1, 1, 8)), dtype="int8"), 0.1)
    y = g.conv2d(g.input("x", (1, 3, 3, 8)), kernel, name="y")
    graph = g.build([y, g.scaled(y, 2.0)])
    assert [node.kind for node in replay(graph).graph.live() if node.op.kind == "CONV_2D"] == ["FULLY_CONNECTED_INT8"]
    assert events(graph) == []
