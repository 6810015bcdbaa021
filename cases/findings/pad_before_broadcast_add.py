"""A PAD of channels in front of an ADD whose other tensor broadcasts."""

from __future__ import annotations

from cases.builder import GraphBuilder
from cases.findings.model import clean, control, finding_models, helps, minimal, still_wrong
from cases.findings.pieces import Piece, identity_transpose, padded, plain
from cases.graph import Graph


def pad_then_add(
    other: tuple[int, ...] = (1, 1, 1, 8), before: int = 0, between: Piece = plain, value: float | None = None
) -> Graph:
    """PAD of channels (or, with a value, PADV2), 4 to 8, is added to a tensor of shape `other`."""
    g = GraphBuilder()
    x, z = g.input("x", (1, 2, 2, 4)), g.input("z", other)
    y = padded(g, x, [[0, 0], [0, 0], [0, 0], [before, 4 - before]], value)
    return g.build([g.add(between(g, y), z, name="sum")])


MODELS = finding_models(
    minimal("PAD of 4 channels to 8, plus a tensor [1,1,1,8] that broadcasts", pad_then_add),
    control("plus a tensor of the full shape [1,2,2,8]", pad_then_add, other=(1, 2, 2, 8)),
    still_wrong("one-channel", "not space alone: [1,2,2,1]", pad_then_add, other=(1, 2, 2, 1)),
    still_wrong("one-row", "not both axes: [1,1,2,8]", pad_then_add, other=(1, 1, 2, 8)),
    clean("in-front", "zeros in front of the channels, not behind", pad_then_add, before=4),
    helps("transposed", "an identity TRANSPOSE between the two", pad_then_add, between=identity_transpose),
)
