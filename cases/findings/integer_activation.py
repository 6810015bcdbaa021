"""Arithmetic of whole numbers with a fused activation: no kernel of the model runs."""

from __future__ import annotations

from cases.builder import GraphBuilder
from cases.findings.model import clean, control, finding_models, helps, minimal, still_wrong
from cases.graph import Graph


def activated(kind: str = "ADD", activation: str = "RELU", beside: bool = False) -> Graph:
    """An op of two int32 tensors. beside: with a TANH that has nothing to do with it."""
    g = GraphBuilder()
    x, z = g.input("x", (1, 3, 4), "int32"), g.input("z", (1, 3, 4), "int32")
    y = g.binary(kind, x, z, "y", activation)
    return g.build([y, g.unary("TANH", g.input("other", (1, 3, 4)), name="tanh")] if beside else [y])


def clamped() -> Graph:
    """RELU6 as a MAXIMUM and a MINIMUM."""
    g = GraphBuilder()
    y = g.add(g.input("x", (1, 3, 4), "int32"), g.input("z", (1, 3, 4), "int32"))
    y = g.binary("MAXIMUM", y, g.const(0, dtype="int32"))
    return g.build([g.binary("MINIMUM", y, g.const(6, dtype="int32"), name="y")])


MODELS = finding_models(
    minimal("int32 ADD with a fused RELU", activated).refused_over_opencl(),
    control("int32 ADD without an activation", activated, activation="NONE"),
    still_wrong("relu6", "not RELU alone: RELU6", activated, activation="RELU6").refused_over_opencl(),
    still_wrong("mul", "not ADD alone: MUL", activated, kind="MUL").refused_over_opencl(),
    still_wrong("beside", "not its own output alone: a TANH of another input is lost too", activated, beside=True)
    .in_outputs(0, 1)
    .refused_over_opencl(),
    clean("beside-healthy", "the TANH beside an ADD without an activation", activated, activation="NONE", beside=True),
    helps("clamped", "a MAXIMUM and a MINIMUM in the place of the activation", clamped),
)
