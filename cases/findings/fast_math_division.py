"""Over OpenCL under a Mali's name: a division in a convolution's kernel, by what is infinite or zero on the way.

A convolution's kernel is built with -cl-fast-relaxed-math there, and the elementwise ops behind it are part of it. The
biases bring channel 0 into the range that matters, whatever the inputs of N(0,1) are; the other channels stay outside.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cases.builder import GraphBuilder
from cases.findings.model import clean, control, finding_models, helps, minimal, no_help, still_wrong
from cases.findings.pieces import Piece, identity_reshape, identity_transpose, plain, weights
from cases.graph import Graph

OVERFLOWS = -95.0
"""exp(95) is above float32's largest number (from 88.7 on), and 1 / (1 + exp(95)) is 0."""
HOLDS = -60.0
"""exp(60) is not."""
CLAMPED = -80.0
"""1 / (1 + exp(80)) is 2e-35."""


def convolution(g: GraphBuilder, bias: float) -> str:
    """[1,4,4,4] of a 1x1 CONV_2D; channel 0 is about N(bias, 1)."""
    return g.conv2d(g.input("x", (1, 4, 4, 4)), weights(4, 1, 1, 4), _biases(bias), name="s")


def wide_convolution(g: GraphBuilder, bias: float) -> str:
    """The same of a 3x3 CONV_2D of 8 channels."""
    return g.conv2d(g.input("x", (1, 4, 4, 8)), weights(8, 3, 3, 8), _biases(bias, 8), name="s")


def tokens(g: GraphBuilder, bias: float) -> str:
    """The same of a FULLY_CONNECTED of [1,16,4]."""
    return g.fully_connected(g.input("x", (1, 16, 4)), weights(4, 4), _biases(bias), name="s")


def vector(g: GraphBuilder, bias: float) -> str:
    """[1,32] of a FULLY_CONNECTED of [1,4]."""
    return g.fully_connected(g.input("x", (1, 4)), weights(32, 4), _biases(bias, 32), name="s")


def depthwise(g: GraphBuilder, bias: float) -> str:
    """The same of a 3x3 DEPTHWISE_CONV_2D."""
    return g.depthwise_conv2d(g.input("x", (1, 4, 4, 4)), weights(1, 3, 3, 4), _biases(bias), name="s")


def addition(g: GraphBuilder, bias: float) -> str:
    """The same without any convolution: the biases are added to the input."""
    return g.add(g.input("x", (1, 4, 4, 4)), g.const(_biases(bias)), name="s")


def _biases(bias: float, channels: int = 4) -> np.ndarray:
    return np.where(np.arange(channels) == 0, bias, np.linspace(-0.5, 0.5, channels)).astype(np.float32)


Source = Callable[[GraphBuilder, float], str]


def gated(
    source: Source = convolution,
    bias: float = OVERFLOWS,
    between: Piece = plain,
    gate_of: Piece = plain,
    exposed: bool = False,
) -> Graph:
    """SiLU, LOGISTIC(s) * s. between: what s goes through first; gate_of: what it goes through to the LOGISTIC only."""
    g = GraphBuilder()
    s = between(g, source(g, bias))
    y = g.mul(g.unary("LOGISTIC", gate_of(g, s), name="gate"), s, name="y")
    return g.build([y, s] if exposed else [y])


def behind(*steps: Piece) -> Graph:
    """A convolution and these steps in a row."""
    g = GraphBuilder()
    y = convolution(g, OVERFLOWS)
    for step in steps:
        y = step(g, y)
    return g.build([y])


def unary(kind: str) -> Piece:
    return lambda g, s: g.unary(kind, s)


def with_constant(kind: str, constant: float, first: bool = False) -> Piece:
    """An op of s and a constant; first: the constant is the left operand."""

    def step(g: GraphBuilder, s: str) -> str:
        held = g.const(np.float32(constant))
        return g.binary(kind, held, s) if first else g.binary(kind, s, held)

    return step


def other_tensor(kind: str) -> Piece:
    """An op of another input, on the left, and s."""
    return lambda g, s: g.binary(kind, g.input("z", g.shape(s)), s)


def masked_softmax() -> Graph:
    """SOFTMAX over 4 channels, two of them masked."""
    g = GraphBuilder()
    masked = g.add(convolution(g, 0.0), g.const(np.array([0, 0, -1e4, -1e4], np.float32)), name="masked")
    return g.build([g.softmax(masked, name="y")])


def product() -> Graph:
    """LOGISTIC of a BATCH_MATMUL and biases, times another tensor."""
    g = GraphBuilder()
    s = g.batch_matmul(g.input("x", (1, 8, 4)), g.input("w", (1, 4, 4)), name="product")
    gate = g.unary("LOGISTIC", g.add(s, g.const(_biases(OVERFLOWS)), name="s"), name="gate")
    return g.build([g.mul(g.input("z", (1, 8, 4)), gate, name="y")])


CLAMP = with_constant("MAXIMUM", CLAMPED)
RECIPROCAL = with_constant("DIV", 1.0, first=True)

MODELS = finding_models(
    minimal("SiLU of a 1x1 CONV_2D, one channel of which is below -88", gated),
    control("that channel is about -60", gated, bias=HOLDS),
    still_wrong("sigmoid", "not SiLU alone: LOGISTIC", behind, unary("LOGISTIC")),
    still_wrong(
        "gate", "not SiLU alone: LOGISTIC times another tensor", behind, unary("LOGISTIC"), other_tensor("MUL")
    ),
    still_wrong(
        "written-out",
        "not LOGISTIC alone: 1 / (1 + EXP(-s)) op by op",
        behind,
        unary("NEG"),
        unary("EXP"),
        with_constant("ADD", 1.0),
        RECIPROCAL,
    ),
    still_wrong(
        "zero-divisor",
        "not infinity alone: TANH(1 / RELU(s)) is -1 instead of 1 where s is negative, and no NaN",
        behind,
        unary("RELU"),
        RECIPROCAL,
        unary("TANH"),
    ),
    still_wrong("kernel-3", "not 1x1 nor 4 channels alone: 3x3 of 8 channels", gated, wide_convolution),
    still_wrong("tokens", "not CONV_2D alone: FULLY_CONNECTED of [1,16,4]", gated, tokens),
    still_wrong("vector", "not CONV_2D alone: FULLY_CONNECTED of [1,4]", gated, vector),
    still_wrong("matmul", "not CONV_2D alone: BATCH_MATMUL and an ADD of biases", product),
    clean("depthwise", "SiLU of a DEPTHWISE_CONV_2D", gated, depthwise),
    clean("addition", "SiLU of an ADD", gated, addition),
    clean("tanh", "TANH", behind, unary("TANH")),
    clean("gelu", "GELU", behind, unary("GELU")),
    clean("elu", "ELU", behind, unary("ELU")),
    clean("masked-softmax", "SOFTMAX of masked scores", masked_softmax),
    clean(
        "exponential",
        "an infinite EXP, cut off by MINIMUM",
        behind,
        unary("NEG"),
        unary("EXP"),
        with_constant("MINIMUM", 2.0),
    ),
    clean(
        "logarithm", "LOG of 0, cut off by MAXIMUM", behind, unary("RELU"), unary("LOG"), with_constant("MAXIMUM", -5.0)
    ),
    clean("power", "POW of 0", behind, unary("RELU"), with_constant("POW", 0.5)),
    helps("clamped", "the LOGISTIC reads s not below -80", gated, gate_of=CLAMP),
    helps("apart", "an identity TRANSPOSE between the two", gated, between=identity_transpose),
    no_help("identity-reshape", "an identity RESHAPE between the two", gated, between=identity_reshape),
    # Of the OpenCL drivers here PoCL makes use of the option; Oclgrind computes as if it were not there.
    targets=("gpu:pocl@Mali-G610",),
    precisions=("fp32",),
)
