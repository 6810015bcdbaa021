"""Which op of a graph makes its outputs wrong, where a rule knows it, and the picture that shows it."""

from __future__ import annotations

from collections.abc import Collection

from cases.graph import Graph, Op
from repro.drawings.picture import Picture, picture_of
from repro.hazards.lint import find_hazards


def culprits(graph: Graph, wrong: Collection[str]) -> tuple[Op, ...]:
    """The ops that known rules blame for the outputs named `wrong`: of two that meet in a fusion, the reader.

    Empty where no rule matches, which says nothing.
    """
    indices = {index for index, name in enumerate(graph.outputs) if name in wrong}
    blamed = {
        id(hazard.ops[1]): hazard.ops[1]
        for hazard in find_hazards(graph)
        if hazard.ops is not None and indices & set(hazard.affected)
    }
    return tuple(op for op in graph.ops if id(op) in blamed)


def failure_picture(graph: Graph, wrong: Collection[str]) -> Picture:
    """The graph with its wrong outputs and their culprits marked. Of an ended run, which has none, any output's."""
    return picture_of(graph, wrong, culprits(graph, wrong or graph.outputs))
