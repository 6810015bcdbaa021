"""CUMSUM that is exclusive or goes in reverse."""

from __future__ import annotations

from cases.builder import GraphBuilder
from cases.findings.model import control, finding_models, helps, minimal, no_help, still_wrong
from cases.findings.pieces import Piece, identity_transpose, plain
from cases.graph import Graph


def directed_sums(
    shape: tuple[int, ...] = (1, 5, 4),
    exclusive: bool = False,
    reverse: bool = False,
    by_hand: bool = False,
    between: Piece = plain,
) -> Graph:
    """CUMSUM over the second dimension of x, before each element (exclusive), from the end (reverse), or both.

    by_hand: made of a plain CUMSUM, its total and x, for one of the two. between: what else x goes through first.
    """
    g = GraphBuilder()
    x = between(g, g.input("x", shape))
    if not by_hand:
        return g.build(g.op("CUMSUM", (x, g.const(1, dtype="int32")), name="y", exclusive=exclusive, reverse=reverse))
    (sums,) = g.op("CUMSUM", (x, g.const(1, dtype="int32")), name="sums")
    if exclusive:
        return g.build([g.sub(sums, x, name="y")])
    return g.build([g.add(g.sub(g.sum(x, [1], name="total"), sums, name="later"), x, name="y")])


MODELS = finding_models(
    minimal("exclusive CUMSUM of [1,5,4] over its second dimension", directed_sums, exclusive=True),
    control("the same, neither exclusive nor reverse", directed_sums),
    still_wrong("reverse", "not exclusive alone: reverse", directed_sums, reverse=True),
    still_wrong("both", "not one option alone: both", directed_sums, exclusive=True, reverse=True),
    still_wrong("rank-4", "not rank 3 alone: [1,5,2,4]", directed_sums, shape=(1, 5, 2, 4), exclusive=True),
    still_wrong("rank-4-reverse", "[1,5,2,4], reverse", directed_sums, shape=(1, 5, 2, 4), reverse=True),
    still_wrong("rank-2", "not rank 3 alone: [5,4]", directed_sums, shape=(5, 4), exclusive=True),
    no_help(
        "transposed", "an identity TRANSPOSE in front of it", directed_sums, exclusive=True, between=identity_transpose
    ),
    helps("subtracted", "exclusive: subtract x from the sums", directed_sums, exclusive=True, by_hand=True),
    helps(
        "from-total", "reverse: subtract the sums from their total, add x", directed_sums, reverse=True, by_hand=True
    ),
)
