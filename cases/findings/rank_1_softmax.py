"""SOFTMAX of a tensor of rank 1."""

from __future__ import annotations

from cases.builder import GraphBuilder
from cases.findings.model import control, finding_models, helps, minimal, still_wrong
from cases.graph import Graph


def rank_1_softmax(x_shape: tuple[int, ...] = (4,), as_rank_2: bool = False) -> Graph:
    """One SOFTMAX over the last axis of x. as_rank_2: x goes to [1,C] and the result back to [C]."""
    g = GraphBuilder()
    x = g.input("x", x_shape)
    if not as_rank_2:
        return g.build([g.softmax(x, "y")])
    return g.build([g.reshape(g.softmax(g.reshape(x, (1, *x_shape)), "wide"), x_shape, "y")])


MODELS = finding_models(
    minimal("SOFTMAX of a tensor [4]", rank_1_softmax),
    control("the same on [1,4]", rank_1_softmax, x_shape=(1, 4)),
    still_wrong("seven", "not the size: [7]", rank_1_softmax, x_shape=(7,)),
    helps("rank-2", "RESHAPE to [1,4] and back", rank_1_softmax, as_rank_2=True),
)
