"""Other models that an app may have compiled under the key of this one.

Key insight: the delegate tells cached graphs apart by the sizes of tensors and the numbers of nodes, not by what the
nodes and the constants are (GetFingerprint in tflite/delegates/serialization.cc). So the models that matter are those
of a next release: the same graph with new weights, and the same shapes with another op.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cases.builder import GraphBuilder
from cases.graph import Graph

_SWAPS = (
    ("ADD", "MUL"),
    ("SUB", "ADD"),
    ("DIV", "MUL"),
    ("MAXIMUM", "MINIMUM"),
    ("MINIMUM", "MAXIMUM"),
    ("SUM", "MEAN"),
    ("MEAN", "SUM"),
    ("REDUCE_MAX", "REDUCE_MIN"),
    ("REDUCE_MIN", "REDUCE_MAX"),
    ("MUL", "ADD"),
    ("TANH", "LOGISTIC"),
    ("LOGISTIC", "TANH"),
    ("RELU", "TANH"),
    ("NEG", "ABS"),
    ("ABS", "NEG"),
    ("MAX_POOL_2D", "AVERAGE_POOL_2D"),
    ("AVERAGE_POOL_2D", "MAX_POOL_2D"),
)
"""An op and one that takes its place: the same operands, options and shapes."""


def with_other_weights(graph: Graph) -> Graph | None:
    """The same graph with each float constant halved and negated; None where there is no such constant."""
    changed = {
        name: replace(tensor, data=np.asarray(tensor.data * -0.5, dtype=tensor.data.dtype))
        for name, tensor in graph.tensors.items()
        if tensor.data is not None and tensor.data.dtype.kind == "f"
    }
    return replace(graph, tensors={**graph.tensors, **changed}) if changed else None


def with_another_op(graph: Graph) -> Graph | None:
    """The same graph with the first op that has a twin in place of it; None where none has one."""
    twins = dict(_SWAPS)
    for place, op in enumerate(graph.ops):
        if op.kind in twins:
            swapped = replace(op, kind=twins[op.kind])
            return replace(graph, ops=(*graph.ops[:place], swapped, *graph.ops[place + 1 :]))
    return None


def another_model(graph: Graph) -> Graph:
    """A graph that has nothing in common with this one, nor with any case."""
    builder = GraphBuilder()
    x = builder.input("x", (1, 3, 5, 7))
    (y,) = builder.op("TANH", [x])
    return builder.build([y])
