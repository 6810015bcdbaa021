"""The numpy evaluator: float64 against torch on drawn graphs, deterministic emulations, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cases.builder import GraphBuilder
from cases.evaluation.arithmetic import FLOAT16, FLOAT16_ACC32, FLOAT16_TRUNCATED, FLOAT32, FLOAT64
from cases.evaluation.evaluate import evaluate, unsupported
from cases.graph import Graph, GraphError, Op, Tensor

UNARY = (
    "RELU", "RELU6", "LOGISTIC", "TANH", "GELU", "HARD_SWISH", "ELU", "LEAKY_RELU", "NEG", "ABS", "SQUARE", "SIN", "COS"
)  # fmt: skip


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """A chain of ops of all families over a [1,6,6,8] input, every intermediate an output."""
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    g = GraphBuilder()
    x = g.input("x", (1, 6, 6, 8))
    made = []
    for _ in range(draw(st.integers(1, 5))):
        kind = draw(
            st.sampled_from(
                (*UNARY, "ADD", "MUL", "CONV", "DEPTHWISE", "FC", "SOFTMAX", "POOL", "MEAN", "SPLIT", "PAD")
            )
        )
        if kind in UNARY:
            x = g.unary(kind, x, **({"alpha": 0.1} if kind == "LEAKY_RELU" else {}))
        elif kind in ("ADD", "MUL"):
            other = g.const(rng.standard_normal(draw(st.sampled_from([(), (8,), (1, 1, 1, 8)]))))
            x = g.binary(kind, x, other, activation=draw(st.sampled_from(["NONE", "RELU"])))
        elif kind == "CONV":
            size, stride = draw(st.sampled_from([1, 2, 3])), draw(st.sampled_from([1, 2]))
            weights = rng.standard_normal((8, size, size, 8)) / size / 3
            x = g.conv2d(x, weights, rng.standard_normal(8), stride=stride, padding="SAME")
        elif kind == "DEPTHWISE":
            x = g.depthwise_conv2d(x, rng.standard_normal((1, 3, 3, 8)) / 3, padding="SAME")
        elif kind == "FC":
            tokens = g.reshape(x, (1, g.shape(x)[1] * g.shape(x)[2], 8))
            x = g.reshape(g.fully_connected(tokens, rng.standard_normal((8, 8)) / 3), g.shape(x))
        elif kind == "SOFTMAX":
            x = g.softmax(x)
        elif kind == "POOL" and g.shape(x)[1] >= 2:
            x = g.pool(draw(st.sampled_from(["AVERAGE_POOL_2D", "MAX_POOL_2D"])), x, 2, 1, padding="SAME")
        elif kind == "MEAN":
            reduced = draw(st.sampled_from(["MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN"]))
            x = g.sub(x, g.reduce(reduced, x, [draw(st.sampled_from([1, 2, 3]))]))
        elif kind == "SPLIT":
            left, right = g.split(x, 2, 3)
            x = g.transpose(g.concat([right, left], 3), (0, 2, 1, 3))
        elif kind == "PAD":
            x = g.slice(g.pad(x, [[0, 0], [1, 0], [0, 1], [0, 0]]), (0, 0, 0, 0), g.shape(x))
        made.append(x)
    return g.build(outputs=list(dict.fromkeys(made)) if made else [x])


@pytest.mark.convert
@settings(max_examples=60, deadline=None)
@given(graphs(), st.integers(0, 2**16))
def test_float64_agrees_with_torch(graph: Graph, seed: int):
    import torch

    from cases.with_torch.torch_module import GraphModule

    feed = (np.random.default_rng(seed).standard_normal((1, 6, 6, 8)).astype(np.float32),)
    ours = evaluate(graph, feed, FLOAT64)
    theirs = GraphModule(graph)(torch.from_numpy(feed[0]).double())
    for name, wanted in zip(graph.outputs, theirs, strict=True):
        np.testing.assert_allclose(ours[name], wanted.numpy(), rtol=1e-9, atol=1e-9)


@settings(max_examples=30, deadline=None)
@given(graphs(), st.sampled_from([FLOAT32, FLOAT16, FLOAT16_ACC32, FLOAT16_TRUNCATED]))
def test_an_emulation_is_deterministic_and_ordered(graph: Graph, arithmetic):
    feed = (np.random.default_rng(0).standard_normal((1, 6, 6, 8)).astype(np.float32),)
    exact, once, again = (evaluate(graph, feed, a) for a in (FLOAT64, arithmetic, arithmetic))
    for name in graph.outputs:
        np.testing.assert_array_equal(once[name], again[name])
        if np.isfinite(once[name]).all():
            scale = np.abs(exact[name]).max() + 1
            # Only a bound that catches a broken emulation: five ops lose a few bits each.
            assert np.abs(once[name] - exact[name]).max() <= 2000 * 2.0**-arithmetic.store_bits * scale


def test_unsupported_names_the_op_and_evaluate_refuses():
    tensors = {"x": Tensor("x", (4,)), "y": Tensor("y", (4,))}
    graph = Graph(tensors, (Op("SOME_CUSTOM_OP", ("x",), ("y",)),), ("x",), ("y",))
    assert unsupported(graph) == ["SOME_CUSTOM_OP"]
    with pytest.raises(GraphError, match="SOME_CUSTOM_OP"):
        evaluate(graph, (np.zeros(4, np.float32),))


def test_a_feed_that_does_not_fit_is_refused():
    g = GraphBuilder()
    graph = g.build(outputs=[g.unary("RELU", g.input("x", (2, 3)))])
    with pytest.raises(GraphError, match="shape"):
        evaluate(graph, (np.zeros((3, 2), np.float32),))
    with pytest.raises(GraphError, match="0 inputs given"):
        evaluate(graph, ())


def test_keep_returns_intermediates():
    g = GraphBuilder()
    x = g.input("x", (1, 5, 16))
    y = g.fully_connected(x, np.ones((4, 16)), name="y")
    graph = g.build(outputs=[g.mean(y, [2], name="m")])
    values = evaluate(graph, (np.ones((1, 5, 16), np.float32),), keep=("y",))
    np.testing.assert_array_equal(values["y"], np.full((1, 5, 4), 16.0))
    assert set(values) == {"y", "m"}


@pytest.mark.parametrize("arithmetic", [FLOAT64, FLOAT32, FLOAT16, FLOAT16_ACC32, FLOAT16_TRUNCATED])
def test_tensors_without_dimensions_are_evaluated_like_others(arithmetic):
    g = GraphBuilder()
    total = g.sum(g.input("x", (4,)), [0], name="total", keep_dims=False)
    graph = g.build(outputs=[total, g.unary("NEG", total, "negative")])
    values = evaluate(graph, (np.arange(4, dtype=np.float32),), arithmetic)
    assert values["negative"].shape == ()
    assert (values["total"], values["negative"]) == (6.0, -6.0)


def test_an_op_that_cannot_be_computed_says_which_and_why():
    tensors = {"x": Tensor("x", (4,)), "y": Tensor("y", (3,))}
    graph = Graph(tensors, (Op("RESHAPE", ("x",), ("y",)),), ("x",), ("y",))
    with pytest.raises(GraphError, match="RESHAPE that writes 'y' cannot be computed: cannot reshape"):
        evaluate(graph, (np.zeros(4, np.float32),))


def test_an_op_with_another_number_of_results_or_another_size_than_declared_is_refused():
    g = GraphBuilder()
    left, right = g.split(g.input("x", (4,)), 2, 0)
    graph = g.build([left, right])
    (split,) = graph.ops
    one = Graph(graph.tensors, (Op("SPLIT", split.inputs, (left,), split.attrs),), graph.inputs, (left,))
    with pytest.raises(GraphError, match="SPLIT gives 2 results, the graph declares 1"):
        evaluate(one, (np.zeros(4, np.float32),))
    tensors = {"x": Tensor("x", (4,)), "y": Tensor("y", (3,))}
    smaller = Graph(tensors, (Op("NEG", ("x",), ("y",)),), ("x",), ("y",))
    with pytest.raises(GraphError, match=r"NEG gives 'y' the shape \(4,\), declared \(3,\)"):
        evaluate(smaller, (np.zeros(4, np.float32),))


def test_as_many_elements_take_the_declared_shape_unless_strictness_is_asked_for():
    tensors = {"x": Tensor("x", (2, 3)), "y": Tensor("y", (6,))}
    graph = Graph(tensors, (Op("NEG", ("x",), ("y",)),), ("x",), ("y",))
    feed = (np.arange(6, dtype=np.float32).reshape(2, 3),)
    np.testing.assert_array_equal(evaluate(graph, feed)["y"], -np.arange(6.0))
    with pytest.raises(GraphError, match=r"NEG gives 'y' the shape \(2, 3\), declared \(6,\)"):
        evaluate(graph, feed, strict_shapes=True)
