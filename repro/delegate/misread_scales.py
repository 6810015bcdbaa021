"""Where the delegate loses what quantised integers stand for, or the kernel that computes with them.

Key insight: to the delegate a quantised int8 tensor is a float tensor that each op rounds to its grid, and a value that
a parser puts in between is bytes all the same; an int16 tensor is integers and nothing else. And weights that are
integers have branches of their own in the parsers, which do less than those for floats.

Source: LiteRT's `ml_drift_delegate/tflite/model_builder.cc` (`AddOpWithBroadcastReshape`, and the parsers of TOPK_V2,
FULLY_CONNECTED, CONV_2D and EMBEDDING_LOOKUP). What int16 tensors become was measured.
"""

from __future__ import annotations

import math

from cases.graph import Graph, Op, Tensor
from repro.delegate.graph import bhwc

_LINEAR = frozenset({"ADD", "SUB", "MUL", "DIV"})
_EQUALITY = frozenset({"EQUAL", "NOT_EQUAL"})
_ONE_OPERAND = frozenset({"ABS", "SUM", "REDUCE_PROD"})
_BYTES = frozenset({"int8", "uint8"})


def scale_of(tensor: Tensor) -> float:
    """The one scale of a quantised tensor; 0 where it is not quantised or has several."""
    quantization = getattr(tensor.raw, "quantization", None)
    scales = getattr(quantization, "scale", None)
    return float(scales[0]) if scales is not None and len(scales) == 1 else 0.0


def pair_misread(graph: Graph, op: Op) -> str:
    """The rule under which an op of two computed tensors goes wrong because they are quantised, or empty."""
    first, second = (graph.tensors[name] for name in op.inputs)
    result = graph.tensors[op.outputs[0]]
    scales = scale_of(first), scale_of(second), scale_of(result)
    if op.kind in _EQUALITY and first.dtype == "int16" and all(scales[:2]):
        # TFLite's kernels compare int16 for order by the integers as well, for equality by what they stand for.
        return "" if math.isclose(*scales[:2], rel_tol=1e-6) else "int16-scales"
    if not all(scales):
        return ""
    if result.dtype in _BYTES and len(first.shape) != len(second.shape):
        return "quantised-ranks"
    if result.dtype == "int16" and op.kind in _LINEAR and not _hold_for_integers(op.kind, *scales):
        return "int16-scales"
    return ""


def _hold_for_integers(kind: str, first: float, second: float, result: float) -> bool:
    """Whether the integers of the operands give those of the result."""
    if kind in ("ADD", "SUB"):
        return math.isclose(first, second, rel_tol=1e-6) and math.isclose(first, result, rel_tol=1e-6)
    meant = first * second if kind == "MUL" else first / second
    return math.isclose(meant, result, rel_tol=1e-6)


def one_operand_misread(graph: Graph, op: Op) -> str:
    """`int16-scales` for an op of one int16 tensor whose integers do not give those of the result, or empty."""
    source, result = (graph.tensors[name] for name in (op.inputs[0], op.outputs[0]))
    scales = scale_of(source), scale_of(result)
    if op.kind not in _ONE_OPERAND or result.dtype != "int16" or not all(scales):
        return ""
    is_product = op.kind == "REDUCE_PROD" and math.prod(source.shape) != math.prod(result.shape)
    return "int16-scales" if is_product or not math.isclose(*scales, rel_tol=1e-6) else ""


def vector_misread(graph: Graph, op: Op) -> str:
    """`quantised-ranks` for a TOPK_V2 of a quantised vector, which is laid out as channels and back."""
    source = graph.tensors[op.inputs[0]]
    return "quantised-ranks" if len(source.shape) == 1 and source.dtype in _BYTES and scale_of(source) else ""


def has_weights_of_integers(graph: Graph, op: Op) -> bool:
    """Whether a FULLY_CONNECTED has constant weights that the delegate keeps as integers."""
    weights = graph.tensors[op.inputs[1]]
    return weights.is_constant and getattr(weights.raw, "quantization", None) is not None


def is_taken_for_fully_connected(graph: Graph, op: Op) -> bool:
    """Whether a CONV_2D of constant weights becomes the FULLY_CONNECTED of integers, which has no strides."""
    weights = graph.tensors[op.inputs[1]]
    return weights.dtype in ("int8", "int4") and weights.shape[1:3] == (1, 1) and has_weights_of_integers(graph, op)


def lookup_misread(graph: Graph, op: Op) -> str:
    """The rule that an EMBEDDING_LOOKUP falls under, or empty.

    A table has two axes. Of integers the parser makes room for one scale per row and copies those of the file: with one
    for all, that of the first row.
    """
    weights = graph.tensors[op.inputs[1]]
    if len(weights.shape) != 2:
        return "embedding-rank-aborts"
    if weights.dtype not in ("int8", "int4", "int2"):
        return ""
    return "embedding-one-scale" if scale_of(weights) and weights.shape[0] > 1 else ""


def has_blocks_of_int4(graph: Graph, op: Op) -> bool:
    """Whether a FULLY_CONNECTED has int4 weights with one scale per block of neighbours."""
    weights = graph.tensors[op.inputs[1]]
    return weights.dtype == "int4" and getattr(weights.raw, "block_scales", None) is not None


def rows_lost(graph: Graph, op: Op) -> bool:
    """Whether a FULLY_CONNECTED with weights of integers is to make other rows than it reads.

    The branch for floats puts a RESHAPE behind it, this one does not.
    """
    read, made = (bhwc(tuple(graph.tensors[name].shape)) for name in (op.inputs[0], op.outputs[0]))
    return read[:3] != made[:3]
