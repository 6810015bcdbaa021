"""Which graph outputs lie behind a tensor."""

from __future__ import annotations

from cases.graph import Graph


def outputs_reached(graph: Graph, *sources: str) -> tuple[int, ...]:
    """Indices of the graph outputs that are one of the tensors or computed from one. A single walk."""
    stack = list(sources)
    seen = set(stack)
    while stack:
        for op in graph.uses.get(stack.pop(), ()):
            fresh = [name for name in op.outputs if name not in seen]
            seen.update(fresh)
            stack.extend(fresh)
    return tuple(index for index, name in enumerate(graph.outputs) if name in seen)
