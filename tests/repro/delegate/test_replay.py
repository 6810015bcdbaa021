"""The delegate's view of a graph: shapes, what becomes of ops, which passes apply, in which order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.builder import GraphBuilder
from cases.graph import Graph
from repro.delegate.graph import axis_letters, bhwc, broadcast_bhwc
from repro.delegate.parser import lower
from repro.delegate.replay import replay
from repro.selftest.draws.draw import draw


def kinds(graph: Graph) -> list[str]:
    return [node.kind for node in lower(graph).live()]


def kept(graph: Graph) -> list[str]:
    return [node.kind for node in replay(graph).graph.live()]


def events(graph: Graph) -> list[tuple[str, str, str]]:
    return [(event.rule, event.tensor, event.effect) for event in replay(graph).events]


@pytest.mark.parametrize(
    ("shape", "read"),
    [
        ((), (1, 1, 1, 1)),
        ((7,), (7, 1, 1, 1)),
        ((5, 7), (5, 1, 1, 7)),
        ((2, 5, 7), (2, 1, 5, 7)),
        ((2, 3, 5, 7), (2, 3, 5, 7)),
    ],
)
def test_shapes_are_read_as_bhwc(shape, read):
    assert bhwc(shape) == read


@given(st.lists(st.integers(1, 9), max_size=5))
def test_reading_a_shape_keeps_the_number_of_elements(shape):
    assert np.prod(bhwc(tuple(shape))) == np.prod(shape, initial=1)
    if len(shape) <= 4:
        assert broadcast_bhwc(tuple(shape))[4 - len(shape) :] == tuple(shape)
        assert len(axis_letters(len(shape))) == len(shape)


def test_a_fused_activation_is_a_node_of_its_own():
    g = GraphBuilder()
    x = g.input("x", (1, 4, 8))
    assert kinds(g.build([g.add(x, g.input("z", (1, 4, 8)), activation="RELU")])) == ["ADD", "RELU"]


def test_x_times_x_is_a_square_and_x_plus_x_a_multiply():
    g = GraphBuilder()
    x = g.input("x", (1, 4, 8))
    assert kinds(g.build([g.mul(x, x), g.add(x, x)])) == ["SQUARE", "MUL"]


def test_rank_decides_between_convolution_and_fully_connected():
    g = GraphBuilder()
    weights = np.ones((8, 8))
    two = g.fully_connected(g.input("a", (4, 8)), weights)
    three = g.fully_connected(g.input("b", (1, 4, 8)), weights)
    single = g.fully_connected(g.input("c", (1, 1, 8)), weights)
    assert kinds(g.build([two, three, single])) == ["FULLY_CONNECTED", "CONV", "FULLY_CONNECTED"]


def test_a_one_by_one_convolution_of_one_pixel_becomes_fully_connected():
    g = GraphBuilder()
    y = g.conv2d(g.input("x", (1, 1, 1, 8)), np.ones((4, 1, 1, 8)))
    assert kept(g.build([y])) == ["FULLY_CONNECTED"]


def test_tensors_of_different_rank_are_put_through_reshapes():
    g = GraphBuilder()
    y = g.add(g.input("x", (1, 4, 8)), g.input("z", (4, 8)), name="y")
    graph = g.build([y])
    assert kinds(graph) == ["RESHAPE", "RESHAPE", "ADD", "RESHAPE"]
    assert kept(graph).count("RESHAPE") == 2  # [1,4,8] already is what it is reshaped to; an output's reshape stays


def test_a_reduction_that_drops_its_axes_gets_a_reshape():
    g = GraphBuilder()
    assert kinds(g.build([g.mean(g.input("x", (1, 4, 8)), [1], keep_dims=False)])) == ["MEAN", "RESHAPE"]


def test_a_constant_is_scalar_linear_or_whole():
    g = GraphBuilder()
    x = g.input("x", (1, 4, 8))
    made = [g.mul(x, g.const(np.ones(shape))) for shape in [(), (1, 1), (8,), (1, 1, 8), (4, 8)]]
    forms = [node.operand.form for node in lower(g.build(made)).nodes]
    assert forms == ["scalar", "scalar", "linear", "linear", "bhwc"]


def test_float16_weights_behind_dequantize_are_constants():
    g = GraphBuilder()
    x = g.input("x", (1, 4, 8))
    half = g.const(np.ones((8, 8)), dtype="float16")
    weights = g.op("DEQUANTIZE", (half,))[0]
    y = g.op("FULLY_CONNECTED", (x, weights, ""), keep_num_dims=True)[0]
    graph = g.build([g.add(y, g.const(np.ones(8))), y])
    assert kinds(graph) == ["CONV", "ADD"]
    assert events(graph) == [("gemm-elementwise", y, "lost")]


@pytest.mark.parametrize("how", ["reshape", "slice", "concat"])
def test_what_changes_nothing_vanishes_between_two_ops(how):
    g = GraphBuilder()
    x = g.unary("NEG", g.input("x", (1, 4, 8)))
    y = {
        "reshape": lambda: g.reshape(x, (1, 4, 8)),
        "slice": lambda: g.slice(x, (0, 0, 0), (1, 4, 8)),
        "concat": lambda: g.concat([x], 2),
    }[how]()
    assert kept(g.build([g.unary("NEG", y)])) == ["NEG", "NEG"]


def test_consecutive_reshapes_become_one():
    g = GraphBuilder()
    y = g.reshape(g.reshape(g.input("x", (1, 4, 8)), (1, 2, 2, 8)), (1, 8, 4))
    assert kept(g.build([y])) == ["RESHAPE"]


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


def test_padding_of_zeros_by_concat_is_a_pad():
    g = GraphBuilder()
    x = g.input("x", (1, 4, 4, 8))
    y = g.concat([x, g.const(np.zeros((1, 2, 4, 8)))], 1)
    graph = g.build([g.conv2d(y, np.ones((4, 3, 3, 8)), padding="VALID")])
    assert kept(graph) == ["CONV"]


def test_global_average_pooling_is_a_mean_that_an_add_fuses_with():
    g = GraphBuilder()
    y = g.add(g.input("x", (1, 4, 4, 8)), g.input("z", (1, 4, 4, 8)), name="y")
    assert events(g.build([y, g.pool("AVERAGE_POOL_2D", y, 4, 1)])) == [("add-reduce", "y", "lost")]


def test_foreign_ops_are_opaque_and_break_nothing():
    g = GraphBuilder()
    x = g.unary("NEG", g.input("x", (1, 4, 8)))
    graph = g.build([g.unary("RELU", x)])
    op = type(graph.ops[0])("SOMETHING_NEW", graph.ops[0].inputs, graph.ops[0].outputs, {}, raw=object())
    strange = Graph(graph.tensors, (op, graph.ops[1]), graph.inputs, graph.outputs)
    assert kept(strange) == ["SOMETHING_NEW", "RELU"]


@given(st.integers(0, 2000))
def test_normalising_keeps_the_bookkeeping_consistent(index):
    """Every live edge is known on both sides, and no node that is still there reads a removed one's tensor."""
    graph = replay(draw(1, index).graph).graph
    for node in graph.live():
        for value in node.inputs:
            assert node in value.consumers
            assert value.producer is None or not value.producer.removed
        for value in node.outputs:
            assert value.producer is node


@given(st.integers(0, 2000))
def test_normalising_reads_only(index):
    before = draw(1, index).graph
    shapes = {name: tensor.shape for name, tensor in before.tensors.items()}
    first = events(before)
    assert events(before) == first
    assert {name: tensor.shape for name, tensor in before.tensors.items()} == shapes
