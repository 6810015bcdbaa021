"""In fp16, where tensors are buffers: a CAST to float32 that is an output and moved by another op voids the model."""

from __future__ import annotations

from cases.builder import GraphBuilder
from cases.findings.cast_output_consumed import SHAPE, floats_of
from cases.findings.model import clean, control, face, finding_models, helps, minimal, still_wrong
from cases.findings.pieces import weights
from cases.graph import Graph


def moved(
    reader: str = "TRANSPOSE", dtype: str = "int32", shown: bool = True, twice: bool = False, beside: bool = False
) -> Graph:
    """A CAST of x to float32, and an op that puts its elements elsewhere. shown: the CAST is an output.

    twice: what is read is a CAST of its own. beside: with a TANH of another input, which has nothing to do with it.
    """
    g = GraphBuilder()
    x = g.input("x", SHAPE, dtype)
    y = floats_of(g, x, dtype, "y")
    read = floats_of(g, x, dtype, "y_again") if twice else y
    match reader:
        case "RESHAPE":
            z = g.reshape(read, (1, 5, 3, 4), name="z")
        case "PAD":
            z = g.pad(read, [[0, 0], [1, 1], [1, 1], [0, 0]], name="z")
        case "SPLIT":
            z, _ = g.split(read, 2, 3, names=["z", "z_rest"])
        case "TRANSPOSE_CONV":
            z = g.transpose_conv(read, weights(4, 2, 2, 4), (6, 10), stride=2, padding="VALID", name="z")
        case "SUM":
            z = g.reduce("SUM", read, [3], name="z")
        case _:
            z = g.transpose(read, [0, 2, 1, 3], name="z")
    outputs = [y, z] if shown else [z]
    return g.build([*outputs, g.unary("TANH", g.input("free", SHAPE), name="tanh")] if beside else outputs)


def channels_first(shown: bool = True) -> Graph:
    """An image of whole numbers, cast and brought into another layout; shown: the cast image is an output too."""
    g = GraphBuilder()
    image = g.input("image", (1, 8, 8, 3), "int32")
    pixels = floats_of(g, image, "int32", "pixels")
    planes = g.transpose(pixels, [0, 3, 1, 2], name="planes")
    return g.build([planes, pixels] if shown else [planes])


NAMES = ("gpu:lavapipe*@NVIDIA H100", "gpu:lavapipe*@Apple M2", "gpu:lavapipe*@Samsung Xclipse 940", "gpu:nvidia-*")

MODELS = finding_models(
    minimal("CAST of int32, an output, feeds a TRANSPOSE", moved).in_outputs(0, 1),
    control("the CAST is no output", moved, shown=False),
    still_wrong("reshape", "not TRANSPOSE alone: RESHAPE", moved, reader="RESHAPE").in_outputs(0, 1),
    still_wrong("pad", "PAD", moved, reader="PAD").in_outputs(0, 1),
    still_wrong("split", "SPLIT", moved, reader="SPLIT").in_outputs(0, 1),
    still_wrong("convolution", "not moved alone: TRANSPOSE_CONV", moved, reader="TRANSPOSE_CONV").in_outputs(0, 1),
    still_wrong("bool", "not int32 alone: truths", moved, dtype="bool").in_outputs(0, 1),
    still_wrong(
        "beside", "not its own outputs alone: a TANH of another input is lost too", moved, beside=True
    ).in_outputs(0, 1, 2),
    clean("sum", "SUM converts what it reads", moved, reader="SUM"),
    helps("twice", "cast twice: once for the output, once for the TRANSPOSE", moved, twice=True),
    face(
        "channels-first", "an image cast and transposed in the graph, the cast image an output", channels_first
    ).in_outputs(0, 1),
    helps("hidden", "the cast image is no output", channels_first, shown=False),
    targets=NAMES,
    precisions=("fp16",),
)
