"""A constant of several whole numbers beside a tensor of whole numbers: along other axes, and always as the second."""

from __future__ import annotations

import numpy as np

from cases.builder import GraphBuilder
from cases.findings.model import clean, control, face, finding_models, helps, minimal, still_wrong
from cases.graph import Graph


def beside(
    kind: str = "ADD", constant: tuple[int, ...] = (4,), shape: tuple[int, ...] = (1, 3, 4), first: bool = False
) -> Graph:
    """An op of a tensor and the constant 1, 2, 3, ... of a shape."""
    g = GraphBuilder()
    x = g.input("x", shape, "int32")
    c = g.const(np.arange(1, 1 + int(np.prod(constant))).reshape(constant), dtype="int32")
    return g.build(g.op(kind, (c, x) if first else (x, c), name="y"))


def beside_another(constant: tuple[int, ...] = (4,)) -> Graph:
    """The same beside a TANH that has nothing to do with it."""
    g = GraphBuilder()
    x = g.input("x", (1, 3, 4), "int32")
    c = g.const(np.arange(1, 1 + int(np.prod(constant))).reshape(constant), dtype="int32")
    return g.build([g.op("ADD", (x, c), name="y")[0], g.unary("TANH", g.input("other", (1, 3, 4)), name="tanh")])


def negated() -> Graph:
    """c - x as -x + c."""
    g = GraphBuilder()
    x = g.input("x", (1, 3, 4), "int32")
    c = g.const(np.arange(1, 13).reshape(1, 3, 4), dtype="int32")
    return g.build(g.op("ADD", (g.unary("NEG", x), c), name="y"))


def causal_mask() -> Graph:
    """Which positions come before each token's own, as decoders compute it."""
    g = GraphBuilder()
    x = g.input("x", (1, 6, 1), "int32")
    mask = g.op("LESS", (g.const(np.arange(8), dtype="int32"), x))[0]
    return g.build([g.select(mask, g.const(0.0), g.input("scores", (1, 6, 8)), name="masked")])


MODELS = finding_models(
    minimal("int32 [1,3,4] + the constant [4]", beside).refused_over_opencl(),
    control("the constant as [1,1,4]", beside, constant=(1, 1, 4)),
    still_wrong("rank-2", "not rank 3 alone: [3,4] + [4]", beside, shape=(3, 4)),
    still_wrong("matrix", "not a vector alone: [1,3,4] + [3,4]", beside, constant=(3, 4)).refused_over_opencl(),
    still_wrong("beside", "not its own output alone: a TANH of another input is lost too", beside_another)
    .in_outputs(0, 1)
    .refused_over_opencl(),
    still_wrong("maximum", "not ADD alone: MAXIMUM", beside, kind="MAXIMUM").refused_over_opencl(),
    still_wrong(
        "constant-first",
        "the constant [1,3,4] minus x: computed as x minus the constant",
        beside,
        kind="SUB",
        constant=(1, 3, 4),
        first=True,
    ),
    clean("constant-second", "x minus the constant [1,3,4] is right", beside, kind="SUB", constant=(1, 3, 4)),
    clean("scalar", "a constant of one element is right", beside, constant=()),
    helps("negated", "-x plus the constant", negated),
    face("causal-mask", "the mask of a decoder: positions less than a length", causal_mask),
)
