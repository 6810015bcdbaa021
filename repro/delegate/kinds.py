"""Kinds of operations: what the delegate calls TFLite's, which behave alike, and where their data is.

Source: LiteRT's `ml_drift_delegate/tflite/model_builder.cc` (the table of operation parsers).
"""

from __future__ import annotations

KINDS = {
    "CONV_2D": "CONV",
    "DEPTHWISE_CONV_2D": "DEPTHWISE",
    "ADD_N": "ADD",
    "AVERAGE_POOL_2D": "POOL_AVERAGE",
    "MAX_POOL_2D": "POOL_MAX",
    "CONCATENATION": "CONCAT",
    "REDUCE_MAX": "MAX",
    "REDUCE_MIN": "MIN",
    "REDUCE_PROD": "PROD",
    "RESIZE_BILINEAR": "RESIZE",
    "RESIZE_NEAREST_NEIGHBOR": "RESIZE",
    "LOGISTIC": "SIGMOID",
    "SQUARED_DIFFERENCE": "SQUARED_DIFF",
    "STRIDED_SLICE": "SLICE",
    "SPLIT_V": "SPLIT",
    "PADV2": "PAD",
    "MIRROR_PAD": "PAD",
}
"""TFLite's op kind -> the delegate's node kind, where the name differs."""


def node_kind(op_kind: str) -> str:
    """What the delegate calls an op kind of TFLite's."""
    return KINDS.get(op_kind, op_kind)


ELEMENTWISE = frozenset(
    {
        *("ADD", "SUB", "MUL", "DIV", "MAXIMUM", "MINIMUM", "POW", "SQUARED_DIFFERENCE", "FLOOR_DIV", "FLOOR_MOD"),
        *("EQUAL", "NOT_EQUAL", "LESS", "LESS_EQUAL", "GREATER", "GREATER_EQUAL", "LOGICAL_AND", "LOGICAL_OR"),
    }
)
"""TFLite's elementwise ops of two operands."""
REDUCTIONS = frozenset({"SUM", "MEAN", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD"})
REDUCTION_NODES = frozenset(node_kind(kind) for kind in REDUCTIONS)

DATA_INPUTS = {
    "RESHAPE": (0,),
    "SLICE": (0,),
    "STRIDED_SLICE": (0,),
    "TRANSPOSE": (0,),
    "PAD": (0,),
    "PADV2": (0,),
    "MIRROR_PAD": (0,),
    "SUM": (0,),
    "MEAN": (0,),
    "REDUCE_MAX": (0,),
    "REDUCE_MIN": (0,),
    "REDUCE_PROD": (0,),
    "RESIZE_BILINEAR": (0,),
    "RESIZE_NEAREST_NEIGHBOR": (0,),
    "SPLIT": (1,),
    "SPLIT_V": (0,),
    "TILE": (0,),
    "CUMSUM": (0,),
    "BROADCAST_TO": (0,),
    "TRANSPOSE_CONV": (2,),
}
"""Where the data is among the inputs of ops whose other inputs only carry parameters."""

ACTIVATIONS = {
    "RELU": "RELU",
    "RELU6": "RELU",
    "RELU_N1_TO_1": "RELU_N1_TO_1",
    "TANH": "TANH",
    "SIGN_BIT": "SIGN",
}
"""Fused activation function of a TFLite op -> kind of the node that the delegate makes of it."""
