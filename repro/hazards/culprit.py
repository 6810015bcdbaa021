"""Which op of a graph makes its outputs wrong, where a rule knows it."""

from __future__ import annotations

from collections.abc import Collection

from cases.graph import Graph, Op
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
