"""Writing graphs: names are unique, shapes are inferred, and another graph can be gone on with."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given

from cases.builder import GraphBuilder
from cases.evaluation.evaluate import evaluate
from cases.graph import Graph, GraphError
from tests.cases.drawn_graphs import graphs


def one_op(build: Callable[[GraphBuilder], str | tuple[str, ...]]) -> Graph:
    g = GraphBuilder()
    made = build(g)
    return g.build([made] if isinstance(made, str) else list(made))


X, W = (1, 4, 4, 2), np.ones((3, 2, 2, 2))


@pytest.mark.parametrize(
    ("build", "kind", "shape"),
    [
        (lambda g: g.add(g.input("x", X), g.const(1.0)), "ADD", X),
        (lambda g: g.sub(g.input("x", X), g.const(1.0)), "SUB", X),
        (lambda g: g.mul(g.input("x", X), g.const(np.ones(2))), "MUL", X),
        (lambda g: g.div(g.input("x", (4, 1)), g.input("z", (3,))), "DIV", (4, 3)),
        (lambda g: g.scaled(g.input("x", X), 2.0), "MUL", X),
        (lambda g: g.unary("TANH", g.input("x", X)), "TANH", X),
        (lambda g: g.softmax(g.input("x", X)), "SOFTMAX", X),
        (lambda g: g.sum(g.input("x", X), [1, 2]), "SUM", (1, 1, 1, 2)),
        (lambda g: g.mean(g.input("x", X), [-1], keep_dims=False), "MEAN", (1, 4, 4)),
        (lambda g: g.fully_connected(g.input("x", (5, 2)), np.ones((3, 2))), "FULLY_CONNECTED", (5, 3)),
        (lambda g: g.fully_connected(g.input("x", X), np.ones((3, 2))), "FULLY_CONNECTED", (1, 4, 4, 3)),
        (lambda g: g.conv2d(g.input("x", X), W, stride=2), "CONV_2D", (1, 2, 2, 3)),
        (
            lambda g: g.conv2d(g.input("x", X), np.ones((3, 2, 2, 2)), dilation=2, padding="VALID"),
            "CONV_2D",
            (1, 2, 2, 3),
        ),
        (lambda g: g.depthwise_conv2d(g.input("x", X), np.ones((1, 3, 3, 6))), "DEPTHWISE_CONV_2D", (1, 4, 4, 6)),
        (lambda g: g.pool("MAX_POOL_2D", g.input("x", X), 2, 2), "MAX_POOL_2D", (1, 2, 2, 2)),
        (lambda g: g.batch_matmul(g.input("x", (2, 3)), g.input("z", (4, 3)), adj_y=True), "BATCH_MATMUL", (2, 4)),
        (lambda g: g.reshape(g.input("x", X), (-1, 2)), "RESHAPE", (16, 2)),
        (lambda g: g.transpose(g.input("x", (2, 3)), (1, 0)), "TRANSPOSE", (3, 2)),
        (lambda g: g.concat([g.input("x", (2, 3)), g.input("z", (2, 1))], 1), "CONCATENATION", (2, 4)),
        (lambda g: g.slice(g.input("x", (2, 3)), (0, 1), (-1, 2)), "SLICE", (2, 2)),
        (lambda g: g.strided_slice(g.input("x", (4, 3)), (0, 0), (4, 3), (2, 1)), "STRIDED_SLICE", (2, 3)),
        (lambda g: g.split(g.input("x", (4, 6)), 2, 1), "SPLIT", (4, 3)),
        (lambda g: g.pad(g.input("x", (2, 3)), [(1, 0), (0, 2)]), "PAD", (3, 5)),
    ],
)
def test_each_method_writes_its_op_with_the_shape_that_is_computed(build, kind: str, shape: tuple[int, ...]):
    graph = one_op(build)
    assert graph.ops[-1].kind == kind
    assert graph.tensors[graph.outputs[0]].shape == shape
    feed = [np.ones(graph.tensors[name].shape, np.float32) for name in graph.inputs]
    assert {v.shape for v in evaluate(graph, feed, strict_shapes=True).values()} == {shape}


def test_a_comparison_is_bool_and_a_choice_has_the_dtype_of_what_is_chosen():
    g = GraphBuilder()
    x, count = g.input("x", (3,)), g.input("count", (3,), "int32")
    (above,) = g.op("GREATER", (x, g.const(0.0)))
    chosen = g.select(above, count, count)
    graph = g.build([above, chosen])
    assert [graph.tensors[name].dtype for name in (above, chosen)] == ["bool", "int32"]


def test_a_name_that_is_taken_is_refused_and_a_made_one_never_is():
    g = GraphBuilder()
    g.input("x", (2,))
    with pytest.raises(GraphError, match="two tensors are called 'x'"):
        g.const(1.0, "x")
    g.input("neg2", (2,))
    made = [g.unary("NEG", "x") for _ in range(3)]
    assert len({"x", "neg2", *made}) == 5


def test_a_graph_without_an_output_is_none():
    g = GraphBuilder()
    g.unary("NEG", g.input("x", (2,)))
    with pytest.raises(GraphError, match="needs an output"):
        g.build()


def test_outputs_that_were_marked_come_before_those_that_are_given():
    g = GraphBuilder()
    x = g.input("x", (2,))
    first, second = g.unary("NEG", x, "first"), g.unary("ABS", x, "second")
    g.output(second)
    assert g.build([first]).outputs == ("second", "first")


def test_an_activation_is_written_only_where_there_is_one():
    g = GraphBuilder()
    x = g.input("x", (2, 2))
    graph = g.build([g.add(x, x), g.add(x, x, activation="RELU"), g.fully_connected(x, np.ones((2, 2)))])
    fused = [op.attrs.get("fused_activation_function") for op in graph.ops]
    assert fused == [None, "RELU", None]


def test_weights_may_be_a_tensor():
    g = GraphBuilder()
    graph = g.build([g.fully_connected(g.input("x", (2, 4)), g.input("w", (3, 4)), g.input("b", (3,)))])
    assert graph.inputs == ("x", "w", "b")
    assert graph.ops[0].inputs == ("x", "w", "b")


def test_operands_that_do_not_fit_are_refused_where_the_op_is_written():
    g = GraphBuilder()
    with pytest.raises(GraphError, match="do not broadcast"):
        g.add(g.input("x", (2, 3)), g.input("z", (2, 4)))


@given(graphs)
def test_a_graph_that_is_gone_on_with_keeps_all_that_is_there(graph: Graph):
    builder = GraphBuilder.extending(graph)
    assert builder.input_names == graph.inputs
    name = graph.outputs[0]
    more = builder.unary("NEG", name)
    new = builder.build([*graph.outputs, more])
    assert new.ops[: len(graph.ops)] == graph.ops
    assert new.outputs[:-1] == graph.outputs
    assert builder.shape(more) == graph.tensors[name].shape
    assert all(new.tensors[n] is t for n, t in graph.tensors.items())
