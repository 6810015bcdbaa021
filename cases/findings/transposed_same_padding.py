"""TRANSPOSE_CONV with padding SAME, where a convolution would pad input and output differently."""

from __future__ import annotations

from cases.builder import GraphBuilder
from cases.findings.model import clean, control, face, finding_models, helps, minimal, still_wrong
from cases.findings.pieces import weights
from cases.graph import Graph


def enlarged(size: int = 5, stride: int = 2, kernel: int = 3, out: int = 10, padding: str = "SAME") -> Graph:
    """[1,size,size,2] to [1,out,out,3]."""
    g = GraphBuilder()
    x = g.input("x", (1, size, size, 2))
    return g.build([g.transpose_conv(x, weights(3, kernel, kernel, 2), (out, out), stride=stride, padding=padding)])


def cut_out(size: int = 5, stride: int = 2, kernel: int = 3, out: int = 10) -> Graph:
    """The same without padding, and the part of it that SAME stands for."""
    g = GraphBuilder()
    x = g.input("x", (1, size, size, 2))
    whole = (size - 1) * stride + kernel
    y = g.transpose_conv(x, weights(3, kernel, kernel, 2), (whole, whole), stride=stride, padding="VALID")
    first = (whole - out) // 2
    return g.build([g.slice(y, (0, first, first, 0), (1, out, out, 3))])


def decoder() -> Graph:
    """The end of a segmentation network: features of 7x7, twice as large, a mask."""
    g = GraphBuilder()
    x = g.input("x", (1, 7, 7, 8))
    y = g.unary("RELU", g.transpose_conv(x, weights(4, 3, 3, 8), (14, 14), stride=2))
    return g.build([g.unary("LOGISTIC", g.conv2d(y, weights(1, 1, 1, 4)), name="mask")])


MODELS = finding_models(
    minimal("5x5 to 10x10: stride 2, a window of 3, SAME", enlarged),
    control("4x4 to 8x8: both sizes are padded alike", enlarged, size=4, out=8),
    still_wrong("stride-3", "not stride 2 alone: 4x4 to 12x12 by stride 3", enlarged, size=4, stride=3, out=12),
    still_wrong("smaller-output", "not the largest output alone: 4x4 to 7x7", enlarged, size=4, out=7),
    still_wrong("window-5", "not a window of 3 alone: 4x4 to 7x7 by a window of 5", enlarged, size=4, kernel=5, out=7),
    clean("stride-1", "stride 1 is right", enlarged, stride=1, out=5),
    clean("window-4", "a window of 4 is right at 4x4", enlarged, size=4, kernel=4, out=8),
    helps("valid", "padding VALID, and a SLICE of what SAME stands for", cut_out),
    face("decoder", "a decoder of 7x7 features with a mask", decoder),
)
