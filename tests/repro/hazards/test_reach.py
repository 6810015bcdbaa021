"""Which outputs a tensor reaches: itself, and whatever is computed from it."""

from __future__ import annotations

from cases.builder import GraphBuilder
from cases.graph import Graph
from repro.hazards.reach import outputs_reached


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
