"""What the delegate's parsers make of a .tflite, before it rewrites anything.

Key insight: the bugs live in what the delegate makes of a file, not in the file. A fused activation
is a node of its own, `x*x` is a SQUARE, `x+x` a multiply by two, an ADD with a constant has one
input, a rank-3 FULLY_CONNECTED is a 1x1 convolution, and every shape is read as BHWC. `lower` does
that translation; `repro.delegate.replay` then applies the delegate's rewrites to the result.

Source: LiteRT's `ml_drift_delegate/tflite/model_builder.cc` (the operation parsers), the GraphFloat32
pipeline that is in use.
"""

from __future__ import annotations

from collections.abc import Callable

from cases.graph import Graph, Op
from repro.delegate.graph import DelegateGraph, constant_data
from repro.delegate.kinds import ELEMENTWISE, REDUCTIONS
from repro.delegate.lowering import Lowering
from repro.delegate.malformed import is_malformed
from repro.delegate.parse_arithmetic import (
    parse_abs,
    parse_arg_max,
    parse_batch_matmul,
    parse_bitcast,
    parse_cast,
    parse_cumsum,
    parse_elementwise,
    parse_prelu,
    parse_reduction,
    parse_select,
    parse_softmax,
    parse_top_k,
)
from repro.delegate.parse_movement import (
    parse_blocks,
    parse_concat,
    parse_gather,
    parse_lookup,
    parse_one_hot,
    parse_pack,
    parse_pad,
    parse_slice,
    parse_split,
    parse_unpack,
    parse_update,
)
from repro.delegate.parse_windows import (
    bias_is_computed,
    parse_convolution,
    parse_fully_connected,
    parse_pool,
    parse_transposed_convolution,
)
from repro.delegate.refusals import composite_that_crashes


def parse_composite(lowering: Lowering, op: Op) -> None:
    """A composite that the delegate takes by its name."""
    node = lowering.generic(op)
    if composite_that_crashes(op):
        node.misparsed = "composite-aborts"


PARSERS: dict[str, Callable[[Lowering, Op], None]] = {
    **dict.fromkeys(ELEMENTWISE, parse_elementwise),
    **dict.fromkeys(REDUCTIONS, parse_reduction),
    "ABS": parse_abs,
    "PRELU": parse_prelu,
    "BITCAST": parse_bitcast,
    "CAST": parse_cast,
    "SOFTMAX": parse_softmax,
    "ARG_MAX": parse_arg_max,
    "BATCH_MATMUL": parse_batch_matmul,
    "CUMSUM": parse_cumsum,
    "FULLY_CONNECTED": parse_fully_connected,
    "CONV_2D": parse_convolution,
    "DEPTHWISE_CONV_2D": parse_convolution,
    "AVERAGE_POOL_2D": parse_pool,
    "MAX_POOL_2D": parse_pool,
    "PAD": parse_pad,
    "PADV2": parse_pad,
    "MIRROR_PAD": parse_pad,
    "SLICE": parse_slice,
    "STRIDED_SLICE": parse_slice,
    "CONCATENATION": parse_concat,
    "PACK": parse_pack,
    "UNPACK": parse_unpack,
    "SPLIT": parse_split,
    "SPLIT_V": parse_split,
    "DEPTH_TO_SPACE": parse_blocks,
    "SPACE_TO_DEPTH": parse_blocks,
    "GATHER": parse_gather,
    "EMBEDDING_LOOKUP": parse_lookup,
    "ONE_HOT": parse_one_hot,
    "DYNAMIC_UPDATE_SLICE": parse_update,
    "STABLEHLO_COMPOSITE": parse_composite,
    "TRANSPOSE_CONV": parse_transposed_convolution,
    "TOPK_V2": parse_top_k,
    **dict.fromkeys(("SELECT", "SELECT_V2"), parse_select),
    **dict.fromkeys(("ADD_N", "ATAN2", "RIGHT_SHIFT", "STABLEHLO_SHIFT_LEFT"), parse_elementwise),
}
"""Op kind -> its parser; ops of any other kind are lowered by `Lowering.generic`."""


def lower(graph: Graph) -> DelegateGraph:
    """What the delegate's parsers make of a graph. Linear in its ops; foreign ops become opaque nodes."""
    lowering = Lowering(graph)
    for op in graph.ops:
        if is_malformed(graph, op):
            lowering.opaque(op)
            continue
        if op.kind == "DEQUANTIZE" and constant_data(graph, op.outputs[0]) is not None:
            lowering.read_as_constant(op)
            continue
        parse = PARSERS.get(op.kind)
        if parse is None:
            lowering.generic(op)
        else:
            parse(lowering, op)
        if bias_is_computed(lowering, op):
            lowering.nodes[-1].misparsed = "computed-bias-aborts"
    return lowering.finished()
