"""Constant weights and a bias that is an input or computed: the process ends when the model is compiled."""

from __future__ import annotations

import numpy as np

from cases.builder import GraphBuilder
from cases.findings.model import clean, control, face, finding_models, helps, minimal, still_wrong
from cases.findings.pieces import weights
from cases.graph import Graph

WEIGHTS = {"CONV_2D": (4, 1, 1, 4), "DEPTHWISE_CONV_2D": (1, 3, 3, 4), "FULLY_CONNECTED": (4, 4)}


def biased(kind: str = "CONV_2D", bias: str = "input", behind: bool = False) -> Graph:
    """One op with weights. bias: input, computed (an ABS of one) or constant. behind: zeros, and an ADD of it."""
    g = GraphBuilder()
    x = g.input("x", (1, 4) if kind == "FULLY_CONNECTED" else (1, 5, 5, 4))
    matrix = np.random.default_rng(0).normal(size=WEIGHTS.get(kind, (4, 2, 2, 4)))
    own = g.const(np.ones(4)) if bias == "constant" else g.input("bias", (1, 1, 1, 4) if behind else (4,))
    if bias == "computed":
        own = g.unary("ABS", own)
    held = g.const(np.zeros(4)) if behind else own
    if kind == "FULLY_CONNECTED":
        y = g.fully_connected(x, matrix, held)
    elif kind == "TRANSPOSE_CONV":
        operands = (g.const([1, 6, 6, 4], dtype="int32"), g.const(matrix), x, held)
        (y,) = g.op(kind, operands, stride_w=1, stride_h=1, padding="VALID", fused_activation_function="NONE")
    elif kind == "DEPTHWISE_CONV_2D":
        y = g.depthwise_conv2d(x, matrix, held)
    else:
        y = g.conv2d(x, matrix, held)
    return g.build([g.add(y, own) if behind else y])


def adapted() -> Graph:
    """A layer whose bias another one computes of a second input, as in a network that is conditioned on it."""
    g = GraphBuilder()
    shift = g.fully_connected(g.input("style", (1, 8)), weights(4, 8))
    tokens = g.fully_connected(g.input("tokens", (6, 8)), weights(8, 8))
    return g.build([g.fully_connected(tokens, weights(4, 8), g.reshape(shift, (4,)), name="y")])


MODELS = finding_models(
    minimal("a CONV_2D whose bias is an input", biased),
    control("the same with a constant bias", biased, bias="constant"),
    still_wrong("computed", "not inputs alone: an ABS makes the bias", biased, bias="computed"),
    still_wrong("fully-connected", "not CONV_2D alone: FULLY_CONNECTED", biased, kind="FULLY_CONNECTED"),
    still_wrong("depthwise", "not CONV_2D alone: DEPTHWISE_CONV_2D", biased, kind="DEPTHWISE_CONV_2D"),
    still_wrong("transposed", "not CONV_2D alone: TRANSPOSE_CONV", biased, kind="TRANSPOSE_CONV"),
    clean("constant-depthwise", "a constant bias is right", biased, kind="DEPTHWISE_CONV_2D", bias="constant"),
    helps("behind", "a bias of zeros, and an ADD behind", biased, behind=True),
    face("adapted", "a layer whose bias is computed of a second input", adapted),
    aborts=True,
)
