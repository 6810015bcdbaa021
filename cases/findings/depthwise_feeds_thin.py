"""Under the names of most vendors: the output of a small depthwise convolution that feeds a small 1x1 CONV_2D."""

from __future__ import annotations

from cases.builder import GraphBuilder
from cases.findings.model import clean, control, finding_models, helps, minimal, no_help, still_wrong
from cases.findings.pieces import Piece, per_channel, plain, times_one, weights
from cases.graph import Graph


def depthwise_separable(
    channels: int = 4,
    out: int = 8,
    kernel: int = 3,
    multiplier: int = 1,
    size: int = 4,
    activation: str = "NONE",
    stride: int = 1,
    between: str = "",
    exposed: bool = True,
    emit: Piece = plain,
    second_reader: bool = False,
) -> Graph:
    """y, a DEPTHWISE_CONV_2D of a map of `channels`, feeds a 1x1 CONV_2D of `out`: a block of a MobileNet.

    between: an op in front of the CONV_2D, whose output takes the place of y (NEG), or is beside it (RESHAPE).
    """
    g = GraphBuilder()
    x = g.input("x", (1, size, size, channels))
    filters = weights(1, kernel, kernel, channels * multiplier, seed=7)
    bias = per_channel(channels * multiplier, 8)
    last = y = g.depthwise_conv2d(x, filters, bias, name="y", activation=activation, stride=stride)
    if between == "RESHAPE":
        last = g.reshape(y, g.shape(y))
    elif between:
        last = y = g.unary(between, y, name=between.lower())
    outputs = [emit(g, y)] if exposed else []
    outputs.append(g.conv2d(last, weights(out, 1, 1, channels * multiplier, seed=9), per_channel(out, 10), name="out"))
    if second_reader:
        outputs.append(g.unary("TANH", y, name="read"))
    return g.build(outputs)


MODELS = finding_models(
    minimal("3x3 DEPTHWISE_CONV_2D of 4 channels, an output, feeds a 1x1 CONV_2D of 8", depthwise_separable),
    control("64 channels instead of 4", depthwise_separable, channels=64),
    still_wrong("eight", "not 4 channels alone: 8", depthwise_separable, channels=8),
    still_wrong("kernel-1", "not 3x3 alone: 1x1", depthwise_separable, kernel=1),
    still_wrong("kernel-5", "not 3x3 alone: 5x5", depthwise_separable, kernel=5),
    still_wrong("stride-2", "not stride 1 alone: 2", depthwise_separable, stride=2),
    still_wrong("relu6", "not a bare convolution alone: with RELU6", depthwise_separable, activation="RELU6"),
    still_wrong(
        "between",
        "not the convolution's own output alone: a NEG behind it is the output",
        depthwise_separable,
        between="NEG",
    ),
    still_wrong("map", "not a small map: 64x64", depthwise_separable, size=64),
    clean("not-exposed", "without y among the outputs", depthwise_separable, exposed=False),
    clean("multiplier-2", "a depthwise convolution that makes 2 channels of each", depthwise_separable, multiplier=2),
    clean("forty-behind", "40 channels behind", depthwise_separable, out=40),
    helps("emit-mul", "emit y through a MUL by 1", depthwise_separable, emit=times_one),
    helps("second-reader", "give y a second consumer", depthwise_separable, second_reader=True),
    no_help(
        "identity-reshape",
        "an identity RESHAPE between y and the CONV_2D",
        depthwise_separable,
        between="RESHAPE",
    ),
    # One name for each branch that has the fusion over WebGPU.
    targets=(
        "gpu:*@NVIDIA H100",
        "gpu:*@Apple M2",
        "gpu:*@Intel Iris Xe",
        "gpu:*@Adreno (TM) 740",
        "gpu:lavapipe@Samsung Xclipse 940",
        "gpu:nvidia-*",
        "gpu:opencl-nvidia",
    ),
)
