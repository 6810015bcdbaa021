"""Small graphs cut out of real models: a few neighbouring ops with the roles that they have there.

Key insight: a miscompile depends on who reads whom, not on how large it is. So sizes shrink until a run costs
nothing, in proportion where one is a multiple of another, and what no longer fits is dropped.
"""

from __future__ import annotations

import random
from dataclasses import replace

from cases.edit import subgraph, with_inferred_shapes
from cases.graph import Graph, GraphError
from repro.reducer.passes import SIZE_PARAMETERS, ball, nearest_upstream, resized
from repro.reducer.problem import Specimen


def cutting(rng: random.Random, model: Graph, largest: int = 8) -> Graph | None:
    """A few neighbouring ops of a real model, with their roles, at small sizes. None where nothing fits."""
    start = rng.randrange(len(model.ops))
    count = rng.randint(2, largest)
    upstream = nearest_upstream(model, start)[:count]
    around = sorted(ball(model, start, rng.choice((1, 2))))[: largest + 2]
    chosen = sorted(set(upstream) if rng.random() < 0.6 else set(around) | {start})
    cut = subgraph(model, chosen)
    # Inputs in the order in which the ops read them: a graph that was cut out has no other order of its own.
    read = dict.fromkeys(name for op in cut.ops for name in op.inputs)
    return small(replace(cut, inputs=tuple(name for name in read if name in cut.inputs)))


def small(graph: Graph, channels: int = 8, extent: int = 4) -> Graph | None:
    """The graph with large dimensions made small, consistently; None where the ops do not allow it."""
    parameters = {op.inputs[p] for op in graph.ops for p in SIZE_PARAMETERS.get(op.kind, ()) if p < len(op.inputs)}
    sizes = {s for name, t in graph.tensors.items() if name not in parameters for s in t.shape if s > channels}
    common = [s for s in sorted(sizes) if s % 32 == 0]
    sizing = {s: max(1, s * channels // common[-1]) for s in common} if common else {}
    for size in sorted(sizes - set(sizing)):
        sizing[size] = extent if size > 24 else max(2, size // 4)
    empty = Specimen(graph, (), "")
    smaller = resized(empty, sizing) if sizing else empty
    try:
        return with_inferred_shapes(smaller.graph) if smaller is not None else None
    except (GraphError, IndexError):
        return None
