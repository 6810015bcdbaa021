"""What of quantised tensors the delegate loses: measured on lavapipe, LiteRT 2.3.0."""

from __future__ import annotations

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
