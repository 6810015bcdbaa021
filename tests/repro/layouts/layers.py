"""Layers of the examples' models, with weights drawn from their names."""

from __future__ import annotations

import math

import numpy as np

from cases.builder import GraphBuilder


def weights(name: str, *shape: int) -> np.ndarray:
    """N(0, 1 / inputs), the same for a name wherever it is asked for."""
    generator = np.random.default_rng(list(name.encode()))
    return (generator.standard_normal(shape) / math.sqrt(math.prod(shape[1:]))).astype(np.float32)


def linear(g: GraphBuilder, x: str, name: str, width: int, output: str | None = None, activation: str = "NONE") -> str:
    """A FULLY_CONNECTED with bias over the last axis."""
    bias = 0.1 * weights(f"{name}.bias", width, 1).reshape(-1)
    return g.fully_connected(x, weights(name, width, g.shape(x)[-1]), bias, output, activation)


def norm(g: GraphBuilder, x: str, name: str, output: str | None = None) -> str:
    """A LayerNorm over the last axis, written out as converters write it: it ends in `* weight + bias`."""
    axis, width = len(g.shape(x)) - 1, g.shape(x)[-1]
    centred = g.sub(x, g.mean(x, axes=[axis]))
    variance = g.mean(g.mul(centred, centred), axes=[axis])
    scaled = g.mul(centred, g.unary("RSQRT", g.add(variance, g.const(1e-5))))
    weight = 1 + 0.1 * weights(f"{name}.weight", width, 1).reshape(-1)
    bias = 0.1 * weights(f"{name}.bias", width, 1).reshape(-1)
    return g.add(g.mul(scaled, g.const(weight)), g.const(bias), output)


def add_norm(g: GraphBuilder, x: str, update: str, name: str, output: str | None = None) -> str:
    """The residual and the LayerNorm behind a sublayer."""
    return norm(g, g.add(x, update), name, output)


def attention(g: GraphBuilder, q: str, k: str, v: str) -> str:
    """softmax(q k^T / sqrt(width)) v over [1, heads, tokens, width]."""
    scores = g.scaled(g.batch_matmul(q, k, adj_y=True), 1 / math.sqrt(g.shape(q)[-1]))
    return g.batch_matmul(g.softmax(scores), v)
