"""Under a Mali's name and in fp16: an output between two thin 1x1 convolutions."""

from __future__ import annotations

from cases.builder import GraphBuilder
from cases.findings.model import clean, control, finding_models, helps, minimal, no_help, still_wrong
from cases.findings.pieces import Piece, per_channel, plain, times_one, weights
from cases.graph import Graph


def thin_pointwise(
    out: int = 4,
    middle: int = 4,
    height: int = 4,
    width: int = 4,
    kernel: int = 1,
    between: tuple[str, ...] = (),
    exposed: tuple[str, ...] = ("y",),
    activation: str = "NONE",
    third: bool = False,
    last_channels: int = 4,
    tokens: bool = False,
    emit: Piece = plain,
    second_reader: bool = False,
    branch: bool = False,
) -> Graph:
    """y, a 1x1 CONV_2D (or, tokens, a FULLY_CONNECTED) of `middle` channels, feeds another of `out`.

    exposed: which are outputs, of `y`, the kinds `between` the two, and `ADD`. third: one more, of `last_channels`.
    branch: y reads a NEG of the input, which an ADD adds again behind y.
    """
    g = GraphBuilder()

    def layer(x: str, channels: int, depth: int, seed: int, name: str, first: bool = False) -> str:
        bias = per_channel(channels, seed + 1)
        if tokens:
            return g.fully_connected(x, weights(channels, depth, seed=seed), bias, name=name)
        size = kernel if first else 1
        fused = activation if first else "NONE"
        return g.conv2d(x, weights(channels, size, size, depth, seed=seed), bias, name=name, activation=fused)

    x = g.input("x", (1, height * width, 4) if tokens else (1, height, width, 4))
    x = g.unary("NEG", x, name="before") if branch else x
    last = y = layer(x, middle, 4, 7, "y", first=True)
    outputs = [emit(g, y)] if "y" in exposed else []
    for kind in between:
        last = g.reshape(last, g.shape(last)) if kind == "RESHAPE" else g.unary(kind, last, name=kind.lower())
        outputs += [last] if kind in exposed else []
    if branch:
        last = g.add(last, x, name="total")
        outputs += [last] if "ADD" in exposed else []
    last = layer(last, out, middle, 9, "out")
    if third:
        outputs.append(last)
        last = layer(last, last_channels, out, 17, "last")
    outputs.append(last)
    if second_reader:
        outputs.append(g.unary("TANH", y, name="read"))
    return g.build(outputs)


MODELS = finding_models(
    minimal("1x1 CONV_2D, an output, feeds a 1x1 CONV_2D of 4 channels", thin_pointwise),
    control("8 channels behind it instead of 4", thin_pointwise, out=8),
    still_wrong(
        "between",
        "not a convolution's own output alone: a NEG between the two is the output",
        thin_pointwise,
        between=("NEG",),
        exposed=("NEG",),
    ),
    still_wrong("three", "not two alone: of three, both inner ones", thin_pointwise, third=True).in_outputs(0, 1),
    still_wrong("relu", "not a bare convolution alone: with RELU", thin_pointwise, activation="RELU"),
    still_wrong(
        "residual",
        "not a plain row: y plus what y was made of is the output",
        thin_pointwise,
        branch=True,
        exposed=("ADD",),
    ),
    still_wrong("sixteen", "not 4 channels between: 16", thin_pointwise, middle=16),
    still_wrong("one-row", "not the shape of the map: 1x16", thin_pointwise, height=1, width=16),
    still_wrong("tokens", "not CONV_2D alone: FULLY_CONNECTED of [1,16,4]", thin_pointwise, tokens=True),
    still_wrong(
        "large-map", "not 4 channels behind alone: on a map of 128x128, 8", thin_pointwise, out=8, height=128, width=128
    ),
    clean("smaller-map", "8 channels behind on a map of 64x64", thin_pointwise, out=8, height=64, width=64),
    clean("not-exposed", "without y among the outputs", thin_pointwise, exposed=()),
    clean("sixty-four", "64 channels between", thin_pointwise, middle=64),
    clean("kernel-3", "a 3x3 CONV_2D first", thin_pointwise, kernel=3),
    helps("emit-mul", "emit y through a MUL by 1", thin_pointwise, emit=times_one),
    helps("second-reader", "give y a second consumer", thin_pointwise, second_reader=True),
    no_help(
        "identity-reshape", "an identity RESHAPE between y and the second CONV_2D", thin_pointwise, between=("RESHAPE",)
    ),
    # An adapter presented as a Mali newer than Bifrost; two of them.
    targets=("gpu:*@Mali-G57", "gpu:*@Mali-G610"),
    precisions=("fp16",),
)
