"""Which tensors of the file a normalisation kernel keeps for itself.

Key insight: what one kernel computes in its own registers is in float32 and never stored, so that it may pass the range
of fp16: a LayerNorm that the delegate recognises survives deviations whose squares would overflow as a tensor.
"""

from __future__ import annotations

from cases.graph import Graph
from repro.delegate.kernel_fusions import NORMALISATION
from repro.delegate.replay import replay


def tensors_inside_norms(graph: Graph) -> frozenset[str]:
    """Names of tensors that are written and read inside one normalisation kernel only, and that nobody stores."""
    inside = set()
    for node in replay(graph).graph.live():
        if node.fused_by == NORMALISATION:
            inside |= {
                value.name
                for value in node.outputs
                if value.name
                and not value.is_output
                and value.consumers
                and all(reader.fused_by == NORMALISATION for reader in value.consumers)
            }
    return frozenset(inside)
