"""SELECT_V2 whose condition has another rank than what it chooses from."""

from __future__ import annotations

from cases.builder import GraphBuilder
from cases.findings.model import clean, control, finding_models, helps, minimal, still_wrong
from cases.graph import Graph


def chosen(condition: tuple[int, ...] = (3,), shape: tuple[int, ...] = (3, 3), reshaped: tuple[int, ...] = ()) -> Graph:
    """x where the condition holds, and z elsewhere. reshaped: the shape that the condition is given."""
    g = GraphBuilder()
    c = g.input("c", condition, "bool")
    if reshaped:
        c = g.reshape(c, reshaped)
    return g.build([g.select(c, g.input("x", shape), g.input("z", shape), "y")])


MODELS = finding_models(
    minimal("condition [3], results [3,3]", chosen),
    control("condition [1,3]", chosen, condition=(1, 3)).that_in_browser("REFUSED"),
    still_wrong("rank-3", "not rank 2 alone: [3,1] and [3,3,3]", chosen, condition=(3, 1), shape=(3, 3, 3)),
    still_wrong("rank-4", "condition [2], results [2,2,2,2]", chosen, condition=(2,), shape=(2, 2, 2, 2)),
    clean("one", "a condition of one element is right", chosen, condition=(1,)),
    clean("alike", "a condition of the shape of the results is right", chosen, condition=(3, 3)),
    helps("reshaped", "a RESHAPE of the condition to [1,3]", chosen, reshaped=(1, 3)),
)
