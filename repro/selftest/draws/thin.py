"""Draws around small convolutions in a row, which some vendors' branches of the delegate make one kernel of."""

from __future__ import annotations

import random

import numpy as np

from cases.builder import GraphBuilder
from cases.graph import Graph

INSIDE = ("ABS", "NEG", "TANH", "LOGISTIC", "SQUARE", "RELU", "RELU6", "HARD_SWISH")
"""Elementwise ops of one input that keep every number finite."""
MAPS = ((1, 4, 4), (1, 4, 4), (1, 1, 64), (2, 3, 4), (1, 16, 16))
WIDTHS = (4, 4, 8, 8, 3, 12, 16, 17, 32, 33)


def thin(rng: random.Random) -> Graph:
    """Two to five convolutions, the first perhaps depthwise or larger than 1x1, with elementwise ops between them."""
    g, shape = GraphBuilder(), (*rng.choice(MAPS), rng.choice((4, 4, 8, 3, 16, 32)))
    given = [g.input(name, shape) for name in ("x", "z")[: rng.randint(1, 2)]]
    made: list[str] = []
    for step in range(rng.randint(2, 6)):
        source = made[-1] if made and rng.random() < 0.85 else rng.choice(given + made)
        name = f"t{step}"
        others = [other for other in given + made if other != source and g.shape(other) == g.shape(source)]
        chance = rng.random()
        if chance < 0.15 and made:
            made.append(g.unary(rng.choice(INSIDE), source, name=name))
        elif chance < 0.25 and others:
            operands = [source, rng.choice(others)]
            rng.shuffle(operands)
            made.append(g.add(operands[0], operands[1], name=name))
        else:
            made.append(_convolution(g, rng, source, name))
    return g.build([*(name for name in made[:-1] if rng.random() < 0.5), made[-1]])


def _convolution(g: GraphBuilder, rng: random.Random, source: str, name: str) -> str:
    channels = g.shape(source)[3]
    values = np.random.default_rng(rng.randrange(1 << 32))
    size = rng.choice((1, 1, 1, 1, 3))
    activation = rng.choice(("NONE", "NONE", "NONE", "RELU"))
    depthwise = rng.random() < 0.3
    wide = channels * rng.choice((1, 1, 1, 2)) if depthwise else rng.choice(WIDTHS)
    shape = (1, size, size, wide) if depthwise else (wide, size, size, channels)
    read = size * size * (1 if depthwise else channels)
    kernel = (values.normal(size=shape) / read**0.5).astype(np.float32)
    bias = values.normal(size=wide).astype(np.float32)
    if depthwise:
        return g.depthwise_conv2d(source, kernel, bias, name=name, activation=activation)
    return g.conv2d(source, kernel, bias, name=name, activation=activation)
