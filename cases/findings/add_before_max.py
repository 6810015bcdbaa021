"""REDUCE_MAX or REDUCE_MIN of a sum, which starts from zero."""

from __future__ import annotations

from cases.builder import GraphBuilder
from cases.findings.model import control, finding_models, helps, minimal, still_wrong
from cases.findings.pieces import TOKENS, Piece, plain, two_negs
from cases.graph import Graph


def add_max(negative: bool = True, kind: str = "REDUCE_MAX", between: Piece = plain) -> Graph:
    """The largest of sums that are all below zero (or, unless negative, all above)."""
    g = GraphBuilder()
    a, b = (g.unary("ABS", g.input(name, TOKENS), name=f"abs_{name}") for name in ("x", "z"))
    if negative:
        a, b = g.unary("NEG", a, name="a"), g.unary("NEG", b, name="b")
    total = g.add(a, b, name="total")
    return g.build([g.reduce(kind, between(g, total), [2], name="extreme")])


MODELS = finding_models(
    minimal("REDUCE_MAX of sums that are all negative", add_max),
    control("the same with sums that are all positive", add_max, negative=False),
    still_wrong(
        "min-of-positive",
        "not REDUCE_MAX alone: REDUCE_MIN of positive sums",
        add_max,
        negative=False,
        kind="REDUCE_MIN",
    ),
    helps("two-negs", "two NEGs between ADD and REDUCE_MAX", add_max, between=two_negs),
)
