"""What the graphs of several findings are made of: seeded constants, ops to put in between, parts they share.

The graphs are as small as the bug allows, so that a report fits on a screen and a folder in a few KB.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from cases.builder import GraphBuilder
from cases.evaluation.quantised import RANGES
from cases.graph import Graph

TOKENS = (1, 16, 32)
"""A token tensor [1, N, C]."""

Piece = Callable[[GraphBuilder, str], str]
"""What a tensor goes through: the graph so far and the tensor's name in, the name of the result out."""


# --- constants ----------------------------------------------------------------------------------------


def weights(*shape: int, seed: int = 7) -> np.ndarray:
    """Seeded weights whose products keep the scale of the input: N(0, 1 / fan-in)."""
    fan_in = int(np.prod(shape[1:]))
    return (np.random.default_rng(seed).standard_normal(shape) / np.sqrt(fan_in)).astype(np.float32)


def per_channel(channels: int, seed: int = 8) -> np.ndarray:
    """Seeded constants in [0.5, 1.5], one per channel."""
    return np.random.default_rng(seed).uniform(0.5, 1.5, channels).astype(np.float32)


def quantised_weights(
    g: GraphBuilder, out: int, depth: int, dtype: str = "int8", per_tensor: bool = False, seed: int = 7
) -> str:
    """Seeded weights [out, depth] of a FULLY_CONNECTED, stored as integers: one scale per row, or one for all."""
    rng = np.random.default_rng(seed)
    low, high = RANGES[dtype]
    scale = 0.5 / high
    held = g.const(rng.integers(low + 1, high + 1, (out, depth)), dtype=dtype)
    return g.on_grid(held, scale if per_tensor else rng.uniform(0.5 * scale, scale, out))


# --- what a tensor goes through -----------------------------------------------------------------------


def plain(g: GraphBuilder, y: str) -> str:
    """Nothing."""
    return y


def times_one(g: GraphBuilder, y: str) -> str:
    return g.scaled(y, 1.0, name="y_emitted")


def two_negs(g: GraphBuilder, y: str) -> str:
    return g.unary("NEG", g.unary("NEG", y, name="there"), name="back")


def identity_reshape(g: GraphBuilder, y: str) -> str:
    """A RESHAPE to its own shape."""
    return g.op("RESHAPE", (y, g.const(list(g.shape(y)), dtype="int32")), name="same")[0]


def identity_transpose(g: GraphBuilder, y: str, name: str = "") -> str:
    """A TRANSPOSE that moves nothing, which no pass of the delegate takes out."""
    return g.transpose(y, list(range(len(g.shape(y)))), name=name or f"{y}_apart")


NO_OPS: Mapping[str, Piece] = {
    "CONCATENATION": lambda g, y: g.concat([y], len(g.shape(y)) - 1, name="same"),
    "RESIZE_NEAREST_NEIGHBOR": lambda g, y: g.op(
        "RESIZE_NEAREST_NEIGHBOR", (y, g.const(g.shape(y)[1:3], dtype="int32")), name="same"
    )[0],
    "SLICE": lambda g, y: g.slice(y, [0] * len(g.shape(y)), g.shape(y), name="same"),
    "RESHAPE": lambda g, y: g.reshape(y, g.shape(y), name="same"),
}
"""Ops that change nothing, by kind: of one tensor, to its own size, of everything."""


# --- parts that graphs share --------------------------------------------------------------------------


def head(g: GraphBuilder, x: str, name: str) -> str:
    """8 channels made of 32: a 1x1 CONV_2D of a map [1, H, W, 32], a FULLY_CONNECTED of tokens [1, N, 32]."""
    if len(g.shape(x)) == 4:
        return g.conv2d(x, weights(8, 1, 1, 32), per_channel(8, 9), name=name)
    return g.fully_connected(x, weights(8, 32), per_channel(8, 9), name=name)


def card_tokens(g: GraphBuilder) -> str:
    """conv.flatten(2).transpose(1, 2) as the converter writes it: tokens [1, 16, 256] of a CONV_2D."""
    feature = g.conv2d(g.input("x", (1, 4, 4, 4)), weights(256, 1, 1, 4), per_channel(256, 9), name="feature")
    return g.op("RESHAPE", (feature, g.const([1, 16, 256], dtype="int32")), name="memory_raw")[0]


def halves(g: GraphBuilder, x: str, sliced: bool) -> tuple[str, str]:
    """The two halves of a tensor of TOKENS along its channels, by one SPLIT, or by two SLICEs."""
    if not sliced:
        first, second = g.split(x, 2, 2, ("a", "b"))
        return first, second
    size = g.const([1, 16, 16], dtype="int32")
    first, second = (
        g.op("SLICE", (x, g.const([0, 0, begin], dtype="int32"), size), name=name)[0]
        for name, begin in (("a", 0), ("b", 16))
    )
    return first, second


def padded(g: GraphBuilder, x: str, table: Sequence[Sequence[int]], value: float | None = None) -> str:
    """PAD of x, or with a value PADV2. table: (before, after) of every axis."""
    if value is None:
        return g.pad(x, table, name="padded")
    rows = g.const(table, dtype="int32")
    return g.op("PADV2", (x, rows, g.const(np.float32(value))), name="padded")[0]


def normalised(g: GraphBuilder, centred: str, between: Piece = plain, shifted: str = "shifted") -> tuple[str, str]:
    """The end of a hand-written LayerNorm: the variance of a centred tensor of TOKENS, and the normalised tensor.

    between: what the centred tensor goes through before it is squared. shifted: the name of variance + epsilon.
    """
    variance = g.mean(g.unary("SQUARE", between(g, centred), name="squared"), axes=[2], name="variance")
    scale = g.unary("RSQRT", g.add(variance, g.const(1e-5), name=shifted), name="scale")
    return variance, g.mul(centred, scale, name="normalised")


def output_and_reader(
    g: GraphBuilder,
    y: str,
    read: str,
    emit: Piece = plain,
    swap: bool = False,
    second_reader: bool = False,
    exposed: bool = True,
) -> Graph:
    """The graph whose outputs are y, through `emit` if exposed at all, and what an op made of it.

    swap: the outputs in reverse order. second_reader: a NEG reads y too, and is an output.
    """
    outputs = [emit(g, y), read] if exposed else [read]
    if second_reader:
        outputs.append(g.unary("NEG", y, name="negated"))
    return g.build(outputs[::-1] if swap else outputs)
