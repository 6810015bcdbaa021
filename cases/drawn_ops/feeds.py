"""What a drawn graph is fed: by what its ops make of each input, whole numbers of both signs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from cases.drawn_ops.elementwise import POSITIVE
from cases.evaluation.quantised import Grid, grid_of
from cases.graph import Graph, Op
from cases.input_plan.planned import Kind, PlannedFeeds, PlannedInput
from cases.input_plan.roles import planned_inputs
from cases.inputs import StandardFeeds
from runner.run import Feed

_LARGEST = 9
_LARGEST_EQUAL = 2
"""Whole numbers up to this one are equal often enough that EQUAL gives both answers."""
_SHIFTS = frozenset({"RIGHT_SHIFT", "STABLEHLO_SHIFT_LEFT"})
_EQUALITY = frozenset({"EQUAL", "NOT_EQUAL"})


def feeds_of(graph: Graph, seed: int) -> tuple[Feed, ...]:
    """Three different feeds."""
    return drawn_plan(graph, seed).make([graph.tensors[name] for name in graph.inputs])


def drawn_plan(graph: Graph, seed: int) -> PlannedFeeds:
    """How they are made."""
    return PlannedFeeds(StandardFeeds(seed), tuple(_narrowed(planned, graph) for planned in planned_inputs(graph)))


def _narrowed(planned: PlannedInput, graph: Graph) -> PlannedInput:
    """Standard feeds have no whole number below 0 and hardly two that are equal; a quantised input spans its range,
    whatever is taken of it."""
    tensor, reads = graph.tensors[planned.name], list(_reads(graph, planned.name))
    is_compared = bool(reads) and all(op.kind in _EQUALITY for op, _ in reads)
    grid = grid_of(tensor)
    if grid is not None and is_compared:
        return _about_zero(planned, grid)
    if grid is not None and any(op.kind in POSITIVE for op, _ in reads):
        return replace(planned, low=float(grid.zero_point.max()) + 1)
    becomes = {graph.tensors[read].dtype for _, read in reads} - {tensor.dtype}
    shifts_by = any(op.kind in _SHIFTS and op.inputs[1] == read for op, read in reads)
    whole = ("int8", "int16", "int32", "float32") if is_compared else ("int8", "int16", "int32")
    if planned.kind is not Kind.STANDARD or tensor.dtype not in whole or shifts_by or "uint8" in becomes:
        return planned
    if "bool" in becomes:
        return replace(planned, kind=Kind.INTEGERS, low=0, high=(1,), reason="becomes a truth")
    largest = _LARGEST_EQUAL if is_compared else _LARGEST
    return replace(planned, kind=Kind.INTEGERS, low=-largest, high=(largest,), reason="whole numbers")


def _reads(graph: Graph, name: str) -> Iterator[tuple[Op, str]]:
    """The ops that read an input, also behind a CAST, and under which name they do."""
    for op in graph.uses.get(name, ()):
        cast = graph.uses.get(op.outputs[0], ()) if op.kind == "CAST" else ()
        yield from ((reader, op.outputs[0]) for reader in cast)
        if not cast:
            yield op, name


def _about_zero(planned: PlannedInput, grid: Grid) -> PlannedInput:
    """The integers about the one that stands for 0, which is all that two grids have in common."""
    zero = float(grid.zero_point.max())
    return replace(planned, low=max(zero - 1, grid.lowest), high=(min(zero + 1, grid.highest),))
