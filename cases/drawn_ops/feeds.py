"""What a drawn graph is fed: by what its ops make of each input, whole numbers of both signs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cases.graph import Graph, Op
from cases.input_plan.planned import Kind, PlannedFeeds, PlannedInput
from cases.input_plan.roles import planned_inputs
from cases.inputs import StandardFeeds
from runner.run import Feed

_LARGEST = 9
_SHIFTS = frozenset({"RIGHT_SHIFT", "STABLEHLO_SHIFT_LEFT"})


def feeds_of(graph: Graph, seed: int) -> tuple[Feed, ...]:
    """Three different feeds."""
    inputs = tuple(_of_both_signs(planned, graph) for planned in planned_inputs(graph))
    return PlannedFeeds(StandardFeeds(seed), inputs).make([graph.tensors[name] for name in graph.inputs])


def _of_both_signs(planned: PlannedInput, graph: Graph) -> PlannedInput:
    """Whole numbers of which nothing says what they are; standard feeds have none below 0."""
    signed = graph.tensors[planned.name].dtype in ("int8", "int16", "int32")
    if planned.kind is not Kind.STANDARD or not signed or _shifts_by(planned.name, graph.uses.get(planned.name, ())):
        return planned
    return replace(planned, kind=Kind.INTEGERS, low=-_LARGEST, high=(_LARGEST,), reason="whole numbers")


def _shifts_by(name: str, readers: Sequence[Op]) -> bool:
    return any(op.kind in _SHIFTS and op.inputs[1] == name for op in readers)
