"""Whole numbers that hang on a comparison: where two values are nearer than their noise, either answer is right.

Key insight: the position of a maximum is exact, and the values that it is chosen by are not. So an answer is legal if
some operand that is itself within its noise floor would have given it, and no more is granted: a position whose value
is clearly smaller stays wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cases.evaluation.evaluate import FLOAT64, evaluate, unsupported
from cases.graph import Graph, Op
from repro.verdicts.deviations import Yardstick, as_rows
from repro.verdicts.emulation import emulated_floors
from repro.verdicts.noise_floor import Floor
from repro.verdicts.steps import legal_steps
from repro.verdicts.thresholds import Thresholds
from runner.run import Feed, Precision

_SAME_ELEMENTS = frozenset({"RESHAPE", "SQUEEZE", "EXPAND_DIMS"})
_COMPARISONS = frozenset({"GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL", "EQUAL", "NOT_EQUAL"})


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
        """Which elements of an output after feed k may be what they are; None where it hangs on no comparison."""
        op = self._chooser(output)
        is_legal = _CHOOSERS.get(op.kind) if op is not None else None
        if op is None or is_legal is None or unsupported(self.graph):
            return None
        if op.kind == "CAST" and self.graph.tensors[op.inputs[0]].dtype != "float32":
            return None
        shape = self.graph.tensors[op.outputs[-1]].shape
        axis = -1
        if op.kind.startswith("ARG_"):
            place = self.graph.tensors[op.inputs[1]].data
            if place is None:
                return None
            axis = int(place.flat[0])
        names = op.inputs[:2] if op.kind in _COMPARISONS else op.inputs[:1]
        question = _Question(op, self._operands(names, k), axis, right.reshape(shape), actual.reshape(shape))
        return np.asarray(is_legal(question)).reshape(right.shape)

    def _chooser(self, name: str) -> Op | None:
        """The op that computes the elements of a tensor, behind those that only lay them out anew."""
        op = self.graph.producers.get(name)
        while op is not None and op.kind in _SAME_ELEMENTS:
            name = op.inputs[0]
            op = self.graph.producers.get(name)
        if op is not None and op.kind == "TOPK_V2" and name != op.outputs[1]:
            return None
        return op

    def _operands(self, names: Sequence[str], k: int) -> list[Operand]:
        asked = replace(self.graph, outputs=tuple(dict.fromkeys(names)))
        values = [evaluate(asked, feed, FLOAT64) for feed in self.feeds]
        references = tuple(tuple(of_feed[name] for name in asked.outputs) for of_feed in values)
        floors = emulated_floors(asked, self.feeds, references, self.precision)
        of = {
            name: Operand(
                np.asarray(values[k][name], np.float64), self._noise(np.asarray(values[k][name]), floor.of_feed(k))
            )
            for name, floor in zip(asked.outputs, floors, strict=True)
        }
        return [of[name] for name in names]

    def _noise(self, values: np.ndarray, floor: Floor) -> np.ndarray:
        """By how much each element of an operand may be off, were it an output."""
        if values.dtype.kind != "f":  # integers on a grid, or such as are exact
            return np.full(values.shape, float(legal_steps(floor, self.table)))
        rows = np.ascontiguousarray(as_rows(values.astype(np.float64)))
        if floor.source != "emulation":
            rounding = self.table.rule_ulp(self.precision) * np.sqrt(max(1, floor.depth))
            size = np.abs(rows) + np.sqrt(np.mean(np.square(rows)))
            return np.asarray(self.table["rule_element"] * rounding * size).reshape(values.shape)
        yardstick = Yardstick(floor, self.precision, self.table)
        return np.asarray(yardstick.of(rows) * yardstick.limits(rows.shape)["element"]).reshape(values.shape)


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
}
