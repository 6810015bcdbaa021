"""Ops that drawn graphs seldom or never hold: the written file on cpu agrees with torch, one op at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from cases.builder import GraphBuilder
from cases.findings.batched_depth_to_space import blocks
from cases.graph import Graph, GraphError, Op, Tensor
from cases.inputs import standard_feeds
from cases.tflite.write import write_tflite
from runner import targets
from runner.run import Job, Outcome
from runner.target import Target

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.convert

SHAPE = (1, 4, 4, 8)


@pytest.fixture(scope="module")
def cpu() -> Iterator[Target]:
    with targets.open_target("cpu") as target:
        yield target


def unary(kind: str, **attrs: Any) -> Graph:
    g = GraphBuilder()
    return g.build(list(g.op(kind, (g.input("x", SHAPE),), name="y", **attrs)))


def binary(kind: str, right: object) -> Graph:
    g = GraphBuilder()
    return g.build(list(g.op(kind, (g.input("x", SHAPE), g.const(right)), name="y")))


def chosen_by(kind: str) -> Graph:
    """A comparison, seen through the SELECT_V2 that it feeds."""
    g = GraphBuilder()
    x, z = g.input("x", SHAPE), g.input("z", SHAPE)
    return g.build([g.select(g.op(kind, (x, z), name="above")[0], x, z, "y")])


def padded_with(value: float) -> Graph:
    g = GraphBuilder()
    table = g.const(np.array([[0, 0], [1, 2], [0, 1], [0, 0]]), dtype="int32")
    return g.build(list(g.op("PADV2", (g.input("x", SHAPE), table, g.const(value)), name="y")))


def grouped(groups: int) -> Graph:
    g = GraphBuilder()
    weights = np.random.default_rng(groups).standard_normal((6 * groups, 3, 3, 8 // groups)).astype(np.float32)
    return g.build([g.conv2d(g.input("x", SHAPE), weights, np.zeros(6 * groups, np.float32), "y")])


def summed(axis: int, **options: bool) -> Graph:
    g = GraphBuilder()
    return g.build(list(g.op("CUMSUM", (g.input("x", SHAPE), g.const(axis, dtype="int32")), name="y", **options)))


def half_weights() -> Graph:
    """fp16 constant -> DEQUANTIZE -> ADD, the form of files with fp16 weights."""
    half = np.linspace(-2.0, 2.0, 8, dtype=np.float16)
    tensors = {
        "x": Tensor("x", SHAPE),
        "half": Tensor("half", (8,), "float16", half),
        "whole": Tensor("whole", (8,)),
        "y": Tensor("y", SHAPE),
    }
    ops = (Op("DEQUANTIZE", ("half",), ("whole",)), Op("ADD", ("x", "whole"), ("y",)))
    return Graph(tensors, ops, ("x",), ("y",)).validate()


GRAPHS: dict[str, Callable[[], Graph]] = {
    **{k: lambda k=k: unary(k) for k in ("CEIL", "FLOOR", "ROUND", "SIGN", "RELU_0_TO_1", "RELU_N1_TO_1")},
    "LEAKY_RELU": lambda: unary("LEAKY_RELU", alpha=0.125),
    "POW": lambda: binary("POW", 2.0),
    "PRELU": lambda: binary("PRELU", np.linspace(-0.5, 0.5, 8, dtype=np.float32)),
    **{k: lambda k=k: chosen_by(k) for k in ("EQUAL", "NOT_EQUAL", "LESS", "GREATER_EQUAL")},
    "PADV2": lambda: padded_with(-1.5),
    "CONV_2D in 2 groups": lambda: grouped(2),
    "CONV_2D in 4 groups": lambda: grouped(4),
    "CUMSUM": lambda: summed(1),
    "CUMSUM, exclusive": lambda: summed(3, exclusive=True),
    "CUMSUM, reverse": lambda: summed(-2, reverse=True),
    "CUMSUM, both": lambda: summed(2, exclusive=True, reverse=True),
    "DEPTH_TO_SPACE": lambda: blocks((2, 3, 2, 24), bystander=False),
    "SPACE_TO_DEPTH": lambda: blocks((2, 4, 6, 3), "SPACE_TO_DEPTH", bystander=False),
    "DEQUANTIZE": half_weights,
}


@pytest.mark.parametrize("name", GRAPHS)
def test_the_cpu_computes_what_torch_computes(cpu: Target, name: str):
    from cases.with_torch.torch_module import GraphModule

    graph = GRAPHS[name]()
    feed = standard_feeds([graph.tensors[n] for n in graph.inputs], 3)[0]
    run = cpu.run(Job(write_tflite(graph), (feed,)))
    assert run.outcome is Outcome.OK, run.message
    with torch.no_grad():
        (wanted,) = GraphModule(graph)(*(torch.from_numpy(a).double() for a in feed))
    assert run.outputs[0][0].shape == tuple(wanted.shape)
    # fp32 rounding of at most 72 products of values near 1.
    np.testing.assert_allclose(run.outputs[0][0], wanted.numpy(), rtol=1e-5, atol=2e-5)


def test_an_op_without_a_lowering_is_named():
    from cases.with_torch.torch_module import GraphModule

    x = Tensor("x", (4,))
    graph = Graph({"x": x, "y": Tensor("y", (4,))}, (Op("REVERSE_V2", ("x",), ("y",)),), ("x",), ("y",))
    with pytest.raises(GraphError, match="no torch lowering for REVERSE_V2"):
        GraphModule(graph)
