"""A PAD in front of a pooling, whose zeros are forgotten."""

from __future__ import annotations

from cases.builder import GraphBuilder
from cases.findings.model import control, finding_models, helps, minimal, still_wrong
from cases.findings.pieces import Piece, padded, plain, two_negs
from cases.graph import Graph


def pad_pool(kind: str = "AVERAGE_POOL_2D", border: int = 1, between: Piece = plain) -> Graph:
    """PAD with zeros feeds a VALID pooling; the zeros must count."""
    g = GraphBuilder()
    x = g.input("x", (1, 6, 6, 8))
    y = between(g, padded(g, x, [[0, 0], [border, border], [border, border], [0, 0]]))
    return g.build([g.pool(kind, y, size=2, stride=2, name="pooled")])


MODELS = finding_models(
    minimal("PAD with zeros feeds AVERAGE_POOL_2D", pad_pool),
    control("a PAD of nothing: no zeros to forget", pad_pool, border=0),
    still_wrong("max-pool", "not the average alone: MAX_POOL_2D", pad_pool, kind="MAX_POOL_2D"),
    helps("two-negs", "two NEGs between PAD and the pooling", pad_pool, between=two_negs),
)
