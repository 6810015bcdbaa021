"""CASTs to float32 in fp16: the one result that stays float32 where everything else becomes float16.

Key insight: in fp16 a CAST that makes a graph output keeps the type of the file. Who else reads it gets float32: most
kernels that sum, move or lay out values convert what they read, those that take elements as they are do not, their
source does not compile, and with it every output is wrong.

Measured on lavapipe, LiteRT 2.3.0, on five drawn graphs of each op kind that the delegate takes in float32.
"""

from __future__ import annotations

from collections.abc import Iterator

from repro.delegate.graph import DelegateGraph, Node
from repro.delegate.kernel_links import LINKABLE
from repro.delegate.sighting import Effect, Sighting

CAST_TO_FLOAT = "CAST_TO_FLOAT"
"""The kind of a node that makes a float32 tensor of another, or of itself."""
_TAKE_AS_IT_IS = LINKABLE | {
    *("EQUAL", "NOT_EQUAL", "LESS", "LESS_EQUAL", "GREATER", "GREATER_EQUAL", "SELECT", "SELECT_V2", "ATAN2"),
    *("CONCAT", "SLICE", "RESIZE", "POOL_MAX", "DEPTHWISE", "DEPTH_TO_SPACE", "RELU_0_TO_1", "STABLEHLO_CBRT"),
}


def casts_read_as_they_are(graph: DelegateGraph) -> Iterator[Sighting]:
    """Every output of a CAST to float32 that a kernel reads without converting it."""
    for node in graph.live():
        if node.kind != CAST_TO_FLOAT or not node.outputs[0].is_output:
            continue
        for reader in node.outputs[0].consumers:
            if _takes_as_it_is(reader, node):
                yield Sighting("cast-output-consumed", Effect.VOID, node.outputs[0], node, reader)
                break


def _takes_as_it_is(reader: Node, cast: Node) -> bool:
    if reader.kind == "BATCH_MATMUL":
        return reader.inputs[0] is cast.outputs[0] and cast.outputs[0].shape[0] == 1
    return reader.kind in _TAKE_AS_IT_IS
