"""What the tests of the delegate ask of a graph: its nodes before and after the passes, and what went wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from cases.graph import Graph, Op, Tensor
from repro.delegate.graph import DelegateGraph
from repro.delegate.parser import lower
from repro.delegate.replay import replay
from repro.delegate.sighting import Effect


def by_hand(
    inputs: Sequence[str],
    ops: Sequence[Op],
    outputs: Sequence[str],
    shapes: Mapping[str, tuple[int, ...]],
    constants: Mapping[str, np.ndarray] | None = None,
) -> Graph:
    """A graph with ops whose shapes the builder does not model. shapes: of all tensors but the constants."""
    held = {name: Tensor(name, data.shape, str(data.dtype), data) for name, data in (constants or {}).items()}
    tensors = {name: Tensor(name, shape) for name, shape in shapes.items()}
    return Graph({**tensors, **held}, tuple(ops), tuple(inputs), tuple(outputs)).validate()


def kinds(graph: Graph) -> list[str]:
    """Kinds of the nodes that the parsers make."""
    return [node.kind for node in lower(graph).nodes]


def kept(graph: Graph) -> list[str]:
    """Kinds of the nodes that all passes leave."""
    return [node.kind for node in replay(graph).graph.live()]


def events(graph: Graph) -> list[tuple[str, str, str]]:
    """(rule, tensor, effect) of everything the replay reports, in order."""
    return [(event.rule, event.tensor, str(event.effect)) for event in replay(graph).events]


def wrong(graph: Graph) -> list[tuple[str, str]]:
    """(rule, tensor) of what goes wrong on every adapter, each once."""
    seen = [(event.rule, event.tensor) for event in replay(graph).events if event.effect is not Effect.RISK]
    return list(dict.fromkeys(seen))


def bookkeeping_errors(graph: DelegateGraph) -> list[str]:
    """Edges that only one of their two ends knows, and live nodes that read what a removed one made."""
    errors = []
    for node in graph.live():
        for value in node.inputs:
            if node not in value.consumers:
                errors.append(f"{node.kind} reads a value that does not know it")
            if value.producer is not None and value.producer.removed:
                errors.append(f"{node.kind} reads what a removed {value.producer.kind} made")
        errors += [f"another node makes what {node.kind} does" for value in node.outputs if value.producer is not node]
    return errors
