"""Which tensor leaves float16's range first? What is computed behind it holds infinities, zeros or a bias alone.

Key insight: the op that looks wrong is seldom the one at fault. A sum that passes 65,504 becomes infinite, the division
behind it gives zero, and what then comes out is the same for every input. So a failure in fp16 is traced to the first
tensor, in execution order, that float64 puts beyond the range.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from cases.evaluation.evaluate import FLOAT64, evaluate, unsupported
from cases.graph import Graph
from repro.delegate.inside_norms import tensors_inside_norms
from runner.encoding import shown_name
from runner.run import FP16_MAX, Feed

_HELD = 1 << 24  # elements of tensors that are kept at once


@dataclass(frozen=True)
class BeyondFloat16:
    """A tensor that float16 cannot hold. largest: its largest magnitude in float64."""

    name: str
    producer: str
    largest: float

    @property
    def words(self) -> str:
        named = f"'{shown_name(self.name)}' (written by {self.producer})"
        return f"{named} leaves float16's range: it reaches {self.largest:.3g}, float16 ends at {FP16_MAX:.0f}"


def first_beyond_float16(graph: Graph, feed: Feed, outputs: Sequence[str]) -> BeyondFloat16 | None:
    """The first tensor on the way to some outputs that leaves float16's range; None where none does.

    What a normalisation kernel keeps for itself is in float32.
    """
    if unsupported(graph) or not feed:
        return None
    inside = tensors_inside_norms(graph)
    for names in _parts(graph, outputs):
        right = evaluate(graph, feed, FLOAT64, keep=names)
        for name in names:
            largest = float(np.abs(right[name]).max(initial=0.0))
            if FP16_MAX < largest < math.inf and name not in inside:
                return BeyondFloat16(name, graph.producers[name].kind, largest)
    return None


def _parts(graph: Graph, outputs: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """The floats on the way to some outputs, in execution order, in parts that fit the memory."""
    needed = set(outputs)
    for op in reversed(graph.ops):
        if needed & set(op.outputs):
            needed |= {name for name in op.inputs if name}
    part: list[str] = []
    held = 0
    for op in graph.ops:
        for name in op.outputs:
            if name in needed and graph.tensors[name].dtype == "float32":
                part.append(name)
                held += math.prod(graph.tensors[name].shape)
        if held > _HELD:
            yield tuple(part)
            part, held = [], 0
    if part:
        yield tuple(part)
