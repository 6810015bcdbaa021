"""Sums and squares that pass fp16's range, computed on scaled-down operands.

Key insight: what overflows is often divided again at once: a square goes into a mean and an inverse root, a sum into a
layer of small weights. Scaled by a power of two in front and unscaled where the numbers are small again, the same
values are computed bit for bit in float32, and none in between is large. So from the tensor that overflows on, each op
is followed that multiplies its result by a power of the factor, until a result that fp16 holds.

`models.dfine.layer_norm` does the same by hand.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from cases.edit import GraphEdit, renamed, with_operand
from cases.evaluation.ranges import TensorRange
from cases.graph import Graph, Op
from repro.delegate.graph import constant_data
from runner.run import FP16_MAX, FP16_SMALLEST

ROOM = 2.0
"""How many times what is scaled down could still grow."""
_MOST_OPS = 12  # from the tensor that overflows to one that fp16 holds
_STARTS = {"SQUARED_DIFFERENCE": ((0, 1), 2), "SQUARE": ((0,), 2), "SUM": ((0,), 1)}
"""Op -> which operands are scaled down, and the power of the factor in its result."""
_SAME_POWER = frozenset({"MEAN", "SUM", "RESHAPE", "TRANSPOSE", "EXPAND_DIMS", "SQUEEZE"})
_ROOTS = {"SQRT": Fraction(1, 2), "RSQRT": Fraction(-1, 2)}
_WEIGHTED = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"})


@dataclass(frozen=True)
class _Link:
    """One op on the way.

    power: of the factor, in what it computes. constant: the place of an operand that is scaled, like the result where
    it is added, by the inverse where it multiplies what closes. closes: its result is the right one.
    """

    op: Op
    power: Fraction
    constant: int | None = None
    closes: bool = False


@dataclass(frozen=True)
class ScaledDown:
    """What was done. graph: the edited graph. handled: tensors that hold scaled numbers now. words: for people."""

    graph: Graph
    handled: frozenset[str]
    words: str


def scale_down(graph: Graph, name: str, ranges: Mapping[str, TensorRange]) -> ScaledDown | None:
    """Compute a tensor that overflows in fp16 scaled down, and what follows it, until fp16 holds it.

    ranges: of the graph's tensors, by name, as they are without any scaling. None where no such form is known: the
    tensor is an output, or goes into an op that does not scale.
    """
    producer = graph.producers.get(name)
    start = _start_of(graph, producer) if producer is not None else None
    if producer is None or start is None or graph.tensors[name].dtype != "float32":
        return None
    places, power = start
    links = _way_down(graph, _Link(producer, Fraction(power)), ranges)
    exponent = _exponent(links, ranges) if links else None
    if not links or exponent is None:
        return None
    edit = GraphEdit(graph)
    _scale(edit, links, places, exponent)
    handled = frozenset(link.op.outputs[0] for link in links if not link.closes)
    words = (
        f"'{name}' is computed scaled down by 2^{int(exponent * power)}, and '{links[-1].op.outputs[0]}' is right again"
    )
    return ScaledDown(edit.finished(), handled, words + _epsilon_words(graph, links, exponent))


def _start_of(graph: Graph, op: Op) -> tuple[tuple[int, ...], int] | None:
    if op.attrs.get("fused_activation_function", "NONE") != "NONE":
        return None
    if op.kind == "MUL" and len(op.inputs) == 2:
        if op.inputs[0] == op.inputs[1]:
            return (0, 1), 2
        runtime = [k for k in (0, 1) if constant_data(graph, op.inputs[k]) is None]
        return (tuple(runtime), len(runtime)) if runtime else None
    return _STARTS.get(op.kind)


def _way_down(graph: Graph, first: _Link, ranges: Mapping[str, TensorRange]) -> list[_Link] | None:
    """The ops from the first to one whose result fp16 holds; None where there is none."""
    links = [first]
    while len(links) < _MOST_OPS:
        current = links[-1].op.outputs[0]
        readers = graph.uses.get(current, ())
        if current in graph.outputs or len(readers) != 1:
            return None
        link = _next(graph, readers[0], current, links[-1].power, ranges)
        if link is None:
            return None
        links.append(link)
        if link.closes:
            return links
    return None


def _next(graph: Graph, op: Op, current: str, power: Fraction, ranges: Mapping[str, TensorRange]) -> _Link | None:
    """What an op makes of a tensor that holds numbers scaled by a power of the factor; None for any other op."""
    place = op.inputs.index(current)
    is_plain = op.attrs.get("fused_activation_function", "NONE") == "NONE"
    found = ranges.get(op.outputs[0])
    fits = found is not None and found.stored.largest <= FP16_MAX / ROOM
    constant = next((k for k, one in enumerate(op.inputs[:2]) if k != place and _is_float_constant(graph, one)), None)
    if op.kind in _WEIGHTED and place == 0 and constant == 1:
        return _Link(op, power, 1, closes=True) if fits else None
    if op.kind == "MUL" and constant is not None and fits:
        return _Link(op, power, constant, closes=True)
    if not is_plain:
        return None
    if op.kind == "MUL" and constant is not None:
        return _Link(op, power)
    if op.kind == "ADD" and constant is not None:
        return _Link(op, power, constant)
    if op.kind in _SAME_POWER and place == 0:
        return _Link(op, power, closes=fits)
    root = _ROOTS.get(op.kind)
    return None if root is None else _Link(op, power * root, closes=fits)


def _is_float_constant(graph: Graph, name: str) -> bool:
    data = constant_data(graph, name) if name else None
    return data is not None and data.dtype == np.float32


def _exponent(links: Sequence[_Link], ranges: Mapping[str, TensorRange]) -> int | None:
    """The smallest e so that numbers scaled by 2^-e fit everywhere; None where none does."""
    wanted, steps = 1, math.lcm(*(link.power.denominator for link in links))
    for link in links[:-1]:
        largest = ranges[link.op.outputs[0]].stored.largest
        if not math.isfinite(largest) or link.power <= 0:
            return None
        if largest * ROOM > FP16_MAX:
            wanted = max(wanted, math.ceil(Fraction(math.log2(largest * ROOM / FP16_MAX)) / link.power))
    exponent = -(-wanted // steps) * steps
    last = links[-1]
    if (
        last.constant is None
        and ranges[last.op.outputs[0]].stored.largest * 2.0 ** float(-exponent * last.power) > FP16_MAX
    ):
        return None
    return exponent


def _scale(edit: GraphEdit, links: Sequence[_Link], places: Iterable[int], exponent: int) -> None:
    """Put the factors in."""
    first = links[0].op
    scaled: dict[str, str] = {}
    changed = first
    for place in places:
        name = first.inputs[place]
        if name not in scaled:
            scaled[name] = edit.tensor_like(name)
            factor = edit.constant(f"{name}/down", np.array(2.0**-exponent, np.float32))
            edit.insert_before(first, Op("MUL", (name, factor), (scaled[name],), {"fused_activation_function": "NONE"}))
        changed = with_operand(changed, place, scaled[name])
    edit.swap(first, changed)
    before = links[0].power
    for link in links[1:]:
        op = link.op
        if link.constant is not None:
            data = constant_data(edit.graph, op.inputs[link.constant])
            assert data is not None, "_next takes constants only"
            power = -before if link.closes else link.power
            factored = np.asarray(data * np.float32(2.0 ** float(-exponent * power)), np.float32)
            edit.swap(op, with_operand(op, link.constant, edit.constant(op.inputs[link.constant], factored)))
        elif link.closes:
            inner = edit.tensor_like(op.outputs[0])
            made = edit.swap(op, renamed(op, outputs={op.outputs[0]: inner}))
            back = edit.constant(f"{op.outputs[0]}/up", np.array(2.0 ** float(exponent * link.power), np.float32))
            edit.insert_after(made, Op("MUL", (inner, back), op.outputs, {"fused_activation_function": "NONE"}))
        before = link.power


def _epsilon_words(graph: Graph, links: Sequence[_Link], exponent: int) -> str:
    """Says where a constant that is added becomes smaller than fp16's smallest number."""
    for link in links:
        if link.op.kind == "ADD" and link.constant is not None:
            data = constant_data(graph, link.op.inputs[link.constant])
            smallest = (
                float(np.abs(data).max(initial=0.0)) * 2.0 ** float(-exponent * link.power) if data is not None else 0
            )
            if 0 < smallest < FP16_SMALLEST:
                return (
                    f"; what is added there, {smallest:.2g}, is zero in fp16, which matters where all else is zero too"
                )
    return ""
