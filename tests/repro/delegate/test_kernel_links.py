"""Elementwise ops linked into the kernel of a SPLIT: which read a part that the same kernel writes."""

from __future__ import annotations

import pytest

from cases.builder import GraphBuilder
from tests.repro.delegate.replayed import events, wrong


@pytest.mark.parametrize(
    ("kind", "swapped", "expected"),
    [("SUB", False, True), ("SUB", True, False), ("MUL", False, False), ("MUL", True, True), ("MAXIMUM", False, True)],
)
def test_a_split_linked_with_its_own_parts_voids_the_graph(kind, swapped, expected):
    g = GraphBuilder()
    a, b = g.split(g.input("x", (1, 4, 8)), 2, 2)
    first, second = (b, a) if swapped else (a, b)
    graph = g.build([g.binary(kind, first, second, name="y")])
    assert events(graph) == ([("split-linked", "y", "void")] if expected else [])


def test_a_gate_behind_a_split():
    """sigmoid(a) * b is linked into the SPLIT that makes b; a * sigmoid(b) is not."""
    for gated, expected in ((0, ["split-linked"]), (1, [])):
        g = GraphBuilder()
        parts = g.split(g.input("x", (1, 4, 8)), 2, 2)
        gate = g.unary("LOGISTIC", parts[gated])
        assert [rule for rule, _ in wrong(g.build([g.mul(gate, parts[1 - gated])]))] == expected


def test_a_sum_that_is_fused_with_its_reduction_is_not_linked_to_the_split():
    g = GraphBuilder()
    first, second = g.split(g.input("x", (1, 4, 8)), 2, 2)
    y = g.add(g.unary("TANH", first), second, name="y")
    assert "split-linked" in {rule for rule, _ in wrong(g.build([y]))}
    assert wrong(g.build([g.sum(y, [1])])) == []


@pytest.mark.parametrize(("how", "expected"), [("TANH", True), ("SOFTMAX", False)])
def test_only_what_can_be_linked_leads_on_to_the_other_part(how, expected):
    g = GraphBuilder()
    first, second = g.split(g.input("x", (1, 4, 8)), 2, 2)
    between = g.softmax(first) if how == "SOFTMAX" else g.unary(how, first)
    assert bool(wrong(g.build([g.sub(between, second)]))) is expected


def test_a_part_that_is_an_output_or_is_read_twice_is_written_before_it_is_read():
    for also_output in (True, False):
        g = GraphBuilder()
        first, second = g.split(g.input("x", (1, 4, 8)), 2, 2)
        other = first if also_output else g.unary("NEG", first)
        assert wrong(g.build([g.sub(first, second), other])) == []


def test_an_input_that_is_ready_only_later_is_not_waited_for():
    g = GraphBuilder()
    first, second = g.split(g.input("x", (1, 4, 8)), 2, 2)
    late = g.unary("NEG", g.input("z", (1, 4, 4)))
    assert wrong(g.build([g.sub(g.sub(first, late), second)])) == []
    g = GraphBuilder()
    early = g.unary("NEG", g.input("z", (1, 4, 4)))
    first, second = g.split(g.input("x", (1, 4, 8)), 2, 2)
    assert [rule for rule, _ in wrong(g.build([g.sub(g.sub(first, early), second)]))] == ["split-linked"]
