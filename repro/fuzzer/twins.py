"""Metamorphic twins: the same computation in another arrangement has to agree on the outputs they share.

Key insight: a twin needs no reference of its own. Where the reference has no power (or knows no op of
the graph), two twins that differ still say that one of them is wrong.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cases.edit import renamed, without_output
from cases.graph import Graph, Op, Tensor
from repro.fuzzer.growth import computed_floats
from repro.fuzzer.mutate import reordered_outputs
from repro.verdicts.noise_floor import Floor
from runner.run import Run


@dataclass(frozen=True, eq=False)
class Twin:
    """A twin and what was done to make it."""

    graph: Graph
    how: str


def _output_added(rng: random.Random, graph: Graph) -> Graph | None:
    inner = [name for name in computed_floats(graph) if name not in graph.outputs]
    return replace(graph, outputs=(*graph.outputs, rng.choice(inner))) if inner else None


def _output_dropped(rng: random.Random, graph: Graph) -> Graph | None:
    read = [name for name in graph.outputs if graph.uses.get(name)]
    if not read or len(graph.outputs) < 2:
        return None
    return without_output(graph, rng.choice(read))


def _identity_inserted(rng: random.Random, graph: Graph) -> Graph | None:
    """A MUL by one, exact in every arithmetic, between a tensor and all its readers."""
    read = [name for name in computed_floats(graph) if graph.uses.get(name)]
    if not read:
        return None
    name = rng.choice(read)
    made, one = f"{name}_again", f"{name}_one"
    if made in graph.tensors or one in graph.tensors:
        return None
    tensors = {
        **graph.tensors,
        made: Tensor(made, graph.tensors[name].shape),
        one: Tensor(one, (), "float32", np.array(1.0, np.float32)),
    }
    ops: list[Op] = []
    for op in graph.ops:
        ops.append(renamed(op, inputs={name: made}))
        if name in op.outputs:
            ops.append(Op("MUL", (name, one), (made,)))
    return Graph(tensors, tuple(ops), graph.inputs, graph.outputs)


ARRANGEMENTS: tuple[tuple[str, Callable[[random.Random, Graph], Graph | None]], ...] = (
    ("an output added", _output_added),
    ("an output dropped", _output_dropped),
    ("an identity inserted", _identity_inserted),
    ("outputs reordered", reordered_outputs),
)


def twin_of(rng: random.Random, graph: Graph) -> Twin | None:
    """A twin of the graph, or None where no arrangement fits it."""
    for how, arrange in rng.sample(ARRANGEMENTS, len(ARRANGEMENTS)):
        made = arrange(rng, graph)
        if made is not None:
            return Twin(made, how)
    return None


def disagreement(
    graph: Graph, run: Run, floors: Sequence[Floor], twin: Graph, twin_run: Run, factor: float = 12.0
) -> str | None:
    """The first output on which two runs of twins differ by more than both may be wrong, or None.

    Both may be off by their noise floor, so the RMS of the difference is held against `factor` floors
    (twice the judge's factor for a row or channel, because either side may err).
    """
    if not run.outputs or not twin_run.outputs:
        return None
    for index, name in enumerate(graph.outputs):
        if name not in twin.outputs or graph.tensors[name].dtype != "float32":
            continue
        for first, second in zip(run.outputs, twin_run.outputs, strict=False):
            ours = np.asarray(first[index], np.float64)
            theirs = np.asarray(second[twin.outputs.index(name)], np.float64)
            if np.isfinite(ours).all() != np.isfinite(theirs).all():
                return name
            if np.isfinite(ours).all() and ours.size:
                distance = float(np.sqrt(np.mean((ours - theirs) ** 2)))
                if distance > factor * floors[index].rmse + 1e-30:
                    return name
    return None
