"""Divisions that become part of a convolution's kernel, by what may be infinite or zero.

Key insight: over OpenCL a kernel has compiler options of its own, and phones' convolutions are built with
-cl-fast-relaxed-math, which gives up infinities. Elementwise ops behind a convolution are part of its kernel, and a
sigmoid is 1 / (1 + exp(-x)) to the delegate, which comes to 0 by way of an infinity. The same op in a kernel of its
own is built without the option. So what matters is which kernel a division lands in, and how far its divisor reaches.

Source: google-ai-edge/ml-drift, `common/kernels/elementwise.cc` (the sigmoid), `common/merge_nodes.cc` (what is
linked), `common/kernels/fully_connected.cc` and its like (the option). Held against the programs that LiteRT-LM has
PoCL build under the name Mali-G610 (`tests/repro/delegate/test_kernel_divisions.py`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from repro.delegate.graph import DelegateGraph, Node, Value, only_reader
from repro.delegate.kernel_links import is_linkable, kernel_inputs

FAST_MATH = frozenset({"CONV", "FULLY_CONNECTED", "BATCH_MATMUL", "TRANSPOSE_CONV"})
"""Nodes whose kernels are built with the option on a Mali (TRANSPOSE_CONV by the source only)."""
EXP_OVERFLOWS = {"fp32": math.log(3.4028235e38), "fp16": math.log(65504.0)}
"""From where on exp is infinite: 88.7 and 11.1."""
AT_LEAST = {
    **dict.fromkeys(("RELU", "RELU6", "SIGMOID", "ABS", "SQUARE", "SQRT", "EXP"), 0.0),
    **dict.fromkeys(("TANH", "RELU_N1_TO_1", "ELU"), -1.0),
    "GELU": -0.17,
    "HARD_SWISH": -0.375,
}
"""The least that a node makes of anything."""
OVERFLOWING = frozenset({"EXP", "SQUARE", "POW"})
BOUNDING = frozenset({"TANH", "SIGMOID", "RELU6", "RELU_N1_TO_1", "MINIMUM"})


@dataclass(frozen=True)
class Reach:
    """How far a value goes, as far as the kernel it is made in tells: it is at least `least`, and may overflow."""

    least: float = -math.inf
    overflows: bool = False

    def through(self, node: Node) -> Reach:
        """What an elementwise node makes of it."""
        constant = None if node.operand is None else np.asarray(node.operand.values, np.float64)
        low = -math.inf if constant is None or constant.size == 0 else float(constant.min())
        overflows = (self.overflows or node.kind in OVERFLOWING) and node.kind not in BOUNDING
        if node.kind == "MAXIMUM":
            return Reach(max(self.least, low), overflows)
        if node.kind == "MINIMUM":
            return Reach(min(self.least, low), overflows)
        if node.kind == "ADD":
            return Reach(self.least + low, overflows)
        return Reach(AT_LEAST.get(node.kind, -math.inf), overflows)


@dataclass(frozen=True)
class KernelDivision:
    """A division in the kernel of a convolution. divided_by: how far what it divides by, or the sigmoid's x, goes."""

    convolution: Node
    division: Node
    divided_by: Reach

    @property
    def is_sigmoid(self) -> bool:
        return self.division.kind == "SIGMOID"

    @property
    def precisions(self) -> tuple[str, ...]:
        """Those in which the divisor may be infinite or zero."""
        if not self.is_sigmoid:
            may_be = self.divided_by.overflows or self.divided_by.least <= 0
            return tuple(EXP_OVERFLOWS) if may_be else ()
        return tuple(name for name, limit in EXP_OVERFLOWS.items() if not self.divided_by.least >= -limit)


def kernel_divisions(graph: DelegateGraph) -> Iterator[KernelDivision]:
    """Every one, also those whose divisor cannot go too far (no `precisions`). Linear: a node is in one kernel."""
    order = {node: index for index, node in enumerate(graph.nodes) if not node.removed}
    for node in graph.live():
        if node.kind in FAST_MATH and not node.fused_by and len(node.outputs) == 1:
            for linked, value, reach in _linked(node, order):
                divisor = _divisor(linked, value, reach)
                if divisor is not None:
                    yield KernelDivision(node, linked, divisor)


def _linked(convolution: Node, order: dict[Node, int]) -> Iterator[tuple[Node, Value, Reach]]:
    """The elementwise nodes that become part of the kernel, in their order, each with the value it is linked by.

    One after another, while each result has one reader; and first, where the convolution's own has two, such as a SiLU
    or a clamped gate, those of which one leads to the other.
    """
    value, reach = convolution.outputs[0], Reach()
    between, join = _two_ways(value)
    for node in between:
        yield node, value, reach
        value, reach = node.outputs[0], reach.through(node)
    if join is not None:
        yield join, value, reach
        value, reach = join.outputs[0], Reach()
    while not value.is_output:
        next_node = only_reader(value)
        if next_node is None or not is_linkable(next_node) or next_node.fused_by:
            return
        first, *others = kernel_inputs(next_node, order)
        made_by = (other.producer for other in others)
        if first is not value or any(node is not None and order[node] > order[convolution] for node in made_by):
            return
        yield next_node, value, reach
        value, reach = next_node.outputs[0], reach.through(next_node)


def _two_ways(value: Value) -> tuple[list[Node], Node | None]:
    """Of a value with two readers: the nodes that lead from it to the other reader, and that one; else nothing."""
    readers = list(value.consumers)
    if len(readers) == 2 and not value.is_output:
        for first, join in (readers, readers[::-1]):
            way = _way(first, join)
            if way:
                return way, join
    return [], None


def _way(first: Node, join: Node) -> list[Node]:
    """The nodes of one input and one reader from `first` up to `join`; empty where there are others between."""
    way: list[Node] = []
    node: Node | None = first
    while node is not None and node is not join:
        if not is_linkable(node) or len(node.inputs) != 1 or node.outputs[0].is_output:
            return []
        way.append(node)
        node = only_reader(node.outputs[0])
    return way if node is join and is_linkable(join) and not join.fused_by else []


def _divisor(node: Node, value: Value, reach: Reach) -> Reach | None:
    """How far what the node divides by goes (of a SIGMOID its x); None where it divides by nothing but a constant."""
    if node.kind == "SIGMOID":
        return reach
    if node.kind != "DIV" or (node.operand is not None and not node.operand.comes_first):
        return None
    if node.inputs[-1] is not value:
        return Reach()  # another tensor, of which nothing is known here
    return reach
