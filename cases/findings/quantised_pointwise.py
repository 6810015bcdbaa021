"""CONV_2D of one pixel with int8 weights is taken for a FULLY_CONNECTED, which has neither strides nor groups."""

from __future__ import annotations

import numpy as np

from cases.builder import GraphBuilder
from cases.findings.model import clean, control, face, finding_models, helps, minimal, still_wrong
from cases.findings.pieces import per_channel, weights
from cases.graph import Graph

CHANNELS, OUT = 8, 8


def _kernel(g: GraphBuilder, stored: str, size: int, depth: int, per_tensor: bool) -> str:
    values = weights(OUT, size, size, depth)
    if stored == "float32":
        return g.const(values)
    high = 127 if stored == "int8" else 7
    scale = np.abs(values).max() / high if per_tensor else np.abs(values).reshape(OUT, -1).max(axis=1) / high
    whole = np.round(values / np.reshape(scale, (-1, 1, 1, 1))).clip(-high, high)
    return g.on_grid(g.const(whole, dtype=stored), scale)


def strided(
    stride: int = 2,
    stored: str = "int8",
    size: int = 1,
    padding: str = "SAME",
    per_tensor: bool = False,
    groups: int = 1,
    sliced: bool = False,
    shape: tuple[int, ...] = (1, 6, 6, CHANNELS),
) -> Graph:
    """A convolution of x with weights of one pixel.

    stored: the type of the weights. sliced: a STRIDED_SLICE in front takes the pixels instead of the stride.
    """
    g = GraphBuilder()
    x = g.input("x", shape)
    kernel = _kernel(g, stored, size, CHANNELS // groups, per_tensor)
    if sliced:
        x, stride = g.strided_slice(x, [0] * 4, shape, [1, stride, stride, 1]), 1
    return g.build([g.conv2d(x, kernel, per_channel(OUT), name="y", stride=stride, padding=padding)])


def all_int8(stride: int = 2) -> Graph:
    """The same with int8 activations and an int32 bias."""
    g = GraphBuilder()
    x = g.quantise(g.input("x", (1, 6, 6, CHANNELS)), 0.02, 3)
    values = weights(OUT, 1, 1, CHANNELS)
    scale = np.abs(values).max() / 127
    kernel = g.on_grid(g.const(np.round(values / scale), dtype="int8"), scale)
    bias = g.on_grid(g.const(range(-40, 40, 10), dtype="int32"), float(np.float32(0.02)) * float(np.float32(scale)))
    return g.build(g.op("DEQUANTIZE", (g.on_grid(g.conv2d(x, kernel, bias, stride=stride), 0.04, -4),), name="y"))


def residual(stored: str = "int8") -> Graph:
    """The shortcut of a residual block that halves the image, with weight-only quantisation."""
    g = GraphBuilder()
    x = g.input("x", (1, 8, 8, CHANNELS))
    shortcut = g.conv2d(x, _kernel(g, stored, 1, CHANNELS, False), per_channel(OUT), stride=2)
    body = g.conv2d(x, weights(OUT, 3, 3, CHANNELS, seed=3), per_channel(OUT, seed=4), stride=2, activation="RELU")
    return g.build([g.unary("RELU", g.add(body, shortcut), name="y")])


MODELS = finding_models(
    minimal("1x1 with int8 weights, stride 2", strided),
    control("stride 1", strided, stride=1),
    still_wrong("stride-3", "not stride 2 alone: 3", strided, stride=3),
    still_wrong("valid", "not SAME alone: VALID", strided, padding="VALID"),
    still_wrong("per-tensor", "not one scale per channel alone: one for all", strided, per_tensor=True),
    still_wrong("int4", "not int8 alone: int4 weights", strided, stored="int4"),
    still_wrong("batch", "not batch 1 alone: two images", strided, shape=(2, 6, 6, CHANNELS)),
    still_wrong("all-int8", "not float activations alone: int8 ones", all_int8),
    clean("all-int8-stride-1", "int8 activations, stride 1", all_int8, stride=1),
    clean("float-weights", "float32 weights", strided, stored="float32"),
    clean("kernel-3", "a 3x3 kernel", strided, size=3),
    helps("sliced", "a STRIDED_SLICE in front, and stride 1", strided, sliced=True),
    face("shortcut", "the shortcut of a residual block that halves the image", residual),
    helps("float-shortcut", "the shortcut's weights in float32", residual, stored="float32"),
)
