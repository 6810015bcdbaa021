"""An ADD that reads two parts of one SPLIT."""

from __future__ import annotations

from cases.builder import GraphBuilder
from cases.findings.model import control, finding_models, minimal
from cases.findings.pieces import TOKENS, halves
from cases.graph import Graph


def split_added(sliced: bool = False) -> Graph:
    """The two halves of a SPLIT are only read by one ADD."""
    g = GraphBuilder()
    x = g.unary("TANH", g.input("x", TOKENS), name="source")
    a, b = halves(g, x, sliced)
    return g.build([g.add(a, b, name="sum")])


MODELS = finding_models(
    minimal("ADD of the two halves of one SPLIT", split_added),
    control("the halves come from two SLICEs", split_added, sliced=True),
)
