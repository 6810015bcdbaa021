"""A PAD that is a graph output and feeds a CONV_2D."""

from __future__ import annotations

from cases.builder import GraphBuilder
from cases.findings.model import control, finding_models, helps, minimal
from cases.findings.pieces import Piece, output_and_reader, per_channel, plain, times_one, weights
from cases.graph import Graph


def pad_conv(emit: Piece = plain, second_reader: bool = False) -> Graph:
    """y = PAD(x) is an output and feeds an unpadded CONV_2D."""
    g = GraphBuilder()
    y = g.pad(g.input("x", (1, 4, 4, 8)), [[0, 0], [1, 1], [1, 1], [0, 0]], "y")
    conv = g.conv2d(y, weights(8, 3, 3, 8), per_channel(8, 9), name="conv", padding="VALID")
    return output_and_reader(g, y, conv, emit, second_reader=second_reader)


MODELS = finding_models(
    minimal("PAD, an output, feeds an unpadded CONV_2D", pad_conv),
    control("a second consumer keeps the PAD", pad_conv, second_reader=True),
    helps("emit-mul", "emit y through a MUL by 1", pad_conv, emit=times_one),
)
