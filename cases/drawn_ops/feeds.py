"""What a drawn graph is fed: by what its ops make of each input, whole numbers of both signs."""

from __future__ import annotations

from dataclasses import replace

from cases.drawn_ops.elementwise import POSITIVE
from cases.evaluation.quantised import grid_of
from cases.graph import Graph
from cases.input_plan.planned import Kind, PlannedFeeds, PlannedInput
from cases.input_plan.roles import planned_inputs
from cases.inputs import StandardFeeds
from runner.run import Feed

_LARGEST = 9
_SHIFTS = frozenset({"RIGHT_SHIFT", "STABLEHLO_SHIFT_LEFT"})


def feeds_of(graph: Graph, seed: int) -> tuple[Feed, ...]:
    """Three different feeds."""
    inputs = tuple(_narrowed(planned, graph) for planned in planned_inputs(graph))
    return PlannedFeeds(StandardFeeds(seed), inputs).make([graph.tensors[name] for name in graph.inputs])


def _narrowed(planned: PlannedInput, graph: Graph) -> PlannedInput:
    """Standard feeds have no whole number below 0, and a quantised input spans its range, whatever is taken of it."""
    tensor, readers = graph.tensors[planned.name], graph.uses.get(planned.name, ())
    grid = grid_of(tensor)
    if grid is not None and any(op.kind in POSITIVE for op in readers):
        return replace(planned, low=float(grid.zero_point.max()) + 1)
    shifts_by = any(op.kind in _SHIFTS and op.inputs[1] == planned.name for op in readers)
    if planned.kind is Kind.STANDARD and tensor.dtype in ("int8", "int16", "int32") and not shifts_by:
        return replace(planned, kind=Kind.INTEGERS, low=-_LARGEST, high=(_LARGEST,), reason="whole numbers")
    return planned
