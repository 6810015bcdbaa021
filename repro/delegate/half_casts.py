"""CASTs to float32 in fp16: the one result that stays float32 where everything else becomes float16.

Key insight: in fp16 a CAST that makes a graph output keeps the type of the file. Who else reads it gets float32: most
kernels that sum, move or lay out values convert what they read, those that take elements as they are do not, their
source does not compile, and with it every output is wrong. Those that convert by writing to a texture, which takes any
float, do not convert where tensors are buffers: what moves elements is then lost as well.

Measured on lavapipe, LiteRT 2.3.0, on five drawn graphs of each op kind that the delegate takes in float32.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from repro.delegate.adapters import Adapter, keeps_tensors_in_buffers
from repro.delegate.graph import DelegateGraph, Node
from repro.delegate.kernel_links import LINKABLE
from repro.delegate.sighting import Effect, OnAdapters, Sighting
from runner.run import Precision

CAST_TO_FLOAT = "CAST_TO_FLOAT"
"""The kind of a node that makes a float32 tensor of another, or of itself."""
_TAKE_AS_IT_IS = LINKABLE | {
    *("EQUAL", "NOT_EQUAL", "LESS", "LESS_EQUAL", "GREATER", "GREATER_EQUAL", "SELECT", "SELECT_V2", "ATAN2"),
    *("CONCAT", "SLICE", "RESIZE", "POOL_MAX", "DEPTHWISE", "DEPTH_TO_SPACE", "RELU_0_TO_1", "STABLEHLO_CBRT"),
}

_MOVE = frozenset(
    {
        *("TRANSPOSE", "RESHAPE", "PAD", "SPLIT", "GATHER", "TILE", "REVERSE_V2", "CUMSUM", "SPACE_TO_DEPTH"),
        *("TRANSPOSE_CONV",),
    }
)
"""Nodes whose kernels write what they read in the type in which they read it."""


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
    if reader.kind == "FULLY_CONNECTED":  # of rows; one of tokens is a convolution, which converts
        return len(reader.op.inputs) > 2 and bool(reader.op.inputs[2])
    return reader.kind in _TAKE_AS_IT_IS


def casts_moved_in_buffers(graph: DelegateGraph, adapters: Iterable[Adapter]) -> Iterator[OnAdapters]:
    """Every output of a CAST to float32 that is read by a kernel that converts it in textures only."""
    where = tuple(a for a in adapters if a.precision is Precision.FP16 and keeps_tensors_in_buffers(a))
    if not where:
        return
    for node in graph.live():
        if node.kind != CAST_TO_FLOAT or not node.outputs[0].is_output:
            continue
        reader = next((reader for reader in node.outputs[0].consumers if reader.kind in _MOVE), None)
        if reader is not None:
            yield OnAdapters(Sighting("cast-output-moved", Effect.VOID, node.outputs[0], node, reader), where)
