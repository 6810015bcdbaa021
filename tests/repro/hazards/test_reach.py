"""Which outputs a tensor reaches: itself, and whatever is computed from it."""

from __future__ import annotations

import pytest

from cases.builder import GraphBuilder
from cases.graph import Graph
from repro.hazards.reach import outputs_reached, right_in_any_order


def two_branches() -> Graph:
    """x -> a -> b and x -> c; a, b and c are outputs."""
    g = GraphBuilder()
    x = g.input("x", (1, 4))
    a = g.unary("NEG", x, name="a")
    return g.build([a, g.unary("ABS", a, name="b"), g.unary("TANH", x, name="c")])


def test_a_tensor_reaches_itself_and_what_is_computed_from_it():
    graph = two_branches()
    assert outputs_reached(graph, "x") == (0, 1, 2)
    assert outputs_reached(graph, "a") == (0, 1)
    assert outputs_reached(graph, "c") == (2,)


def test_several_tensors_reach_what_any_of_them_reaches():
    assert outputs_reached(two_branches(), "b", "c") == (1, 2)
    assert outputs_reached(two_branches()) == ()


def test_nothing_is_reached_through_what_is_right_all_the_same():
    assert outputs_reached(two_branches(), "x", right=["a"]) == (2,)


@pytest.mark.parametrize(
    ("order", "axis", "kind", "over", "right"),
    [
        ((1, 0), 2, "MEAN", [2], True),
        ((1, 0), -1, "REDUCE_MIN", [-1], True),
        ((1, 0), 2, "SUM", [1, 2], True),
        ((1, 0), 2, "MEAN", [1], False),
        ((1, 0), 1, "MEAN", [1], False),
        ((0, 0), 2, "MEAN", [2], False),
    ],
)
def test_a_reduction_over_all_parts_is_right_whatever_their_order(order, axis: int, kind: str, over, right: bool):
    g = GraphBuilder()
    parts = g.split(g.unary("NEG", g.input("x", (1, 8, 8))), 2, 2)
    both = g.concat([parts[i] for i in order], axis, name="both")
    (less,) = g.op(kind, (both, g.const(over, dtype="int32")), name="less")
    graph = g.build([less, both])
    assert right_in_any_order(graph, graph.producers["both"]) == ({"less"} if right else set())
    assert right_in_any_order(graph, graph.producers["less"]) == set()
