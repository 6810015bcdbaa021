"""Which tensor leaves float16's range first? What is computed behind it holds infinities, zeros or a bias alone.

Key insight: the op that looks wrong is seldom the one at fault. A sum that passes 65,504 becomes infinite, the division
behind it gives zero, and what then comes out is the same for every input. So a failure in fp16 is traced to the first
tensor, in execution order, that float64 puts beyond the range.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from cases.evaluation.evaluate import unsupported
from cases.evaluation.ranges import ranges_of
from cases.graph import Graph
from repro.delegate.inside_norms import tensors_inside_norms
from runner.encoding import shown_name
from runner.run import FP16_MAX, Feed

LEAVES = "leaves float16's range"
"""What a verdict says of an output that is wrong because a tensor before it does not fit into float16."""


@dataclass(frozen=True)
class BeyondFloat16:
    """A tensor that float16 cannot hold. largest: its largest magnitude in float64."""

    name: str
    producer: str
    largest: float

    @property
    def words(self) -> str:
        named = f"'{shown_name(self.name)}' (written by {self.producer})"
        return f"{named} {LEAVES}: it reaches {self.largest:.3g}, float16 ends at {FP16_MAX:.0f}"


def first_beyond_float16(graph: Graph, feed: Feed, outputs: Sequence[str]) -> BeyondFloat16 | None:
    """The first tensor on the way to some outputs that leaves float16's range; None where none does.

    What a normalisation kernel keeps for itself is in float32.
    """
    if unsupported(graph) or not feed:
        return None
    held = _on_the_way(graph, outputs) - tensors_inside_norms(graph)
    for found in ranges_of(graph, [feed], inside=False):
        if found.name in held and FP16_MAX < found.stored.largest < math.inf:
            return BeyondFloat16(found.name, found.producer, found.stored.largest)
    return None


def _on_the_way(graph: Graph, outputs: Sequence[str]) -> frozenset[str]:
    """The float32 tensors that ops write on the way to some outputs."""
    needed = set(outputs)
    for op in reversed(graph.ops):
        if needed & set(op.outputs):
            needed |= {name for name in op.inputs if name}
    return frozenset(name for name in needed & graph.producers.keys() if graph.tensors[name].dtype == "float32")
