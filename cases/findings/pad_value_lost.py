"""PADV2 in front of an op that takes the padding over, which pads with zeros."""

from __future__ import annotations

import numpy as np

from cases.builder import GraphBuilder
from cases.findings.model import control, finding_models, helps, minimal, still_wrong
from cases.findings.pad_before_broadcast_add import pad_then_add
from cases.findings.pieces import Piece, identity_transpose, padded, per_channel, plain, weights
from cases.graph import Graph


def pad_value(value: float = 2.0, depthwise: bool = False, between: Piece = plain) -> Graph:
    """PADV2 of height and width with a value feeds an unpadded convolution."""
    g = GraphBuilder()
    y = padded(g, g.input("x", (1, 4, 4, 4)), [[0, 0], [1, 1], [1, 1], [0, 0]], value)
    source = between(g, y)
    if depthwise:
        filters = np.random.default_rng(7).standard_normal((1, 3, 3, 4)).astype(np.float32) / 3
        out = g.depthwise_conv2d(source, filters, per_channel(4, 9), name="conv", padding="VALID")
    else:
        out = g.conv2d(source, weights(4, 3, 3, 4), per_channel(4, 9), name="conv", padding="VALID")
    return g.build([out])


MODELS = finding_models(
    minimal("PADV2 with the value 2 feeds an unpadded CONV_2D", pad_value),
    control("the same with the value 0", pad_value, value=0.0),
    still_wrong("negative", "not the sign: -3", pad_value, value=-3.0),
    still_wrong("depthwise", "not CONV_2D alone: DEPTHWISE_CONV_2D", pad_value, depthwise=True),
    still_wrong(
        "channels-add",
        "not convolutions alone: PADV2 of channels feeds ADD",
        pad_then_add,
        other=(1, 2, 2, 8),
        value=2.0,
    ),
    helps("transposed", "an identity TRANSPOSE between the two", pad_value, between=identity_transpose),
)
