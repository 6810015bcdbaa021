"""What all operation parsers share: values, constants, activations and ops that have no parser of their own."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.builder import GraphBuilder
from cases.graph import Graph, Op
from cases.inputs import standard_feeds
from repro.delegate.graph import Node, bhwc
from repro.delegate.lowering import Lowering
from repro.delegate.parser import lower
from repro.selftest.draws.draw import draw
from tests.repro.delegate.replayed import bookkeeping_errors, by_hand, events, kept, kinds
from tests.repro.quantising import quantised


def test_a_fused_activation_is_a_node_of_its_own():
    g = GraphBuilder()
    x = g.input("x", (1, 4, 8))
    assert kinds(g.build([g.add(x, g.input("z", (1, 4, 8)), activation="RELU")])) == ["ADD", "RELU"]


def test_float16_weights_behind_dequantize_are_constants():
    g = GraphBuilder()
    x = g.input("x", (1, 4, 8))
    half = g.const(np.ones((8, 8)), dtype="float16")
    weights = g.op("DEQUANTIZE", (half,))[0]
    y = g.op("FULLY_CONNECTED", (x, weights, ""), keep_num_dims=True)[0]
    graph = g.build([g.add(y, g.const(np.ones(8))), y])
    assert kinds(graph) == ["CONV", "ADD"]
    assert events(graph) == [("gemm-elementwise", y, "lost")]


@pytest.mark.parametrize(("dtype", "between"), [("int8", ["QUANTIZE_AND_DEQUANTIZE"]), ("int16", [])])
def test_a_rounding_to_the_grid_of_8_bits_stands_between_two_ops_so_that_nothing_is_fused(dtype: str, between):
    g = GraphBuilder()
    y = g.add(g.input("x", (1, 4, 8)), g.input("z", (1, 4, 8)), name="y")
    graph = g.build([y, g.reduce("SUM", y, [2], name="total")])
    feed = standard_feeds([graph.tensors[name] for name in graph.inputs], 0)[0]
    whole = quantised(graph, feed, dtype)
    assert kinds(whole) == ["ADD", *between, "SUM"]
    assert bookkeeping_errors(lower(whole)) == []
    assert bool(events(whole)) is not bool(between)
    assert events(graph) == [("add-reduce", "y", "lost")]


def test_foreign_ops_are_opaque_and_break_nothing():
    g = GraphBuilder()
    x = g.unary("NEG", g.input("x", (1, 4, 8)))
    graph = g.build([g.unary("RELU", x)])
    op = type(graph.ops[0])("SOMETHING_NEW", graph.ops[0].inputs, graph.ops[0].outputs, {}, raw=object())
    strange = Graph(graph.tensors, (op, graph.ops[1]), graph.inputs, graph.outputs)
    assert kept(strange) == ["SOMETHING_NEW", "RELU"]


def test_an_op_with_several_outputs_makes_them_all():
    op = Op("SOMETHING_NEW", ("x",), ("a", "b"))
    graph = by_hand(["x"], [op], ["a", "b"], {"x": (1, 4), "a": (1, 2), "b": (1, 2)})
    (node,) = lower(graph).nodes
    assert [value.name for value in node.outputs] == ["a", "b"]


def test_a_value_that_is_named_twice_is_read_once_and_marked():
    g = GraphBuilder()
    graph = g.build([g.unary("NEG", g.input("x", (1, 4)))])
    lowering = Lowering(graph)
    x = lowering.value("x")
    node = lowering.add(Node("BATCH_MATMUL", graph.ops[0]), x, x)
    assert node.inputs == [x]
    assert node.reads_one_twice
    assert list(x.consumers) == [node]
    assert not lowering.add(Node("NEG", graph.ops[0]), x).reads_one_twice


def test_a_constant_is_a_node_each_time_it_is_read():
    g = GraphBuilder()
    x, constant = g.input("x", (1, 4, 8)), g.const(np.zeros((1, 2, 8)))
    graph = g.build([g.concat([x, constant], 1), g.concat([constant, x], 1)])
    constants = [node for node in lower(graph).nodes if node.kind == "CONSTANT"]
    assert len(constants) == 2
    assert all(node.data is graph.tensors[constant].data and node.outputs[0].is_constant for node in constants)


def test_a_node_of_another_shape_is_reshaped_behind_its_activation():
    g = GraphBuilder()
    y = g.reduce("SUM", g.input("x", (2, 4, 8)), [1], keep_dims=False)
    (op,) = (graph := g.build([y])).ops
    active = type(op)(op.kind, op.inputs, op.outputs, {**op.attrs, "fused_activation_function": "RELU"})
    lowering = Lowering(graph)
    lowering.finish(lowering.add(Node("SUM", active), lowering.value("x")), shape=(2, 1, 1, 8))
    assert [node.kind for node in lowering.nodes] == ["SUM", "RELU"]
    lowering = Lowering(graph)
    lowering.finish(lowering.add(Node("SUM", active), lowering.value("x")), shape=(2, 1, 8, 1))
    assert [node.kind for node in lowering.nodes] == ["SUM", "RELU", "RESHAPE"]
    assert lowering.nodes[-1].new_shape == (2, 1, 1, 8)
    assert [value.name for value in lowering.nodes[-1].outputs] == [y]


@given(st.integers(0, 2000))
def test_every_tensor_of_the_file_is_one_value_of_its_own_shape(index):
    graph = draw(3, index).graph
    lowered = lower(graph)
    assert bookkeeping_errors(lowered) == []
    made = [value for node in lowered.nodes for value in node.outputs]
    named = {value.name: value for value in made if value.name}
    assert len([value for value in made if value.name]) == len(named)
    assert set(graph.outputs) <= set(named) | set(graph.inputs)
    for name, value in named.items():
        assert value.shape == bhwc(graph.tensors[name].shape)
        assert value.is_output == (name in graph.outputs)
    assert [value.name for value in lowered.inputs] == list(graph.inputs)
