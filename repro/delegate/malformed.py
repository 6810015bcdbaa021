"""Ops in a form that no kernel of TFLite takes: too few operands, ranks or axes that do not fit one another.

Key insight: a parser reads an op by position, rank and axis, and may do so only where these are there. A stranger's
file need not have them, and TFLite says so when it is run; whoever only reads the file must not stumble. So what every
kernel's `Prepare` asks for is asked once, in front of all parsers, and an op that does not pass is an opaque node that
nothing is said of.

Source: TFLite's `Prepare` of each kernel (`tensorflow/lite/kernels/*.cc`).
"""

from __future__ import annotations

import math

import numpy as np

from cases.graph import Graph, Op
from repro.delegate.graph import constant_data
from repro.delegate.kinds import ELEMENTWISE, REDUCTIONS

BROADCASTING = ELEMENTWISE | {"ADD_N", "ATAN2", "RIGHT_SHIFT", "STABLEHLO_SHIFT_LEFT", "SELECT", "SELECT_V2"}
"""Kinds whose operands are broadcast to the result, and so have no more axes than it has."""
FEWEST_OPERANDS = {
    **dict.fromkeys(ELEMENTWISE | REDUCTIONS, 2),
    **dict.fromkeys(("ATAN2", "RIGHT_SHIFT", "STABLEHLO_SHIFT_LEFT"), 2),
    **dict.fromkeys(
        ("ARG_MAX", "BATCH_MATMUL", "CUMSUM", "EMBEDDING_LOOKUP", "GATHER", "PRELU", "TOPK_V2", "TRANSPOSE"), 2
    ),
    **dict.fromkeys(("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "MIRROR_PAD", "PAD", "SPLIT"), 2),
    **dict.fromkeys(("DYNAMIC_UPDATE_SLICE", "PADV2", "SELECT", "SELECT_V2", "SLICE", "SPLIT_V", "TRANSPOSE_CONV"), 3),
    **dict.fromkeys(("ONE_HOT", "STRIDED_SLICE"), 4),
    **dict.fromkeys(("CALL_ONCE", "VAR_HANDLE", "STABLEHLO_COMPOSITE", "CUSTOM", "CALL", "WHILE", "IF"), 0),
}
"""How many operands an op of a kind has at least, none of them left out; one where nothing is said."""
RANK_OF_WEIGHTS = {"CONV_2D": 4, "DEPTHWISE_CONV_2D": 4, "TRANSPOSE_CONV": 4, "FULLY_CONNECTED": 2}
"""The rank of an op's second operand."""
ONE_NUMBER = {"ARG_MAX": 1, "CUMSUM": 1, "SPLIT": 0, "SPLIT_V": 2}
"""The operand that is one axis."""
NUMBERS = {
    **dict.fromkeys(REDUCTIONS | {"PAD", "PADV2", "MIRROR_PAD", "RESHAPE", "TRANSPOSE"}, (1,)),
    **{"SLICE": (1, 2), "STRIDED_SLICE": (1, 2, 3)},
    **{kind: (position,) for kind, position in ONE_NUMBER.items()},
}
"""The operands that are axes, extents, or how much to pad: whole numbers."""


def is_malformed(graph: Graph, op: Op) -> bool:
    """Whether TFLite refuses to prepare an op as the file has it. Not everything that TFLite asks is asked."""
    fewest = FEWEST_OPERANDS.get(op.kind, 1)
    if len(op.inputs) < fewest or not all(op.inputs[:fewest]):
        return True
    if op.kind in BROADCASTING | {"CONCATENATION", "PACK"} and not all(op.inputs):
        return True
    if fewest and not (op.outputs and all(op.outputs)):
        return True
    return _has_odd_constants(graph, op) or _has_odd_ranks(graph, op) or _has_odd_axes(graph, op)


def _has_odd_constants(graph: Graph, op: Op) -> bool:
    """Whether a constant has more or fewer elements than its shape says, or is to count and holds no whole numbers."""
    for position, name in enumerate(op.inputs):
        data = constant_data(graph, name) if name else None
        if data is None:
            continue
        if data.size != math.prod(graph.tensors[name].shape):
            return True
        if position in NUMBERS.get(op.kind, ()) and not np.issubdtype(data.dtype, np.integer):
            return True
        if position == ONE_NUMBER.get(op.kind) and data.size != 1:
            return True
    return False


def _has_odd_ranks(graph: Graph, op: Op) -> bool:
    ranks = [len(graph.tensors[name].shape) if name else 0 for name in op.inputs]
    if op.kind in RANK_OF_WEIGHTS and ranks[1] != RANK_OF_WEIGHTS[op.kind]:
        return True
    if op.kind == "BATCH_MATMUL" and min(ranks[:2]) < 2:
        return True
    return op.kind in BROADCASTING and max(ranks) > len(graph.tensors[op.outputs[0]].shape)


def _has_odd_axes(graph: Graph, op: Op) -> bool:
    """Whether an axis is none of the data's, or a table of paddings has not one row of two per axis."""
    rank = len(graph.tensors[op.inputs[0]].shape) if op.inputs and op.inputs[0] else 0
    if op.kind == "GATHER":
        axis, batches = int(op.attrs.get("axis", 0)), int(op.attrs.get("batch_dims", 0))
        return not -rank <= axis < rank or not -rank <= batches <= rank
    table = constant_data(graph, op.inputs[1]) if op.kind in ("CUMSUM", "PAD", "PADV2", "MIRROR_PAD") else None
    if table is None:
        return False
    return table.shape != (rank, 2) if op.kind != "CUMSUM" else not -rank <= int(np.ravel(table)[0]) < rank
