"""A 1x1 DEPTHWISE_CONV_2D with a multiplier above 1."""

from __future__ import annotations

import numpy as np

from cases.builder import GraphBuilder
from cases.findings.model import clean, control, finding_models, minimal, still_wrong
from cases.findings.pieces import per_channel
from cases.graph import Graph


def depthwise_multiplier(channels: int = 2, multiplier: int = 2, kernel: int = 1) -> Graph:
    """One DEPTHWISE_CONV_2D."""
    g = GraphBuilder()
    x = g.input("x", (1, 4, 4, channels))
    depth = channels * multiplier
    filters = np.random.default_rng(7).standard_normal((1, kernel, kernel, depth)).astype(np.float32)
    return g.build([g.depthwise_conv2d(x, filters, per_channel(depth, 9), name="y")])


MODELS = finding_models(
    minimal("one 1x1 DEPTHWISE_CONV_2D, 2 channels, multiplier 2", depthwise_multiplier),
    control("the same with a 3x3 kernel", depthwise_multiplier, kernel=3),
    clean("one-channel", "with one channel it is right", depthwise_multiplier, channels=1),
    clean("multiplier-1", "with multiplier 1 it is right", depthwise_multiplier, multiplier=1),
    still_wrong("four-channels", "not the odd size: 4 channels", depthwise_multiplier, channels=4),
    still_wrong("multiplier-3", "not 2 alone: multiplier 3", depthwise_multiplier, multiplier=3),
)
