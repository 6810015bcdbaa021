"""A per-channel MUL in front of a CONV_2D in groups."""

from __future__ import annotations

from cases.builder import GraphBuilder
from cases.findings.model import clean, control, finding_models, helps, minimal, still_wrong
from cases.findings.pieces import Piece, identity_transpose, per_channel, plain, weights
from cases.graph import Graph


def grouped_conv_scaled(
    groups: int = 2, constant: str = "per-channel", between: Piece = plain, behind: bool = False, channels: int = 8
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
    source = between(g, g.mul(x, factor, name="scaled"))
    return g.build([g.conv2d(source, filters, per_channel(channels, 9), name="conv")])


MODELS = finding_models(
    minimal("MUL by a per-channel constant feeds a 3x3 CONV_2D of two groups", grouped_conv_scaled),
    control("the same with one group", grouped_conv_scaled, groups=1),
    still_wrong(
        "four-groups", "not two groups alone: four groups of 16 channels", grouped_conv_scaled, groups=4, channels=16
    ),
    clean("scalar", "a scalar constant", grouped_conv_scaled, constant="scalar"),
    clean("behind", "the MUL behind the CONV_2D", grouped_conv_scaled, behind=True),
    helps("transposed", "an identity TRANSPOSE between the two", grouped_conv_scaled, between=identity_transpose),
)
