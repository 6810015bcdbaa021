"""TRANSPOSE_CONV of stride 2 under a PowerVR's name over OpenCL: its weights are read before they are copied."""

from __future__ import annotations

from cases.builder import GraphBuilder
from cases.findings.model import clean, control, face, finding_models, helps, minimal, still_wrong
from cases.findings.pieces import weights
from cases.graph import Graph


def enlarged(
    window: tuple[int, int] = (3, 3), taken: int = 2, made: int = 3, padding: str = "VALID", stride: int = 2
) -> Graph:
    """[1,4,4,taken] about twice as large, or `stride` times."""
    g = GraphBuilder()
    x = g.input("x", (1, 4, 4, taken))
    size = [4 * stride] * 2 if padding == "SAME" else [3 * stride + extent for extent in window]
    held = weights(made, *window, taken)
    return g.build([g.transpose_conv(x, held, size, name="y", stride=stride, padding=padding)])


def widened() -> Graph:
    """The same window with a column of zeros, and what it stands for of the result."""
    g = GraphBuilder()
    held = weights(3, 3, 4, 2)
    held[:, :, 3] = 0
    whole = g.transpose_conv(g.input("x", (1, 4, 4, 2)), held, (9, 10), stride=2, padding="VALID")
    return g.build([g.slice(whole, (0, 0, 0, 0), (1, 9, 9, 3), name="y")])


def decoder() -> Graph:
    """The end of a segmentation network: features of 8x8, enlarged twice, a mask."""
    g = GraphBuilder()
    x = g.input("x", (1, 8, 8, 16))
    for channels, size in ((8, 16), (4, 32)):
        taken = g.shape(x)[3]
        x = g.unary("RELU", g.transpose_conv(x, weights(channels, 4, 4, taken), (size, size), stride=2))
    return g.build([g.unary("LOGISTIC", g.conv2d(x, weights(1, 1, 1, 4)), name="mask")])


MODELS = finding_models(
    minimal("a window of 3x3, stride 2", enlarged),
    control("stride 3", enlarged, stride=3),
    still_wrong("channels", "not few channels alone: 32 to 16", enlarged, taken=32, made=16),
    still_wrong("same", "not padding VALID alone: SAME", enlarged, padding="SAME"),
    still_wrong("window-4", "not 3x3 alone: 4x4 with padding SAME", enlarged, window=(4, 4), padding="SAME"),
    clean("window-4-valid", "4x4 with padding VALID has another kernel", enlarged, window=(4, 4)),
    clean("window-3-4", "a window of 3x4 has another kernel", enlarged, window=(3, 4)),
    helps("widened", "a window of 3x4 with a column of zeros, and a SLICE of the result", widened),
    face("decoder", "the end of a segmentation network", decoder),
    targets=("gpu:pocl@PowerVR Rogue GE8320",),
)
