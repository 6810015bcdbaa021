"""A float16 constant, through its DEQUANTIZE, in an op that takes constants as tensors: in fp32 nothing runs."""

from __future__ import annotations

import numpy as np

from cases.builder import GraphBuilder
from cases.findings.model import clean, control, face, finding_models, helps, minimal, still_wrong
from cases.findings.pieces import weights
from cases.graph import Graph


def _constant(g: GraphBuilder, shape: tuple[int, ...], half: bool) -> str:
    values = np.random.default_rng(4).uniform(0.5, 1.5, shape)
    return g.op("DEQUANTIZE", (g.const(values, dtype="float16"),))[0] if half else g.const(values)


def joined(kind: str = "CONCATENATION", half: bool = True, beside: bool = False) -> Graph:
    """One row of a constant behind the rows of x, or beside x."""
    g = GraphBuilder()
    x = g.input("x", (1, 3, 4))
    if kind == "CONCATENATION":
        y = g.concat([x, _constant(g, (1, 1, 4), half)], 1, "y")
    elif kind == "SELECT_V2":
        y = g.select(g.op("GREATER", (x, g.const(0.0)))[0], x, _constant(g, (1, 3, 4), half), "y")
    else:
        y = g.op(kind, (x, _constant(g, (1, 3, 4), half)), name="y")[0]
    return g.build([y, g.unary("TANH", g.input("other", (1, 3, 4)), name="tanh")] if beside else [y])


def class_token() -> Graph:
    """A vision transformer of float16 weights: its class token is put in front of the patches."""
    g = GraphBuilder()
    patches = g.input("patches", (1, 8, 16))
    tokens = g.concat([_constant(g, (1, 1, 16), True), patches], 1)
    tokens = g.add(tokens, _constant(g, (1, 9, 16), True))
    return g.build([g.fully_connected(tokens, weights(8, 16), name="y")])


MODELS = finding_models(
    minimal("CONCATENATION of [1,3,4] and a float16 constant", joined),
    control("the same with a float32 constant", joined, half=False),
    still_wrong("select", "not CONCATENATION alone: SELECT_V2", joined, kind="SELECT_V2"),
    still_wrong(
        "beside", "not its own output alone: a TANH of another input is lost too", joined, beside=True
    ).in_outputs(0, 1),
    clean("add", "ADD of a float16 constant is right", joined, kind="ADD"),
    helps("float32", "the constant in float32, beside a TANH", joined, half=False, beside=True),
    face("class-token", "a class token in front of patches", class_token),
    targets=("gpu:lavapipe*", "gpu:nvidia-*"),
    precisions=("fp32",),
)
