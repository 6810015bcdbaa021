"""The replay as a whole: the order of the passes, what ends the process, and that it only reads."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.builder import GraphBuilder
from repro.delegate.replay import replay
from repro.selftest.draws.draw import draw
from tests.repro.delegate.replayed import bookkeeping_errors, events, kept, wrong


def test_the_passes_run_in_the_delegates_order():
    """CONV then ADD then MUL: when the MUL pass runs the ADD is still between, so the MUL stays."""
    g = GraphBuilder()
    a = g.fully_connected(g.input("x", (1, 4, 8)), np.ones((8, 8)), name="a")
    b = g.add(a, g.const(np.ones(8)), name="b")
    c = g.mul(b, g.const(np.full(8, 2.0)), name="c")
    graph = g.build([c, b, a])
    assert kept(graph) == ["CONV", "MUL"]
    assert events(graph) == [("gemm-elementwise", "a", "lost")]
    g = GraphBuilder()
    a = g.fully_connected(g.input("x", (1, 4, 8)), np.ones((8, 8)), name="a")
    b = g.mul(a, g.const(np.ones(8)), name="b")
    c = g.add(b, g.const(np.ones(8)), name="c")
    assert [tensor for _, tensor, _ in events(g.build([c, b, a]))] == ["a", "b"]


@pytest.mark.parametrize("kind", ["BATCH_MATMUL", "SELECT_V2"])
def test_one_tensor_as_two_operands_ends_the_process(kind):
    g = GraphBuilder()
    x = g.input("x", (1, 3, 3))
    operands = (x, x) if kind == "BATCH_MATMUL" else (g.input("c", (1, 3, 3), "bool"), x, x)
    (y,) = g.op(kind, operands, name="y")
    assert events(g.build([y])) == [("same-operand-aborts", "y", "abort")]


@pytest.mark.parametrize(
    ("shape", "expected"), [((1, 3, 3), True), ((1, 2, 3, 3), True), ((2, 3, 3), False), ((3, 3), False)]
)
def test_a_product_of_matrices_with_a_batch_is_another_op(shape, expected):
    g = GraphBuilder()
    x = g.input("x", shape)
    assert bool(wrong(g.build([g.batch_matmul(x, x)]))) is expected


def test_an_event_names_the_nearest_tensor_of_the_file():
    """The SUM's RESHAPE is the delegate's own: what the fused kernel gets wrong is seen in the tensor behind it."""
    g = GraphBuilder()
    y = g.add(g.input("x", (1, 4, 8)), g.input("z", (1, 4, 8)))
    total = g.reduce("REDUCE_MAX", y, [2], name="largest", keep_dims=False)
    assert events(g.build([total])) == [("add-reduce-extremum", "largest", "wrong")]


@given(st.integers(0, 2000))
def test_the_replay_keeps_the_bookkeeping_consistent(index):
    assert bookkeeping_errors(replay(draw(1, index).graph).graph) == []


@given(st.integers(0, 2000))
def test_the_replay_reads_only(index):
    graph = draw(1, index).graph
    shapes = {name: tensor.shape for name, tensor in graph.tensors.items()}
    first = events(graph)
    assert events(graph) == first
    assert {name: tensor.shape for name, tensor in graph.tensors.items()} == shapes


@given(st.integers(0, 2000))
def test_an_event_is_about_tensors_and_ops_of_the_file(index):
    graph = draw(4, index).graph
    for event in replay(graph).events:
        assert event.tensor in graph.tensors
        assert event.producer in graph.ops
        assert event.consumer in graph.ops
        if event.effect in ("lost", "risk"):
            assert event.tensor in graph.outputs
