"""Numbers that hang on a comparison or a rounding: where what decides is nearer than its noise, either is right.

Key insight: the position of a maximum is exact, and the values that it is chosen by are not; an integer of a grid is
exact, and the number that was rounded to it is not. So an answer is legal if some operand that is itself within its
noise floor would have given it, and no more is granted: a position whose value is clearly smaller stays wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cases.evaluation.arithmetic import WAVERS_BY
from cases.evaluation.evaluate import evaluate_runs, unsupported
from cases.evaluation.quantised import Grid, grid_of
from cases.graph import Graph, Op
from repro.verdicts.deviations import Yardstick, as_rows
from repro.verdicts.emulation import emulated_floors
from repro.verdicts.noise_floor import Floor
from repro.verdicts.numeric_rule import legal_errors
from repro.verdicts.steps import legal_steps
from repro.verdicts.thresholds import Thresholds
from runner.run import Feed, Precision

_SAME_ELEMENTS = frozenset({"RESHAPE", "SQUEEZE", "EXPAND_DIMS"})
_COMPARISONS = frozenset({"GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL", "EQUAL", "NOT_EQUAL"})
_QUOTIENTS = frozenset({"FLOOR_DIV", "FLOOR_MOD"})
_DIVISION_ULPS = 4.0  # Vulkan allows 2.5 for a division, and the operands are rounded besides


@dataclass(frozen=True, eq=False)
class Operand:
    """The values that a whole number hangs on, and by how much each may legally be off."""

    values: np.ndarray
    noise: np.ndarray

    def taken(self, places: np.ndarray, axis: int) -> Operand:
        """The values at some places of an axis, one place for each of the others."""
        return Operand(np.take_along_axis(self.values, places, axis), np.take_along_axis(self.noise, places, axis))

    def is_near(self, other: Operand) -> np.ndarray:
        """Where two values may legally be in either order."""
        return np.asarray(np.abs(self.values - other.values) <= self.noise + other.noise)


@dataclass(frozen=True, eq=False)
class _Question:
    op: Op
    operands: Sequence[Operand]
    axis: int
    right: np.ndarray
    actual: np.ndarray


@dataclass(frozen=True, eq=False)
class NearTies:
    """What judging near ties of one run needs: the graph and all that was fed, for floors of the operands."""

    graph: Graph
    feeds: Sequence[Feed]
    precision: Precision
    table: Thresholds

    def are_legal(self, output: str, k: int, right: np.ndarray, actual: np.ndarray) -> np.ndarray | None:
        """Which elements of an output after feed k may be what they are; None where nothing decides between two."""
        op, chosen = self._chooser(output)
        if op is None or unsupported(self.graph):
            return None
        is_legal, grid = _CHOOSERS.get(op.kind), grid_of(self.graph.tensors[chosen])
        if is_legal is None or (grid is not None and op.kind in _QUOTIENTS):
            return self._roundings(chosen, grid, k, right, actual) if grid is not None else None
        if op.kind == "CAST" and self.graph.tensors[op.inputs[0]].dtype != "float32":
            return None
        shape = self.graph.tensors[op.outputs[-1]].shape
        axis = -1
        if op.kind.startswith("ARG_"):
            place = self.graph.tensors[op.inputs[1]].data
            if place is None:
                return None
            axis = int(place.flat[0])
        names = op.inputs[:2] if op.kind in _COMPARISONS | _QUOTIENTS else op.inputs[:1]
        question = _Question(
            op, self._operands(self.graph, names, k), axis, right.reshape(shape), actual.reshape(shape)
        )
        return np.asarray(is_legal(question)).reshape(right.shape)

    def _chooser(self, name: str) -> tuple[Op | None, str]:
        """The op that computes the elements of a tensor, behind those that only lay them out anew, and its output."""
        op = self.graph.producers.get(name)
        while op is not None and op.kind in _SAME_ELEMENTS:
            name = op.inputs[0]
            op = self.graph.producers.get(name)
        if op is not None and op.kind == "TOPK_V2" and name != op.outputs[1]:
            return None, name
        return op, name

    def _roundings(self, name: str, grid: Grid, k: int, right: np.ndarray, actual: np.ndarray) -> np.ndarray:
        """Which integers of a quantised tensor are one step off where the number to be rounded is about halfway."""
        real = replace(self.graph.tensors[name], dtype="float32", raw=None)
        (operand,) = self._operands(replace(self.graph, tensors={**self.graph.tensors, name: real}), (name,), k)
        reach = operand.noise + WAVERS_BY * grid.step_of(operand.values.shape)
        low, high = (grid.integers(operand.values + sign * reach).reshape(actual.shape) for sign in (-1, 1))
        is_next = np.abs(actual.astype(np.int64) - right.astype(np.int64)) <= 1
        return np.asarray(is_next & (low <= actual) & (actual <= high))

    def _operands(self, graph: Graph, names: Sequence[str], k: int) -> list[Operand]:
        asked = replace(graph, outputs=tuple(dict.fromkeys(names)))
        values = evaluate_runs(asked, self.feeds)
        references = tuple(tuple(of_feed[name] for name in asked.outputs) for of_feed in values)
        floors = emulated_floors(asked, self.feeds, references, self.precision)
        of = {
            name: self._operand(np.asarray(values[k][name]), floor.of_feed(k), grid_of(asked.tensors[name]))
            for name, floor in zip(asked.outputs, floors, strict=True)
        }
        return [of[name] for name in names]

    def _operand(self, values: np.ndarray, floor: Floor, grid: Grid | None) -> Operand:
        noise = self._noise(values, floor)
        if grid is None:
            return Operand(np.asarray(values, np.float64), noise)
        # A delegate compares the real numbers, scaled and shifted in its own arithmetic.
        step = grid.step_of(values.shape)
        shifted = self.table.ulp(self.precision) * step * (np.abs(values.astype(np.float64)) + np.abs(grid.zero_point))
        return Operand(grid.real(values), noise * step + shifted)

    def _noise(self, values: np.ndarray, floor: Floor) -> np.ndarray:
        """By how much each element of an operand may be off, were it an output."""
        if values.dtype.kind != "f":  # integers on a grid, or such as are exact
            return np.full(values.shape, float(legal_steps(floor, self.table)))
        yardstick = Yardstick(floor, self.precision, self.table)
        return legal_errors(as_rows(values.astype(np.float64)), yardstick).reshape(values.shape)


def _of_position(asked: _Question) -> np.ndarray:
    """ARG_MAX and ARG_MIN."""
    (operand,) = asked.operands
    extent = operand.values.shape[asked.axis]
    inside = (asked.actual >= 0) & (asked.actual < extent)
    wanted, found = (
        operand.taken(np.expand_dims(np.clip(places, 0, extent - 1).astype(np.int64), asked.axis), asked.axis)
        for places in (asked.right, asked.actual)
    )
    return inside & wanted.is_near(found).squeeze(asked.axis)


def _of_ranking(asked: _Question) -> np.ndarray:
    """The positions of TOPK_V2: each of a value as large as the one that belongs there, and none twice."""
    (operand,) = asked.operands
    extent = operand.values.shape[-1]
    inside = (asked.actual >= 0) & (asked.actual < extent)
    wanted, found = (
        operand.taken(np.clip(places, 0, extent - 1).astype(np.int64), -1) for places in (asked.right, asked.actual)
    )
    ordered = np.sort(asked.actual, axis=-1)
    are_distinct = (np.diff(ordered, axis=-1) != 0).all(axis=-1, keepdims=True)
    return inside & wanted.is_near(found) & are_distinct


def _of_order(asked: _Question) -> np.ndarray:
    """Comparisons of two tensors."""
    left, right = asked.operands
    return left.is_near(right)


def _of_quotient(asked: _Question) -> np.ndarray:
    """FLOOR_DIV and FLOOR_MOD, where the quotient is about a whole number: the one below it, and the rest with it."""
    left, right = asked.operands
    with np.errstate(all="ignore"):
        quotient = left.values / right.values
        ulps = _DIVISION_ULPS * np.finfo(np.float32).eps * np.abs(quotient)
        noise = (left.noise + np.abs(quotient) * right.noise) / np.abs(right.values) + ulps
        low, high = np.floor(quotient - noise), np.floor(quotient + noise)
        if asked.op.kind == "FLOOR_MOD":
            rests = [left.values - whole * right.values for whole in (low, high)]
            reach = noise * np.abs(right.values)
            return np.asarray((low != high) & np.any([np.abs(asked.actual - rest) <= reach for rest in rests], axis=0))
        return np.asarray((low <= asked.actual) & (asked.actual <= high))


def _of_cut(asked: _Question) -> np.ndarray:
    """CAST of floats, which cuts off what is behind the point."""
    (operand,) = asked.operands
    low, high = (np.trunc(operand.values + sign * operand.noise) for sign in (-1, 1))
    return np.asarray((low <= asked.actual) & (asked.actual <= high))


_CHOOSERS: Mapping[str, Callable[[_Question], np.ndarray]] = {
    "ARG_MAX": _of_position,
    "ARG_MIN": _of_position,
    "TOPK_V2": _of_ranking,
    "CAST": _of_cut,
    **dict.fromkeys(_COMPARISONS, _of_order),
    **dict.fromkeys(_QUOTIENTS, _of_quotient),
}
