"""Slices times a tensor, reduced over channels and put side by side, where one branch is not like the first."""

from __future__ import annotations

from cases.builder import GraphBuilder
from cases.findings.model import clean, control, finding_models, helps, minimal, no_help, still_wrong
from cases.findings.pieces import Piece, identity_transpose, plain, times_one
from cases.graph import Graph


def correlation(
    change: str = "other-map",
    kind: str = "MEAN",
    exchanged: bool = False,
    exposed: bool = False,
    emit: Piece = plain,
    between: Piece = plain,
) -> Graph:
    """Two slices of a map, each times a map, reduced over channels and put side by side.

    change: what the second branch does differently: slice another map (`other-map`), multiply by another one
    (`other-factor`), reduce with the other op (`other-reduction`), start at channel 4 (`channel`), or nothing.
    kind: of the reductions. exchanged: its MUL has the slice as its first operand. exposed: its reduction is an output,
    through `emit`.
    """
    g = GraphBuilder()
    x, y = g.input("x", (1, 3, 3, 8)), g.input("y", (1, 2, 2, 4))
    second_x = g.input("z", (1, 3, 3, 8)) if change == "other-map" else x
    second_y = g.input("z", (1, 2, 2, 4)) if change == "other-factor" else y
    second_kind = "SUM" if change == "other-reduction" else kind
    at = 4 if change == "channel" else 0
    a = g.mul(g.slice(x, [0, 0, 0, 0], [1, 2, 2, 4], name="piece_a"), y, name="product_a")
    piece = g.slice(second_x, [0, 1, 1, at], [1, 2, 2, 4], name="piece_b")
    b = g.mul(*((piece, second_y) if exchanged else (second_y, piece)), name="product_b")
    parts = [g.reduce(kind, a, [3], name="part_a"), g.reduce(second_kind, b, [3], name="part_b")]
    inner = [emit(g, parts[1])] if exposed else []
    parts[0] = between(g, parts[0])
    return g.build([*inner, g.concat(parts, 3, name="correlation")])


MODELS = finding_models(
    minimal("slices of two maps, times a third, MEAN over channels, side by side", correlation),
    control("two slices of one map", correlation, change=""),
    still_wrong(
        "other-factor", "one map, but each slice times a tensor of its own", correlation, change="other-factor"
    ),
    clean(
        "other-factor-last",
        "the same where the second MUL has its operands in the other order",
        correlation,
        change="other-factor",
        exchanged=True,
    ),
    still_wrong("other-reduction", "one map, but MEAN here and SUM there", correlation, change="other-reduction"),
    still_wrong("channel", "one map, but a slice starts at channel 4", correlation, change="channel"),
    still_wrong("inner-output", "nothing differs, but a MEAN is an output too", correlation, change="", exposed=True),
    helps("transposed", "an identity TRANSPOSE in front of the CONCATENATION", correlation, between=identity_transpose),
    no_help(
        "emit-mul", "emit the inner output through a MUL by 1", correlation, change="", exposed=True, emit=times_one
    ),
)
