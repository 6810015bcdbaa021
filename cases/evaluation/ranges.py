"""How large and how small the numbers of a graph become, in its tensors and inside the sums that make them.

Key insight: a sum of products that cancels is small when it is done, and large on the way. How large depends on the
order, which no file says, but never more than all its positive terms, or all its negative ones. Both follow from two
sums, the one of the terms and the one of their magnitudes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cases.evaluation.arithmetic import FLOAT64
from cases.evaluation.bodies import with_bodies_in_place
from cases.evaluation.evaluate import evaluate
from cases.evaluation.handlers import handler_of, unsupported
from cases.evaluation.step import Step, Value, Variables, is_read_in_parts
from cases.graph import Graph, Op

# Operands that enter a sum of products, and the bias that may come behind them.
_PRODUCTS: Mapping[str, tuple[int, ...]] = {
    **dict.fromkeys(("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"), (0, 1, 2)),
    "BATCH_MATMUL": (0, 1),
    "TRANSPOSE_CONV": (1, 2, 3),
}
_SUMS = frozenset({"SUM", "MEAN"})


@dataclass(frozen=True)
class Extent:
    """Magnitudes over all feeds. largest: infinite where a value is no finite number. smallest: of those that are not
    zero; 0 where all are."""

    largest: float = 0.0
    smallest: float = 0.0

    def joined(self, other: Extent) -> Extent:
        """Of both."""
        small = [one for one in (self.smallest, other.smallest) if one]
        return Extent(max(self.largest, other.largest), min(small, default=0.0))


@dataclass(frozen=True)
class TensorRange:
    """One tensor that is an input or that an op writes, in execution order.

    producer: op kind, or `input`. inside: what its op may reach on the way, before it divides or cancels; None where
    there is no sum, or its terms are too many to be looked at.
    """

    name: str
    producer: str
    stored: Extent
    inside: Extent | None = None


def extent_of(values: np.ndarray) -> Extent:
    """Of an array of real numbers."""
    if not values.size:
        return Extent()
    magnitudes = np.abs(values[np.isfinite(values)])
    largest = float(magnitudes.max(initial=0.0)) if magnitudes.size == values.size else np.inf
    return Extent(largest, float(magnitudes.min(where=magnitudes > 0, initial=np.inf)) if magnitudes.any() else 0.0)


def ranges_of(graph: Graph, feeds: Sequence[Sequence[np.ndarray]], *, inside: bool = True) -> tuple[TensorRange, ...]:
    """Of every tensor of real numbers, in float64, over all feeds.

    inside: whether to look into the sums as well, which costs as much again. Raises GraphError for an op that cannot
    be evaluated, and TooMuchMemory as `evaluate` does.
    """
    graph = with_bodies_in_place(graph, unsupported)
    found: dict[str, TensorRange] = {}

    def note(name: str, producer: str, values: Value, way: Extent | None) -> None:
        if values.dtype.kind != "f" or not graph.tensors[name].dtype.startswith("float"):
            return
        stored = extent_of(values)
        before = found.get(name)
        if before is not None:
            stored = stored.joined(before.stored)
            way = way.joined(before.inside) if way is not None and before.inside is not None else way
        found[name] = TensorRange(name, producer, stored, way)

    def watch(step: Step, results: Mapping[str, Value]) -> None:
        for name, values in results.items():
            note(name, step.op.kind, values, _on_the_way(step) if inside else None)

    variables = Variables()
    for feed in {id(feed): feed for feed in feeds}.values():
        for name, array in zip(graph.inputs, feed, strict=True):
            note(name, "input", np.asarray(array), None)
        evaluate(graph, feed, FLOAT64, watch=watch, variables=variables)
    return tuple(found.values())


def _on_the_way(step: Step) -> Extent | None:
    """How large the partial sums of an op may become: all terms of one sign."""
    op = step.op
    if op.kind in _SUMS:
        return _one_sided(step, (0,))
    if op.kind == "AVERAGE_POOL_2D":
        window = int(op.attrs.get("filter_height", 1)) * int(op.attrs.get("filter_width", 1))
        means = _one_sided(step, (0,))
        return None if means is None else Extent(means.largest * window, means.smallest * window)
    if op.kind == "L2_NORMALIZATION":
        return extent_of(np.square(step[0]).sum(axis=-1))
    operands = _PRODUCTS.get(op.kind)
    if operands is None or any(_too_large(step, operand) for operand in operands):
        return None
    return _one_sided(step, operands)


def _too_large(step: Step, operand: int) -> bool:
    name = step.op.inputs[operand] if operand < len(step.op.inputs) else ""
    return bool(name) and is_read_in_parts(step.graph, name)


def _one_sided(step: Step, operands: Sequence[int]) -> Extent | None:
    """The larger of the sum of the positive terms and the sum of the negative ones.

    They are half of the sum of magnitudes, plus or minus half of the sum; a sum is linear in its operands as long as no
    activation stands behind it.
    """
    names = {step.op.inputs[k] for k in operands if k < len(step.op.inputs) and step.op.inputs[k]}
    if any(step.values[name].dtype.kind != "f" for name in names):
        return None
    kind = "SUM" if step.op.kind == "MEAN" else step.op.kind
    bare = Op(
        kind, step.op.inputs, step.op.outputs, {**step.op.attrs, "fused_activation_function": "NONE"}, step.op.raw
    )
    handler: Callable[[Step], Sequence[Value]] | None = handler_of(bare)
    if handler is None:
        return None
    magnitudes = {**step.values, **{name: np.abs(step.values[name]) for name in names}}
    with np.errstate(all="ignore"):
        (total,) = handler(Step(bare, step.graph, step.values, step.arithmetic))
        (size,) = handler(Step(bare, step.graph, magnitudes, step.arithmetic))
    return extent_of((size + np.abs(total)) / 2)
