"""IF and WHILE compute what TFLite's kernels compute, whichever subgraph runs and however often."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cases.builder import GraphBuilder
from cases.evaluation import control
from cases.evaluation.arithmetic import FLOAT16, FLOAT64
from cases.evaluation.depth import accumulation_depth
from cases.evaluation.evaluate import evaluate, unsupported
from cases.graph import Graph, GraphError, Op, Tensor
from cases.tflite.extras import OpExtras, on_grid
from cases.tflite.read import read_tflite
from cases.tflite.write import write_tflite
from tests.cases.evaluation.kernels import computed

PROPERTY = settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
OPTIONS = {
    "IF": (schema.BuiltinOptions.IfOptions, schema.IfOptionsT),
    "WHILE": (schema.BuiltinOptions.WhileOptions, schema.WhileOptionsT),
}


def running(kind: str, bodies: Sequence[Graph], inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> Graph:
    code, record = OPTIONS[kind]
    held = {field: (body,) for field, body in zip(control.FIELDS[kind], bodies, strict=True)}
    raw = OpExtras(options_code=code, options=record(), bodies=held)
    names, made = tuple(t.name for t in inputs), tuple(t.name for t in outputs)
    tensors = {tensor.name: tensor for tensor in (*inputs, *outputs)}
    return read_tflite(write_tflite(Graph(tensors, (Op(kind, names, made, {}, raw),), names, made).validate()))


def straight(kinds: Sequence[str], shape: tuple[int, ...]) -> Graph:
    """A chain of unary ops."""
    g = GraphBuilder()
    made = g.input("a", shape)
    for kind in kinds:
        made = g.unary(kind, made)
    return g.build([made])


def chosen(shape: tuple[int, ...], then: Graph, other: Graph) -> Graph:
    return running("IF", (then, other), (Tensor("c", (1,), "bool"), Tensor("x", shape)), (Tensor("y", shape),))


def counting(shape: tuple[int, ...], factor: float, rounds: int) -> Graph:
    """x times the factor in each round, beside a sum of its rows."""
    g = GraphBuilder()
    i = g.input("i", (1,), "int32")
    g.input("x", shape)
    condition = g.build(g.op("LESS", (i, g.const([rounds], dtype="int32")), name="goes_on"))
    g = GraphBuilder()
    i, x = g.input("i", (1,), "int32"), g.input("x", shape)
    total = g.sum(x, [len(shape) - 1], keep_dims=True)
    following = g.op("ADD", (i, g.const([1], dtype="int32")), name="next")
    body = g.build([*following, g.add(g.mul(x, g.const(np.float32(factor))), total, "scaled")])
    carried = (Tensor("i", (1,), "int32"), Tensor("x", shape))
    return running("WHILE", (condition, body), carried, (Tensor("j", (1,), "int32"), Tensor("y", shape)))


@PROPERTY
@given(data=st.data())
def test_an_if_runs_the_one_subgraph_or_the_other(data: st.DataObject):
    shape = tuple(data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    kinds = st.lists(st.sampled_from(["NEG", "ABS", "SQUARE", "RELU", "TANH"]), min_size=1, max_size=3)
    graph = chosen(shape, straight(data.draw(kinds), shape), straight(data.draw(kinds), shape))
    x = np.random.default_rng(data.draw(st.integers(0, 999))).standard_normal(shape).astype(np.float32)
    assert unsupported(graph) == []
    for condition in (True, False):
        feed = (np.array([condition]), x)
        (theirs,) = computed(graph, feed)
        np.testing.assert_allclose(evaluate(graph, feed)["y"], theirs, rtol=1e-5, atol=1e-6)


@PROPERTY
@given(data=st.data())
def test_a_while_goes_round_as_often_as_its_condition_says(data: st.DataObject):
    shape = tuple(data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3)))
    graph = counting(shape, data.draw(st.sampled_from([0.5, -0.75, 1.25])), data.draw(st.integers(0, 5)))
    rng = np.random.default_rng(data.draw(st.integers(0, 999)))
    feed = (np.array([data.draw(st.integers(-1, 6))], np.int32), rng.standard_normal(shape).astype(np.float32))
    ours, (count, theirs) = evaluate(graph, feed), computed(graph, feed)
    assert ours["j"].tolist() == count.tolist()
    np.testing.assert_allclose(ours["y"], theirs, rtol=1e-5, atol=1e-5)


def test_a_loop_is_as_noisy_as_its_rounds_and_as_deep_as_one_of_them():
    graph = counting((2, 4), 0.7, 5)
    feed = (np.zeros(1, np.int32), np.random.default_rng(0).standard_normal((2, 4)).astype(np.float32))
    exact, rounded = (evaluate(graph, feed, arithmetic)["y"] for arithmetic in (FLOAT64, FLOAT16))
    assert 0 < np.abs(rounded - exact).max() < 0.02 * np.abs(exact).max()
    assert accumulation_depth(graph, "y") == 4 + 1


def test_a_loop_that_never_ends_is_an_error(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(control, "MOST_ROUNDS", 20)
    feed = (np.zeros(1, np.int32), np.ones((2,), np.float32))
    with pytest.raises(GraphError, match="a WHILE that goes round more than 20 times"):
        evaluate(counting((2,), 0.1, 10**6), feed)


def test_what_a_subgraph_holds_that_cannot_be_evaluated_is_named():
    foreign = Graph({n: Tensor(n, (4,)) for n in "ab"}, (Op("HASHTABLE", ("a",), ("b",)),), ("a",), ("b",))
    assert unsupported(chosen((4,), straight(["NEG"], (4,)), foreign)) == ["HASHTABLE"]
    x = Tensor("x", (4,), "int8", None, on_grid(0.5))
    graph = running("IF", (straight(["NEG"], (4,)),) * 2, (Tensor("c", (1,), "bool"), x), (Tensor("y", (4,)),))
    assert unsupported(graph) == ["IF of quantised tensors"]
    assert unsupported(Graph({"x": x}, (), ("x",), ("x",))) == []
    bare = Graph({n: Tensor(n, (4,)) for n in "xy"}, (Op("WHILE", ("x",), ("y",)),), ("x",), ("y",))
    assert unsupported(bare) == ["WHILE whose subgraphs were not read"]
