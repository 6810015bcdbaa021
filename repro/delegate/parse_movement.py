"""What the delegate's parsers make of ops that only move data: pad, slice, join and take apart.

Key insight: there is no PACK and no UNPACK in the delegate, only RESHAPE, CONCAT and SPLIT along a BHWC axis, and the
rows of a PAD's table are axes by their number, not by the tensor's rank.

Source: LiteRT's `ml_drift_delegate/tflite/model_builder.cc` (the operation parsers).
"""

from __future__ import annotations

import numpy as np

from cases.graph import Op
from repro.delegate.graph import MAX_RANK, Bhwc, Cut, Node, Pad, Value, axis_letters, constant_data
from repro.delegate.lowering import Lowering
from repro.delegate.misread_scales import lookup_misread
from repro.delegate.misread_types import (
    constant_data_misread,
    constant_tensor_misread,
    constant_that_aborts,
    is_of_whole_numbers,
)


def parse_pad(lowering: Lowering, op: Op) -> None:
    """PAD, PADV2 and MIRROR_PAD; a table of three rows is read as H, W and C with one batch on both sides."""
    source, table = lowering.value(op.inputs[0]), lowering.constant(op, 1)
    amounts = dict.fromkeys("BHWC", (0, 0))
    if table is not None:
        letters = {4: "BHWC", 3: "HWC"}.get(len(table), "")
        for letter, row in zip(letters, table, strict=False):
            amounts[letter] = (int(row[0]), int(row[1]))
        if len(table) == 3:
            amounts["B"] = (1, 1)
    fill = lowering.constant(op, 2) if op.kind == "PADV2" else None
    pad = Pad(amounts, 0.0 if fill is None else float(np.ravel(fill)[0]), op.kind == "MIRROR_PAD")
    node = lowering.add(Node("PAD", op, pad=pad), source)
    rank, batch = len(lowering.shape(op.inputs[0])), source.shape[0]
    if table is not None and rank == 3 and (batch > 1 or any(table[0])):
        node.misparsed = "pad-rank-3"
    elif table is not None and rank == 4 and batch == 1 and any(table[0]):
        node.misparsed = "pad-batch"
    if is_of_whole_numbers(lowering.graph.tensors[op.inputs[0]]):
        node.misparsed = "integer-pad"
    lowering.finish(node)


def parse_slice(lowering: Lowering, op: Op) -> None:
    """SLICE and STRIDED_SLICE."""
    source, is_strided = lowering.value(op.inputs[0]), op.kind == "STRIDED_SLICE"
    begin = lowering.constant(op, 1)
    starts = [int(start) for start in np.ravel(begin)] if begin is not None else [1]  # where unknown: not all of it
    steps = lowering.constant(op, 3) if is_strided else None
    unit_strides = steps is None or all(int(step) == 1 for step in np.ravel(steps))
    mask = int(op.attrs.get("begin_mask", 0)) if is_strided else 0
    begins_at_zero = all(start == 0 or mask >> axis & 1 for axis, start in enumerate(starts))
    letters = axis_letters(len(lowering.shape(op.inputs[0])))
    cut = Cut(
        starts=dict(zip(letters, starts, strict=True)) if len(letters) == len(starts) else {},
        unit_strides=unit_strides,
        takes_all=begins_at_zero and unit_strides and source.shape == lowering.value(op.outputs[0]).shape,
    )
    lowering.finish(lowering.add(Node("SLICE", op, cut=cut), source))


def parse_concat(lowering: Lowering, op: Op) -> None:
    """CONCATENATION; the delegate copies an input that is used twice."""
    inputs: dict[Value, None] = {}
    for name in op.inputs:
        value = lowering.data_value(op, name)
        if value in inputs:
            value = lowering.new_value(lowering.add(Node("COPY", op), value), value.shape)
        inputs[value] = None
    misparsed = constant_tensor_misread(lowering.graph, op, op.inputs)
    lowering.finish(lowering.add(Node("CONCAT", op, axis=_result_axis(lowering, op), misparsed=misparsed), *inputs))


def parse_pack(lowering: Lowering, op: Op) -> None:
    """PACK: each input is reshaped to one step along the new axis, unless it has that shape as it is."""
    target = lowering.value(op.outputs[0])
    if len(op.inputs) == 1:
        _as_reshape(lowering, op, *lowering.data_values(op))
        return
    axis = _result_axis(lowering, op)
    step = _one_step(target.shape, axis)
    inputs: list[Value] = []
    for name in op.inputs:
        value = lowering.data_value(op, name)
        inputs.append(value if value.shape == step else lowering.reshaped(value, op, step))
    misparsed = constant_tensor_misread(lowering.graph, op, op.inputs)
    lowering.finish(lowering.add(Node("CONCAT", op, axis=axis, misparsed=misparsed), *inputs))


def parse_unpack(lowering: Lowering, op: Op) -> None:
    """UNPACK: a SPLIT into single steps, each reshaped to its output unless it has that shape as it is."""
    source = lowering.value(op.inputs[0])
    if len(op.outputs) == 1:
        _as_reshape(lowering, op, source)
        return
    axis = lowering.axis_letter(op.inputs[0], int(op.attrs.get("axis", 0)))
    step = _one_step(source.shape, axis)
    misparsed = constant_data_misread(lowering.graph, op)
    split = lowering.add(Node("SPLIT", op, axis=axis, misparsed=misparsed), source)
    for name in op.outputs:
        target, maker = lowering.value(name), split
        if target.shape != step:
            maker = lowering.add(Node("RESHAPE", op, new_shape=target.shape), lowering.new_value(split, step))
        lowering.produce(maker, target)


def parse_split(lowering: Lowering, op: Op) -> None:
    """SPLIT (axis, tensor) and SPLIT_V (tensor, sizes, axis); one part is a RESHAPE."""
    tensor, axis_position = (1, 0) if op.kind == "SPLIT" else (0, 2)
    sources = lowering.data_values(op)
    if len(op.outputs) == 1:
        _as_reshape(lowering, op, *sources)
        return
    number = lowering.constant(op, axis_position)
    axis = lowering.axis_letter(op.inputs[tensor], int(np.ravel(number)[0])) if number is not None else ""
    misparsed = constant_data_misread(lowering.graph, op)
    split = lowering.add(Node("SPLIT", op, axis=axis, misparsed=misparsed), *sources)
    for name in op.outputs:
        lowering.produce(split, lowering.value(name))


def _as_reshape(lowering: Lowering, op: Op, *sources: Value) -> None:
    shape = lowering.value(op.outputs[0]).shape
    misparsed = constant_data_misread(lowering.graph, op)
    lowering.finish(lowering.add(Node("RESHAPE", op, new_shape=shape, misparsed=misparsed), *sources))


def _result_axis(lowering: Lowering, op: Op) -> str:
    """The BHWC axis of the op's `axis` in what it makes."""
    return lowering.axis_letter(op.outputs[0], int(op.attrs.get("axis", 0)))


def _one_step(shape: Bhwc, axis: str) -> Bhwc:
    """The shape of one step along an axis."""
    batch, height, width, channels = (1 if letter == axis else size for letter, size in zip("BHWC", shape, strict=True))
    return (batch, height, width, channels)


def parse_gather(lowering: Lowering, op: Op) -> None:
    """GATHER, which knows of no batch_dims: the indices of one batch serve all, and the result keeps its axis."""
    node = lowering.generic(op)
    batches, axis = int(op.attrs.get("batch_dims", 0)), int(op.attrs.get("axis", 0))
    shape = lowering.shape(op.inputs[0])
    kept = _one_step(lowering.value(op.inputs[0]).shape, lowering.axis_letter(op.inputs[0], axis))
    takes_others = shape[axis] > 1 and any(size > 1 for size in shape[:batches])
    if takes_others or (batches and kept != lowering.value(op.outputs[0]).shape):
        node.misparsed = "gather-batch"
    node.misparsed = constant_that_aborts(lowering.graph, op, op.inputs[:1]) or node.misparsed


def parse_lookup(lowering: Lowering, op: Op) -> None:
    """EMBEDDING_LOOKUP: GATHER of rows, whose integers have scales."""
    lowering.generic(op).misparsed = lookup_misread(lowering.graph, op)


def parse_one_hot(lowering: Lowering, op: Op) -> None:
    """ONE_HOT: of rank 3, [B,N,C] becomes B, H and W, and the indices lie in other places; of rank 0 nowhere.

    It counts along the channels, whatever the axis is. An axis with more than one index behind it is refused.
    """
    node = lowering.generic(op)
    shape, made = lowering.shape(op.inputs[0]), lowering.graph.tensors[op.outputs[0]]
    axis = int(op.attrs.get("axis", -1)) % (len(shape) + 1)
    is_elsewhere = axis < len(shape) and made.shape[axis] > 1
    if not shape or (len(shape) == 3 and shape[1] > 1) or is_elsewhere or made.dtype != "float32":
        node.misparsed = "one-hot-places"
    node.misparsed = constant_tensor_misread(lowering.graph, op, op.inputs[2:]) or node.misparsed
    if any(lowering.constant(op, place) is None for place in (2, 3)):
        node.misparsed = "one-hot-values-abort"


def parse_update(lowering: Lowering, op: Op) -> None:
    """DYNAMIC_UPDATE_SLICE, which reads tensors only, and looks for their first dimension in another place than it is.

    Those of rank 4 are where it looks for them.
    """
    node = lowering.generic(op)
    whole, part = (lowering.shape(name) for name in op.inputs[:2])
    if any(constant_data(lowering.graph, name) is not None for name in op.inputs[:2]):
        node.misparsed = "update-constant-aborts"
    elif len(whole) < MAX_RANK and whole[:1] != part[:1]:
        node.misparsed = "update-first-axis"


def parse_blocks(lowering: Lowering, op: Op) -> None:
    """DEPTH_TO_SPACE and SPACE_TO_DEPTH, whose kernels do not compile for a batch."""
    node = lowering.generic(op)
    if lowering.shape(op.inputs[0])[0] > 1:
        node.misparsed = "batched-blocks"
