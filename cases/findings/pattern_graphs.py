"""Graphs of findings about ops that the delegate makes one kernel of: scaled convolution, Mish, norm, correlation."""

from __future__ import annotations

import numpy as np

from cases.builder import GraphBuilder
from cases.findings.layout_graphs import plain
from cases.findings.pieces import TOKENS, Emit, per_channel, weights
from cases.graph import Graph


def grouped_conv_scaled(
    groups: int = 2, constant: str = "per-channel", between: Emit = plain, behind: bool = False, channels: int = 8
) -> Graph:
    """MUL by a constant feeds a 3x3 CONV_2D in groups; behind: the MUL comes after it.

    Not 1x1: LiteRT 2.1.3 computes a grouped 1x1 CONV_2D wrongly in fp16, with or without a MUL.
    """
    g = GraphBuilder()
    x = g.input("x", (1, 4, 4, channels))
    factor = g.const(0.5 if constant == "scalar" else per_channel(channels))
    filters = weights(channels, 3, 3, channels // groups)
    if behind:
        return g.build([g.mul(g.conv2d(x, filters, per_channel(channels, 9), name="conv"), factor, name="scaled")])
    held = between(g, g.mul(x, factor, name="scaled"))
    return g.build([g.conv2d(held, filters, per_channel(channels, 9), name="conv")])


def mish(inner: str = "", emit: Emit = plain, second_reader: bool = False) -> Graph:
    """x * tanh(log(exp(x) + 1)); inner: which step is an output too (exp, shifted, log or tanh)."""
    g = GraphBuilder()
    x = g.input("x", (1, 4, 4))
    steps = {"exp": g.unary("EXP", x, name="exp")}
    steps["shifted"] = g.add(steps["exp"], g.const(np.float32(1.0)), name="shifted")
    steps["log"] = g.unary("LOG", steps["shifted"], name="log")
    steps["tanh"] = g.unary("TANH", steps["log"], name="tanh")
    outputs = [emit(g, steps[inner])] if inner else []
    if second_reader:
        outputs.append(g.unary("NEG", steps[inner], name="negated"))
    return g.build([*outputs, g.mul(x, steps["tanh"], name="mish")])


def norm_of_other(mean_of: str = "input", between: Emit = plain) -> Graph:
    """(x - mean(m)) * rsqrt(mean((x - mean(m))^2) + eps) over channels.

    mean_of: m is a second graph input, x itself (`same`), the second part of the SPLIT that makes x
    (`split`) or of two SLICEs (`slices`), or a second input behind a TANH (`computed`).
    """
    g = GraphBuilder()
    if mean_of in ("split", "slices"):
        both = g.unary("NEG", g.input("both", (1, 16, 64)), name="source")
        if mean_of == "split":
            x, m = g.split(both, 2, 2, ("x", "m"))
        else:
            x, m = (g.slice(both, [0, 0, at], TOKENS, name=name) for name, at in (("x", 0), ("m", 32)))
    else:
        x = g.input("x", TOKENS)
        m = x if mean_of == "same" else g.input("m", TOKENS)
        if mean_of == "computed":
            m = g.unary("TANH", m, name="computed")
    mean = g.mean(between(g, m), axes=[2], name="mu")
    centred = g.sub(x, mean, name="centred")
    variance = g.mean(g.unary("SQUARE", centred, name="squared"), axes=[2], name="variance")
    scale = g.unary("RSQRT", g.add(variance, g.const(1e-5), name="shifted"), name="scale")
    return g.build([g.mul(centred, scale, name="normalised")])


def norm_of_shifted(offset: float = 100.0, between: Emit = plain) -> Graph:
    """A hand-written LayerNorm of x + offset; between: what the centred tensor goes through before it is squared."""
    g = GraphBuilder()
    shifted = g.add(g.input("x", TOKENS), g.const(np.float32(offset)), name="shifted")
    centred = g.sub(shifted, g.mean(shifted, axes=[2], name="mu"), name="centred")
    variance = g.mean(g.unary("SQUARE", between(g, centred), name="squared"), axes=[2], name="variance")
    scale = g.unary("RSQRT", g.add(variance, g.const(1e-5), name="padded"), name="scale")
    return g.build([g.mul(centred, scale, name="normalised")])


def absolute(g: GraphBuilder, y: str) -> str:
    """|y|, whose square is that of y."""
    return g.unary("ABS", y, name=f"{y}_absolute")


def correlation(
    change: str = "other-map", emit: Emit = plain, between: Emit = plain, exposed: bool = False, exchanged: bool = False
) -> Graph:
    """Two slices of a map, each times a map, reduced over channels and put side by side.

    change: what the second branch does differently: slice another map (`other-map`), multiply by another one
    (`other-factor`), reduce with the other op (`other-reduction`), start at channel 4 (`channel`), or nothing.
    exchanged: the second MUL has the slice as its first operand.
    """
    g = GraphBuilder()
    x, y = g.input("x", (1, 3, 3, 8)), g.input("y", (1, 2, 2, 4))
    second_x = g.input("z", (1, 3, 3, 8)) if change == "other-map" else x
    second_y = g.input("z", (1, 2, 2, 4)) if change == "other-factor" else y
    second_kind = "SUM" if change == "other-reduction" else "MEAN"
    at = 4 if change == "channel" else 0
    a = g.mul(g.slice(x, [0, 0, 0, 0], [1, 2, 2, 4], name="piece_a"), y, name="product_a")
    piece = g.slice(second_x, [0, 1, 1, at], [1, 2, 2, 4], name="piece_b")
    b = g.mul(*((piece, second_y) if exchanged else (second_y, piece)), name="product_b")
    parts = [g.reduce("MEAN", a, [3], name="part_a"), g.reduce(second_kind, b, [3], name="part_b")]
    inner = [emit(g, parts[1])] if exposed else []
    parts[0] = between(g, parts[0])
    return g.build([*inner, g.concat(parts, 3, name="correlation")])
