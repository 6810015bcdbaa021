"""What the delegate's parsers make of elementwise ops, reductions, SOFTMAX, ARG_MAX, CUMSUM and BATCH_MATMUL.

Key insight: an op is taken for another by the look of its operands: `x*x` is a SQUARE, `x+x` a multiply by two, and
one with a constant has a single input. And the rank decides along which axis a constant or a running sum lies.

Source: LiteRT's `ml_drift_delegate/tflite/model_builder.cc` (the operation parsers).
"""

from __future__ import annotations

import numpy as np

from cases.graph import Op
from repro.delegate.graph import SLICE_CHANNELS, Bhwc, Node, Operand, OperandForm, broadcast_bhwc, constant_data
from repro.delegate.kinds import node_kind
from repro.delegate.lowering import Lowering
from repro.delegate.misread_axes import constant_misread, cumsum_misread, product_misses_batch
from repro.delegate.misread_scales import pair_misread

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
    if np.issubdtype(data.dtype, np.floating):
        shape = lowering.shape(constant)
        node.operand = Operand(_form(data, shape), data, constant_comes_first)
        if constant_misread(data.reshape(shape), lowering.shape(tensor), lowering.shape(op.outputs[0])):
            node.misparsed = "constant-axis"
        lowering.add(node, source)
    elif data.size == 1:
        node.operand = Operand(OperandForm.INTEGER, data)
        lowering.add(node, source)
    else:
        lowering.add(node, source, lowering.data_value(op, constant))
    lowering.finish(node)


def _form(data: np.ndarray, shape: tuple[int, ...]) -> OperandForm:
    if data.size == 1:
        return OperandForm.SCALAR
    return OperandForm.LINEAR if all(size == 1 for size in shape[:-1]) else OperandForm.BHWC


def _of_two_tensors(lowering: Lowering, op: Op) -> None:
    kind, names = node_kind(op.kind), list(op.inputs)
    first, second = (lowering.shape(name) for name in names)
    if kind in ("ADD", "MUL") and _fits(broadcast_bhwc(first), broadcast_bhwc(second)):
        names.reverse()  # the parser wants the larger tensor first, and swaps equal ones too
    misparsed = pair_misread(lowering.graph, op)
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
    node = lowering.add(Node(node_kind(op.kind), op, axes=axes), source)
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
    """BATCH_MATMUL, whose operands are to have one batch."""
    node = lowering.generic(op)
    left, right = (lowering.shape(name) for name in op.inputs[:2])
    adj_x, adj_y = bool(op.attrs.get("adj_x")), bool(op.attrs.get("adj_y"))
    if product_misses_batch(left, right, adj_x, adj_y, lowering.constant(op, 1) is not None):
        node.misparsed = "batch-matmul-broadcast"


def parse_arg_max(lowering: Lowering, op: Op) -> None:
    """ARG_MAX: over the channels, the lanes behind the last one take part, and an index that does not exist may win."""
    node = lowering.generic(op)
    axis = lowering.constant(op, 1)
    if axis is None or lowering.axis_letter(op.inputs[0], int(np.ravel(axis)[0])) != "C":
        return
    source = lowering.value(op.inputs[0])
    if source.shape[3] % SLICE_CHANNELS and not (source.producer and source.producer.kind in NEVER_BELOW_ITS_LANES):
        node.misparsed = "arg-max-lanes"


def parse_cumsum(lowering: Lowering, op: Op) -> None:
    """CUMSUM over a constant axis, which is often taken for another."""
    node = lowering.generic(op)
    axis = lowering.constant(op, 1)
    if axis is not None:
        exclusive, reverse = bool(op.attrs.get("exclusive")), bool(op.attrs.get("reverse"))
        node.misparsed = cumsum_misread(lowering.shape(op.inputs[0]), int(np.ravel(axis)[0]), exclusive, reverse)
