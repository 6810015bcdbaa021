"""Nodes taken out of the graph: who makes and reads what afterwards, and which graph outputs went."""

from __future__ import annotations

from cases.builder import GraphBuilder
from repro.delegate.graph import DelegateGraph
from repro.delegate.parser import lower
from repro.delegate.removal import bypass, drop_following, drop_preceding
from tests.repro.delegate.replayed import bookkeeping_errors


def chain(*outputs: str) -> DelegateGraph:
    """x -> NEG -> a -> ABS -> b -> SQRT -> c, with some of a and b as graph outputs beside c."""
    g = GraphBuilder()
    a = g.unary("NEG", g.input("x", (1, 4)), name="a")
    c = g.unary("SQRT", g.unary("ABS", a, name="b"), name="c")
    return lower(g.build([*outputs, c]))


def test_of_a_pair_the_first_makes_what_the_second_made():
    graph = chain("a")
    first, second, third = graph.nodes
    seen = list(drop_following("some-rule", first, second))
    assert [(one.rule, one.effect, one.value.name) for one in seen] == [("some-rule", "lost", "a")]
    assert graph.live() == [first, third]
    assert [value.name for value in first.outputs] == ["b"]
    assert bookkeeping_errors(graph) == []


def test_of_a_pair_the_second_reads_what_the_first_read():
    graph = chain("b")
    first, second, third = graph.nodes
    seen = list(drop_preceding("some-rule", second, third))
    assert [(one.rule, one.effect, one.value.name) for one in seen] == [("some-rule", "lost", "b")]
    assert graph.live() == [first, third]
    assert [value.name for value in third.inputs] == ["a"]
    assert bookkeeping_errors(graph) == []


def test_nothing_is_lost_between_two_nodes_that_is_no_graph_output():
    first, second, third = chain("a").nodes
    assert list(drop_following("some-rule", second, third)) == []
    first, second, _ = chain("b").nodes
    assert list(drop_preceding("some-rule", first, second)) == []


def test_readers_of_a_node_that_is_passed_by_read_its_source():
    graph = chain()
    first, second, third = graph.nodes
    bypass(second)
    assert graph.live() == [first, third]
    assert third.inputs == first.outputs
    assert bookkeeping_errors(graph) == []
