"""Under the names of some vendors: a small convolution whose window is 1x1 in one axis alone, and a 1x1 one behind."""

from __future__ import annotations

from cases.builder import GraphBuilder
from cases.findings.model import clean, control, finding_models, helps, minimal, still_wrong
from cases.findings.pieces import per_channel, weights
from cases.graph import Graph


def windowed(
    height: int = 3,
    width: int = 1,
    stride: tuple[int, int] = (1, 1),
    padding: str = "SAME",
    depth: int = 2,
    behind: int = 4,
    size: int = 6,
    between: str = "",
) -> Graph:
    """A CONV_2D of a map of 3 channels with a window of height x width, and a 1x1 CONV_2D behind it: z.

    stride: of the first, (height, width). depth: its channels. behind: those of z. between: RELU, or TRANSPOSE (and
    back) between the two.
    """
    g = GraphBuilder()
    x = g.input("x", (1, size, size, 3))
    (y,) = g.op(
        "CONV_2D",
        [x, g.const(weights(depth, height, width, 3)), g.const(per_channel(depth))],
        stride_h=stride[0],
        stride_w=stride[1],
        padding=padding,
    )
    if between == "TRANSPOSE":
        y = g.transpose(y, [0, 1, 2, 3])
    elif between:
        y = g.unary(between, y)
    return g.build([g.conv2d(y, weights(behind, 1, 1, depth, seed=9), per_channel(behind, 10), name="z")])


MODELS = finding_models(
    minimal("3x1 CONV_2D of 2 channels feeds a 1x1 CONV_2D of 4", windowed),
    control("3x3 instead of 3x1", windowed, width=3),
    still_wrong("one-by-three", "not the height alone: 1x3", windowed, height=1, width=3),
    still_wrong("valid", "not SAME alone: VALID", windowed, padding="VALID"),
    still_wrong("stride", "not the size alone: 1x1 with stride 2 in height", windowed, height=1, stride=(2, 1)),
    still_wrong("both", "not stride 1 alone: 3x1 with stride 2 in height", windowed, stride=(2, 1)),
    still_wrong("relu", "not bare neighbours alone: a RELU between them", windowed, between="RELU"),
    still_wrong("map", "not a small map: 64x64", windowed, size=64),
    clean("one-by-one", "1x1 with stride 1", windowed, height=1),
    clean("stride-2", "1x1 with stride 2 in both axes", windowed, height=1, stride=(2, 2)),
    clean("forty-behind", "40 channels behind", windowed, behind=40),
    helps("zeros", "a window of 3x2: one more column, which may hold zeros", windowed, width=2),
    helps("transpose", "an identity TRANSPOSE between the two", windowed, between="TRANSPOSE"),
    # One name for each branch that has the fusion over WebGPU.
    targets=("gpu:*@NVIDIA H100", "gpu:*@Apple M2", "gpu:*@Intel Iris Xe", "gpu:nvidia-*", "gpu:opencl-nvidia"),
)
