"""What the delegate's parsers make of elementwise ops, reductions, SOFTMAX, ARG_MAX, CUMSUM and BATCH_MATMUL.

Key insight: an op is taken for another by the look of its operands: `x*x` is a SQUARE, `x+x` a multiply by two, and
one with a constant has a single input. And the rank decides along which axis a constant or a running sum lies.

Source: LiteRT's `ml_drift_delegate/tflite/model_builder.cc` (the operation parsers).
"""

from __future__ import annotations

import numpy as np

from cases.graph import Op
from repro.delegate.graph import (
    POINTWISE,
    SLICE_CHANNELS,
    Bhwc,
    Node,
    Operand,
    OperandForm,
    Value,
    Weights,
    broadcast_bhwc,
    constant_data,
)
from repro.delegate.half_casts import CAST_TO_FLOAT
from repro.delegate.kinds import node_kind
from repro.delegate.lowering import Lowering
from repro.delegate.misread_axes import constant_misread, cumsum_misread, product_misses_batch
from repro.delegate.misread_scales import one_operand_misread, pair_misread, vector_misread
from repro.delegate.misread_types import (
    activation_misread,
    bitcast_misread,
    constant_data_misread,
    constant_tensor_misread,
    constant_that_aborts,
    displaced,
    is_quantised,
    loses_range,
    whole_constant_misread,
)

NEVER_BELOW_ITS_LANES = frozenset({"RELU", "RELU6", "RELU_0_TO_1", "SQUARE", "ABS", "SOFTMAX"})
"""Nodes that give nothing smaller than what is left in the unused lanes. A SIGMOID leaves 0.5 there."""


def parse_elementwise(lowering: Lowering, op: Op) -> None:
    """An op of two operands: both computed, one a constant, or one tensor twice."""
    if len(op.inputs) != 2:
        lowering.generic(op)
        return
    first, second = op.inputs
    first_is_constant, second_is_constant = (constant_data(lowering.graph, name) is not None for name in op.inputs)
    if first_is_constant and second_is_constant:
        lowering.generic(op)
    elif first_is_constant:
        _with_constant(lowering, op, second, first, constant_comes_first=True)
    elif second_is_constant:
        _with_constant(lowering, op, first, second, constant_comes_first=False)
    elif first == second:
        _with_itself(lowering, op)
    else:
        _of_two_tensors(lowering, op)


def _with_itself(lowering: Lowering, op: Op) -> None:
    source = lowering.value(op.inputs[0])
    if op.kind == "MUL":
        node = Node("SQUARE", op)
    elif op.kind == "ADD":
        node = Node("MUL", op, operand=Operand(OperandForm.SCALAR, np.array([2.0], np.float32)))
    else:
        node = Node(node_kind(op.kind), op)
    lowering.finish(lowering.add(node, source))


def _with_constant(lowering: Lowering, op: Op, tensor: str, constant: str, constant_comes_first: bool) -> None:
    source, data = lowering.value(tensor), constant_data(lowering.graph, constant)
    assert data is not None
    node = Node(node_kind(op.kind), op)
    shape, runtime, result = (lowering.shape(name) for name in (constant, tensor, op.outputs[0]))
    if np.issubdtype(data.dtype, np.floating) or _stands_for_reals(lowering, constant):
        node.operand = Operand(_form(data, shape), data, constant_comes_first)
        if constant_misread(data.reshape(shape), runtime, result):
            node.misparsed = "constant-axis"
        lowering.add(node, source)
    elif data.size == 1:
        node.operand = Operand(OperandForm.INTEGER, data)
        lowering.add(node, source)
    else:
        node.misparsed = whole_constant_misread(op.kind, data.reshape(shape), runtime, result, constant_comes_first)
        lowering.add(node, source, lowering.data_value(op, constant))
    node.misparsed = (
        constant_that_aborts(lowering.graph, op, (constant,))
        or node.misparsed
        or activation_misread(lowering.graph, op)
    )
    lowering.finish(node)


def _stands_for_reals(lowering: Lowering, constant: str) -> bool:
    """Whether a constant is quantised in a type whose integers the delegate turns into floats."""
    held = lowering.graph.tensors[constant]
    return held.dtype in ("int8", "uint8") and is_quantised(held)


def _form(data: np.ndarray, shape: tuple[int, ...]) -> OperandForm:
    if data.size == 1:
        return OperandForm.SCALAR
    return OperandForm.LINEAR if all(size == 1 for size in shape[:-1]) else OperandForm.BHWC


def _of_two_tensors(lowering: Lowering, op: Op) -> None:
    kind, names = node_kind(op.kind), list(op.inputs)
    first, second = (lowering.shape(name) for name in names)
    if kind in ("ADD", "MUL") and _fits(broadcast_bhwc(first), broadcast_bhwc(second)):
        names.reverse()  # the parser wants the larger tensor first, and swaps equal ones too
    misparsed = pair_misread(lowering.graph, op) or activation_misread(lowering.graph, op)
    if len(first) == len(second):
        lowering.finish(lowering.add(Node(kind, op, misparsed=misparsed), *(lowering.value(name) for name in names)))
        return
    # Ranks differ: both inputs and the result are put through reshapes to right-aligned BHWC.
    aligned = [lowering.reshaped(lowering.value(name), op, broadcast_bhwc(lowering.shape(name))) for name in names]
    node = lowering.add(Node(kind, op, misparsed=misparsed), *aligned)
    target = op.outputs[0]
    result = lowering.new_value(node, broadcast_bhwc(lowering.shape(target)))
    lowering.finish(lowering.add(Node("RESHAPE", op, new_shape=lowering.value(target).shape), result))


def _fits(small: Bhwc, large: Bhwc) -> bool:
    return all(a <= b for a, b in zip(small[:3], large[:3], strict=True)) and small[3] == large[3]


def parse_reduction(lowering: Lowering, op: Op) -> None:
    """SUM and the like; one that drops its axes always gets a RESHAPE behind it."""
    source = lowering.value(op.inputs[0])
    listed = lowering.constant(op, 1)
    axes = frozenset("BHWC")
    if listed is not None:
        axes = frozenset(lowering.axis_letter(op.inputs[0], int(axis)) for axis in np.ravel(listed))
    misparsed = one_operand_misread(lowering.graph, op)
    node = lowering.add(Node(node_kind(op.kind), op, axes=axes, misparsed=misparsed), source)
    if op.attrs.get("keep_dims", False):
        lowering.finish(node)
        return
    kept: Bhwc = tuple(  # type: ignore[assignment]
        1 if letter in axes else size for letter, size in zip("BHWC", source.shape, strict=True)
    )
    target = lowering.value(op.outputs[0])
    lowering.finish(lowering.add(Node("RESHAPE", op, new_shape=target.shape), lowering.new_value(node, kept)))


def parse_softmax(lowering: Lowering, op: Op) -> None:
    """SOFTMAX, always over the channels: of rank 1, every element is a batch of one channel."""
    node = lowering.generic(op)
    shape = lowering.shape(op.inputs[0])
    if len(shape) == 1 and shape[0] > 1:
        node.misparsed = "softmax-rank-1"


def parse_batch_matmul(lowering: Lowering, op: Op) -> None:
    """BATCH_MATMUL, whose operands are to have one batch. By a constant of rank 2 it is a FULLY_CONNECTED."""
    left, right = (lowering.shape(name) for name in op.inputs[:2])
    adj_x, adj_y = bool(op.attrs.get("adj_x")), bool(op.attrs.get("adj_y"))
    if lowering.constant(op, 1) is not None and len(right) == 2:
        node = Node("FULLY_CONNECTED", op, window=POINTWISE, weights=Weights(right[1], right[0], 1))
        if (adj_x and left[-2:] != (1, 1)) or (adj_y and right != (1, 1)):
            node.misparsed = "matmul-weights-transposed"
        lowering.finish(lowering.add(node, lowering.value(op.inputs[0])))
        return
    node = lowering.generic(op)
    if product_misses_batch(left, right, adj_y):
        node.misparsed = "batch-matmul-broadcast"


def parse_arg_max(lowering: Lowering, op: Op) -> None:
    """ARG_MAX: over the channels, the lanes behind the last one take part, and an index that does not exist may win."""
    node = lowering.generic(op)
    axis = lowering.constant(op, 1)
    if lowering.graph.tensors[op.inputs[0]].dtype == "bool":
        node.misparsed = "arg-max-truths"
    elif axis is None or lowering.axis_letter(op.inputs[0], int(np.ravel(axis)[0])) != "C":
        return
    elif _lanes_may_win(lowering.value(op.inputs[0])):
        node.misparsed = "arg-max-lanes"


def _lanes_may_win(source: Value) -> bool:
    """Whether the unused lanes of a tensor may hold more than its channels."""
    never = source.producer is not None and source.producer.kind in NEVER_BELOW_ITS_LANES
    return source.shape[3] % SLICE_CHANNELS > 0 and not never


def parse_top_k(lowering: Lowering, op: Op) -> None:
    """TOPK_V2, which sorts whole slices of channels: those of the last that is not full are left out."""
    node = lowering.generic(op)
    shape = lowering.shape(op.inputs[0])
    if shape and shape[-1] % SLICE_CHANNELS:
        node.misparsed = "top-k-slice" if shape[-1] > SLICE_CHANNELS else "top-k-aborts"
    elif vector_misread(lowering.graph, op):
        node.misparsed = "quantised-ranks"


def parse_select(lowering: Lowering, op: Op) -> None:
    """SELECT and SELECT_V2, whose condition is not aligned to the right of the result; that of SELECT should not be."""
    node = lowering.generic(op)
    condition, made = (lowering.shape(name) for name in (op.inputs[0], op.outputs[0]))
    if op.kind == "SELECT" and len(condition) == 1:  # one truth per row
        condition = (*condition, *(1,) * (len(made) - 1))
    if displaced(condition, made):
        node.misparsed = "select-condition"
    node.misparsed = constant_tensor_misread(lowering.graph, op, op.inputs[1:]) or node.misparsed


def parse_abs(lowering: Lowering, op: Op) -> None:
    """ABS, which for int16 takes no notice of scales."""
    lowering.generic(op).misparsed = one_operand_misread(lowering.graph, op)


def parse_prelu(lowering: Lowering, op: Op) -> None:
    """PRELU, whose slopes are a constant."""
    lowering.generic(op).misparsed = constant_data_misread(lowering.graph, op)


def parse_cast(lowering: Lowering, op: Op) -> None:
    """CAST, which ends at the smallest or largest number of a smaller type, where TFLite's kernel wraps around."""
    source, result = (lowering.graph.tensors[name] for name in (op.inputs[0], op.outputs[0]))
    node = Node(CAST_TO_FLOAT if result.dtype == "float32" else "CAST", op)
    node.misparsed = "cast-saturates" if loses_range(source.dtype, result.dtype) else ""
    lowering.finish(lowering.add(node, lowering.value(op.inputs[0])))


def parse_bitcast(lowering: Lowering, op: Op) -> None:
    """BITCAST."""
    source, result = (lowering.graph.tensors[name] for name in (op.inputs[0], op.outputs[0]))
    lowering.generic(op).misparsed = bitcast_misread(source, result)


def parse_cumsum(lowering: Lowering, op: Op) -> None:
    """CUMSUM over a constant axis, which is often taken for another."""
    node = lowering.generic(op)
    axis = lowering.constant(op, 1)
    if axis is not None:
        exclusive, reverse = bool(op.attrs.get("exclusive")), bool(op.attrs.get("reverse"))
        node.misparsed = cumsum_misread(lowering.shape(op.inputs[0]), int(np.ravel(axis)[0]), exclusive, reverse)
    node.misparsed = constant_data_misread(lowering.graph, op) or node.misparsed
