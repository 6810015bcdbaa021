"""Draws of the delegate's longer patterns with one thing changed: a rule is wrong at its edges."""

from __future__ import annotations

import numpy as np

from cases.graph import Graph
from repro.selftest.draws.steps import Pen, some


def normalisation(pen: Pen) -> Graph:
    """A hand-written LayerNorm, sometimes with the mean of something else, sometimes in the E[x^2] form."""
    channels = pen.pick((4, 8))
    shape = (1, 5, channels) if pen.chance(0.7) else (1, 4, 4, channels)
    g, axis = pen.builder, [len(shape) - 1]
    x = pen.input(shape)
    if pen.chance(0.3):
        x = g.unary("NEG", x)
    of = pen.input(shape) if pen.chance(0.15) else x
    mean = g.mean(of, axis)
    if pen.chance(0.6):
        sub = g.sub(x, mean) if pen.chance(0.9) else g.sub(mean, x)
        square = g.mul(sub, sub) if pen.chance(0.7) else g.unary("SQUARE", sub)
        variance = g.mean(square, axis)
        shifted = g.add(variance, g.const(np.float32(1e-3)))
        root = g.unary("RSQRT", shifted)
        last = g.mul(sub, root) if pen.chance(0.5) else g.mul(root, sub)
        inner = [mean, sub, square, variance, shifted, root]
    else:
        square = g.unary("SQUARE", x)
        second = g.mean(square, axis)
        mean_square = g.unary("SQUARE", mean)
        variance = g.sub(second, mean_square)
        sub = g.sub(x, mean)
        shifted = g.add(variance, g.const(np.float32(5.0)))
        root = g.unary("RSQRT", shifted)
        ones = np.ones((1,) * (len(shape) - 1) + (channels,)) * (1.0 if pen.chance(0.8) else 2.0)
        scale = g.mul(root, g.const(ones))
        last = g.mul(sub, scale)
        inner = [mean, square, second, mean_square, variance, sub, shifted, root, scale]
    if pen.chance(0.4):
        inner.append(last)
        last = g.mul(last, g.const(pen.numbers(channels)))
        if pen.chance(0.5):
            inner.append(last)
            last = g.add(last, g.const(pen.numbers(channels)))
        if pen.chance(0.5) and len(shape) == 3:
            inner.append(last)
            last = g.fully_connected(last, pen.numbers(4, channels), pen.numbers(4))
    return g.build(some(pen, inner, last, 0.2))


def mish(pen: Pen) -> Graph:
    g = pen.builder
    x = pen.input((1, 5, 4))
    exp = g.unary("EXP", x)
    shifted = g.add(exp, g.const(np.float32(1.0 if pen.chance(0.8) else 2.0)))
    log = g.unary("LOG", shifted)
    tanh = g.unary("TANH", log)
    other = x if pen.chance(0.85) else pen.input((1, 5, 4))
    last = g.mul(other, tanh) if pen.chance(0.5) else g.mul(tanh, other)
    return g.build(some(pen, [exp, shifted, log, tanh], last, 0.25))


def correlation(pen: Pen) -> Graph:
    """Slices of one map times another, reduced over channels and put side by side, with one thing changed."""
    g = pen.builder
    kind = pen.pick(("MEAN", "SUM"))
    y, x = pen.input((1, 4, 4, 8)), pen.input((1, 6, 6, 8))
    other_x, other_y = pen.input((1, 6, 6, 8)), pen.input((1, 4, 4, 8))
    change = int(pen.rng.integers(8))
    parts, inner = [], []
    for index in range(int(pen.rng.integers(2, 6))):
        odd = index == 1
        piece = g.slice(other_x if odd and change == 0 else x, [0, index % 3, index // 3, 0], [1, 4, 4, 8])
        factor = other_y if odd and change == 1 else y
        product = g.mul(piece, factor) if pen.chance(0.5) else g.mul(factor, piece)
        chosen = ("SUM" if kind == "MEAN" else "MEAN") if odd and change == 2 else kind
        part = g.reduce(chosen, product, [3])
        parts.append(part)
        inner += [piece, product, part]
    last = g.concat(parts, 3)
    used = g.add(other_x, other_x)
    return g.build([*some(pen, inner, last, 0.08), used, g.add(other_y, other_y)])
