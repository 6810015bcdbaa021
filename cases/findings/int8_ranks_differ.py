"""Arithmetic of two quantised tensors of different ranks: no kernel of the model runs."""

from __future__ import annotations

from cases.builder import GraphBuilder
from cases.findings.model import clean, control, face, finding_models, helps, minimal, still_wrong
from cases.findings.pieces import quantised_weights
from cases.graph import Graph


def pair(
    kind: str = "MUL",
    shape: tuple[int, ...] = (1, 4, 8),
    other: tuple[int, ...] = (1, 8),
    reshaped: bool = False,
    dtype: str = "int8",
    beside: bool = False,
) -> Graph:
    """An op of x and a tensor of another rank, quantised in front of it and back behind it.

    reshaped: a RESHAPE gives that the rank of x first. beside: with a TANH that has nothing to do with it.
    """
    g = GraphBuilder()
    x, z = g.input("x", shape), g.input("z", other)
    if reshaped:
        z = g.reshape(z, (1,) * (len(shape) - len(other)) + other, name="wide")
    if dtype == "float32":
        y = g.op(kind, (x, z), name="y")[0]
    else:
        zero = 3 if dtype == "int8" else 131
        held = g.quantise(x, 0.02, zero, dtype), g.quantise(z, 0.02, zero, dtype)
        y = g.op("DEQUANTIZE", (g.on_grid(g.op(kind, held)[0], 0.04, zero),), name="y")[0]
    return g.build([y, g.unary("TANH", g.input("other", (1, 4, 8)), name="tanh")] if beside else [y])


def gate(other: tuple[int, ...] = (1, 8)) -> Graph:
    """A gate of the channels in front of a FULLY_CONNECTED, as full quantisation with float inputs ends."""
    g = GraphBuilder()
    x = g.quantise(g.input("x", (1, 4, 8)), 0.02, 3)
    z = g.quantise(g.unary("LOGISTIC", g.input("z", other)), 1 / 256, -128)
    gated = g.on_grid(g.mul(x, z, name="gated"), 0.02, 3)
    weights = quantised_weights(g, 12, 8, per_tensor=True)
    (y,) = g.op("FULLY_CONNECTED", (gated, weights), keep_num_dims=True)
    return g.build(g.op("DEQUANTIZE", (g.on_grid(y, 0.02, -9),), name="y"))


def gate_of_constants() -> Graph:
    """x times a constant of shape [1, 8]."""
    g = GraphBuilder()
    x = g.quantise(g.input("x", (1, 4, 8)), 0.02, 3)
    factors = g.on_grid(g.const([[90, -80, 70, -60, 50, -40, 30, -20]], dtype="int8"), 0.01)
    return g.build(g.op("DEQUANTIZE", (g.on_grid(g.mul(x, factors), 0.02, 3),), name="y"))


MODELS = finding_models(
    minimal("int8 [1,4,8] times int8 [1,8]", pair).refused_over_opencl(),
    control("times [1,1,8]", pair, other=(1, 1, 8)),
    still_wrong("add", "not MUL alone: ADD", pair, kind="ADD").refused_over_opencl(),
    still_wrong("sub", "not MUL alone: SUB", pair, kind="SUB").refused_over_opencl(),
    still_wrong("uint8", "not int8 alone: uint8", pair, dtype="uint8").refused_over_opencl(),
    still_wrong("vector", "not rank 2 alone: times [8]", pair, other=(8,)).refused_over_opencl(),
    still_wrong(
        "rank-4", "not rank 3 alone: [1,2,4,8] times [1,4,8]", pair, shape=(1, 2, 4, 8), other=(1, 4, 8)
    ).refused_over_opencl(),
    still_wrong("whole", "not a broadcast alone: [1,4,8] times [4,8]", pair, other=(4, 8)).refused_over_opencl(),
    still_wrong("beside", "not its own output alone: a TANH of another input is lost too", pair, beside=True)
    .in_outputs(0, 1)
    .refused_over_opencl(),
    clean("float32", "the same in float32", pair, dtype="float32"),
    clean("constant", "[1,4,8] times a constant [1,8]", gate_of_constants),
    helps("reshaped", "RESHAPE the operand to [1,1,8]", pair, reshaped=True),
    face("gate", "a gate of the channels in front of a FULLY_CONNECTED", gate).refused_over_opencl(),
    helps("gate-of-rank-3", "the gate as [1,1,8]", gate, other=(1, 1, 8)),
)
