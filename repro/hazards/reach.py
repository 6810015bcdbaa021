"""Which graph outputs lie behind a tensor."""

from __future__ import annotations

from collections.abc import Collection

from cases.graph import Graph, Op
from repro.delegate.malformed import is_malformed

_OF_ANY_ORDER = frozenset({"SUM", "MEAN", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD"})


def outputs_reached(graph: Graph, *sources: str, right: Collection[str] = ()) -> tuple[int, ...]:
    """Indices of the graph outputs that are one of the tensors or computed from one. A single walk.

    right: tensors that are right all the same; nothing is reached through them.
    """
    stack = list(sources)
    seen = set(stack)
    while stack:
        for op in graph.uses.get(stack.pop(), ()):
            fresh = [name for name in op.outputs if name not in seen and name not in right]
            seen.update(fresh)
            stack.extend(fresh)
    return tuple(index for index, name in enumerate(graph.outputs) if name in seen)


def right_in_any_order(graph: Graph, together: Op) -> frozenset[str]:
    """What is right although the parts that an op puts together have changed places: reductions over all of them.

    So it is of a CONCATENATION of all parts of one SPLIT along its axis: the values are there, each once.
    """
    makers = [graph.producers.get(name) for name in together.inputs]
    split = makers[0]
    if together.kind != "CONCATENATION" or split is None or split.kind != "SPLIT":
        return frozenset()
    rank = len(graph.tensors[together.outputs[0]].shape)
    if not rank or is_malformed(graph, split):
        return frozenset()
    axis = int(together.attrs.get("axis", 0)) % rank
    if sorted(together.inputs) != sorted(split.outputs) or _axes(graph, split.inputs[0], rank) != {axis}:
        return frozenset()
    readers = graph.uses.get(together.outputs[0], ())
    takes = [op for op in readers if op.kind in _OF_ANY_ORDER and not is_malformed(graph, op)]
    over_all = [op for op in takes if axis in _axes(graph, op.inputs[1], rank)]
    return frozenset(op.outputs[0] for op in over_all)


def _axes(graph: Graph, name: str, rank: int) -> set[int]:
    """The axes that a constant names; none where it is computed."""
    data = graph.tensors[name].data
    return set() if data is None else {int(axis) % rank for axis in data.flat}
