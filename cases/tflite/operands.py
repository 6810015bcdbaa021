"""Which operands an op of each kind must have: what TFLite's kernels refuse to prepare is no graph to read on.

Key insight: everything that reads a graph (the evaluation, the replay of the delegate's passes, the reducer) takes
operands by position and weights by their axes. So what a damaged file lacks is refused once, where it is read. Only
what every version of TFLite refuses is refused here, and nothing is asked of kinds that this project does not know.

Source: the `Prepare` functions of TFLite's kernels (tensorflow/lite/kernels).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from cases.graph import Graph, GraphError, Op

_ONE = """
    ABS BROADCAST_TO CAST CEIL CONCATENATION COS DEQUANTIZE ELU EXP EXPAND_DIMS FLOOR GELU HARD_SWISH L2_NORMALIZATION
    LEAKY_RELU LOG LOGICAL_NOT LOGISTIC LOG_SOFTMAX NEG PACK QUANTIZE RELU RELU6 RELU_0_TO_1 RELU_N1_TO_1 RESHAPE ROUND
    RSQRT SIGN SIN SOFTMAX SQRT SQUARE SQUEEZE TANH
"""
_TWO = """
    ADD ATAN2 BATCH_MATMUL DIV EQUAL FLOOR_DIV FLOOR_MOD GATHER GREATER GREATER_EQUAL LESS LESS_EQUAL LOGICAL_AND
    LOGICAL_OR MAXIMUM MEAN MINIMUM MUL NOT_EQUAL POW PRELU REDUCE_ALL REDUCE_ANY REDUCE_MAX REDUCE_MIN REDUCE_PROD
    REVERSE_V2 SQUARED_DIFFERENCE SUB SUM TILE TRANSPOSE
"""


@dataclass(frozen=True)
class Form:
    """operands: so many are there at least. optional: whether any after those may be left out.

    several: whether there may be more than one output. ranks: operand -> its number of dimensions. filled: operands
    that have at least one element, if they are constants.
    """

    operands: int
    optional: bool = False
    several: bool = False
    ranks: Mapping[int, int] = field(default_factory=dict)
    filled: tuple[int, ...] = ()


FORMS: Mapping[str, Form] = {
    **dict.fromkeys(_ONE.split(), Form(1)),
    **dict.fromkeys(_TWO.split(), Form(2)),
    **dict.fromkeys(("SELECT", "SELECT_V2", "SLICE"), Form(3)),
    "STRIDED_SLICE": Form(4),
    **dict.fromkeys(("CUMSUM", "ARG_MAX", "ARG_MIN"), Form(2, filled=(1,))),
    **dict.fromkeys(("CONV_2D", "DEPTHWISE_CONV_2D"), Form(2, optional=True, ranks={0: 4, 1: 4})),
    "TRANSPOSE_CONV": Form(3, optional=True, ranks={1: 4, 2: 4}),
    "FULLY_CONNECTED": Form(2, optional=True, several=True, ranks={1: 2}),
    **dict.fromkeys(("AVERAGE_POOL_2D", "MAX_POOL_2D", "SPACE_TO_DEPTH", "DEPTH_TO_SPACE"), Form(1, ranks={0: 4})),
    **dict.fromkeys(("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"), Form(2, ranks={0: 4}, filled=(1,))),
    **dict.fromkeys(("PAD", "MIRROR_PAD"), Form(2, ranks={1: 2})),
    "PADV2": Form(3, ranks={1: 2}, filled=(2,)),
    "SPLIT": Form(2, several=True, filled=(0,)),
    "SPLIT_V": Form(3, several=True, filled=(2,)),
    "UNPACK": Form(1, several=True),
}
_NOT_NEGATIVE = ("stride_h", "stride_w", "dilation_h_factor", "dilation_w_factor", "filter_height", "filter_width")


def require_operands(graph: Graph) -> Graph:
    """Return the graph, or raise GraphError saying which op lacks what."""
    for op in graph.ops:
        form = FORMS.get(op.kind)
        if form is not None:
            _require(op, form, graph)
    return graph


def _require(op: Op, form: Form, graph: Graph) -> None:
    present = [name for name in op.inputs[: form.operands] if name]
    if len(present) < form.operands:
        raise GraphError(f"{op.kind} has {len(present)} operands, it takes at least {form.operands}")
    if not form.optional and "" in op.inputs:
        raise GraphError(f"{op.kind} lacks operand {op.inputs.index('')}")
    if not op.outputs or (len(op.outputs) > 1 and not form.several):
        raise GraphError(f"{op.kind} has {len(op.outputs)} outputs")
    operands = [graph.tensors[name] for name in present]
    for position, rank in form.ranks.items():
        tensor = operands[position]
        if len(tensor.shape) != rank:
            raise GraphError(f"{op.kind} reads '{tensor.name}' of rank {len(tensor.shape)}, it takes rank {rank} there")
    for position in form.filled:
        if operands[position].is_constant and math.prod(operands[position].shape) == 0:
            raise GraphError(f"{op.kind} reads '{operands[position].name}', which has no elements")
    negative = next((name for name in _NOT_NEGATIVE if op.attrs.get(name, 0) < 0), "")
    if negative:
        raise GraphError(f"{op.kind} has {negative} {op.attrs[negative]}")
    if op.kind == "CONV_2D":
        channels, depth, filters = operands[0].shape[3], operands[1].shape[3], operands[1].shape[0]
        if channels % max(1, depth) or filters % groups(op, graph):
            raise GraphError(f"CONV_2D with {filters} filters of depth {depth} reads {channels} channels")
    if op.kind == "CUMSUM" and operands[1].data is not None:
        axis, rank = int(operands[1].data.flat[0]), len(operands[0].shape)
        if not -rank <= axis < rank:
            raise GraphError(f"CUMSUM along axis {axis} of '{operands[0].name}', which has rank {rank}")


def groups(op: Op, graph: Graph) -> int:
    """Into how many groups of channels a CONV_2D is split: its weights are as deep as one group."""
    images, weights = (graph.tensors[name].shape for name in op.inputs[:2])
    return max(1, images[3] // max(1, weights[3]))
