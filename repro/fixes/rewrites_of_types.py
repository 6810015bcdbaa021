"""Ops that the delegate misreads for the type or the rank of an operand, in a form that it reads right.

Key insight: what a kernel does not do for whole numbers another kernel does: a clamp is a MAXIMUM and a MINIMUM, a
border is a CONCATENATION. And an operand of the rank of the result is read along the axes that it means.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from cases.edit import GraphEdit, renamed, with_attributes, with_operand
from cases.graph import Op
from cases.tflite.extras import on_grid
from repro.delegate.graph import constant_data
from repro.delegate.parse_windows import BIASES
from repro.hazards.hazard import Hazard

_BOUNDS = {"RELU": (0, None), "RELU6": (0, 6), "RELU_N1_TO_1": (-1, 1)}


def _transposed_valid(edit: GraphEdit, hazard: Hazard) -> str:
    """All of what TRANSPOSE_CONV makes without padding, and the part of it that SAME stands for."""
    assert hazard.ops is not None
    op = hazard.ops[0]
    output = op.outputs[0]
    batch, *sizes, channels = edit.tensors[output].shape
    images, weights = edit.tensors[op.inputs[2]].shape[1:3], edit.tensors[op.inputs[1]].shape[1:3]
    strides = (int(op.attrs.get("stride_h", 1)), int(op.attrs.get("stride_w", 1)))
    made = [(n - 1) * stride + kernel for n, kernel, stride in zip(images, weights, strides, strict=True)]
    first = [max(0, whole - size) // 2 for whole, size in zip(made, sizes, strict=True)]
    shape = (batch, *(max(whole, size) for whole, size in zip(made, sizes, strict=True)), channels)
    whole = edit.tensor_like(output, shape)
    size = edit.constant(op.inputs[0], np.array(shape, np.int32))
    valid = with_attributes(renamed(with_operand(op, 0, size), outputs={output: whole}), padding="VALID")
    changed = edit.swap(op, valid)
    begin = edit.constant(f"{output}/begin", np.array((0, *first, 0), np.int32))
    extent = edit.constant(f"{output}/size", np.array(edit.tensors[output].shape, np.int32))
    edit.insert_after(changed, Op("SLICE", (whole, begin, extent), (output,)))
    return f"TRANSPOSE_CONV without padding, of which a SLICE takes '{output}'"


def _clamped(edit: GraphEdit, hazard: Hazard) -> str:
    """The activation as a MAXIMUM and a MINIMUM with whole numbers."""
    assert hazard.ops is not None
    op = hazard.ops[0]
    output, activation = op.outputs[0], op.attrs["fused_activation_function"]
    bare = edit.tensor_like(output)
    last = edit.swap(op, with_attributes(renamed(op, outputs={output: bare}), fused_activation_function="NONE"))
    bounds = [(kind, bound) for kind, bound in zip(("MAXIMUM", "MINIMUM"), _BOUNDS[activation], strict=True)]
    steps = [(kind, bound) for kind, bound in bounds if bound is not None]
    for place, (kind, bound) in enumerate(steps):
        made = output if place == len(steps) - 1 else edit.tensor_like(output)
        limit = edit.constant(f"{output}/bound", np.array(bound, edit.tensors[output].dtype))
        clamp = Op(kind, (bare, limit), (made,))
        edit.insert_after(last, clamp)
        bare, last = made, clamp
    return f"{' and '.join(kind for kind, _ in steps)} in the place of the {activation} of '{output}'"


def _border_joined(edit: GraphEdit, hazard: Hazard) -> str:
    """The border put beside the tensor, axis by axis, as a constant in a CONCATENATION."""
    assert hazard.ops is not None
    op = hazard.ops[0]
    table, source, output = constant_data(edit.graph, op.inputs[1]), op.inputs[0], op.outputs[0]
    dtype = edit.tensors[source].dtype
    if table is None or op.kind == "MIRROR_PAD" or dtype == "int16":  # of which no constant is read
        return ""
    fill = constant_data(edit.graph, op.inputs[2]) if op.kind == "PADV2" else np.zeros((), dtype)
    axes = [axis for axis, amounts in enumerate(table) if amounts.any()]
    if fill is None or not axes:
        return ""
    for axis in axes:
        shape = list(edit.tensors[source].shape)

        def border(amount: int, shape: list[int] = shape, axis: int = axis) -> list[str]:
            extent = (*shape[:axis], amount, *shape[axis + 1 :])
            return [edit.constant(f"{output}/border", np.full(extent, fill, dtype))] if amount else []

        before, behind = (int(amount) for amount in table[axis])
        wider = (*shape[:axis], shape[axis] + before + behind, *shape[axis + 1 :])
        made = output if axis == axes[-1] else edit.tensor_like(source, wider)
        parts = (*border(before), source, *border(behind))
        edit.insert_before(op, Op("CONCATENATION", parts, (made,), {"axis": axis, "fused_activation_function": "NONE"}))
        source = made
    edit.ops.remove(op)
    return f"'{output}' is put together of '{op.inputs[0]}' and its border"


def _float_constant(edit: GraphEdit, hazard: Hazard) -> str:
    """The op reads its float16 constants as float32 ones."""
    assert hazard.ops is not None
    op = hazard.ops[0]
    changed, held = op, []
    for place, name in enumerate(op.inputs):
        data = constant_data(edit.graph, name) if name in edit.graph.producers else None
        if data is not None:
            changed = with_operand(changed, place, edit.constant(name, data.astype(np.float32)))
            held.append(f"'{name}'")
    edit.swap(op, changed)
    read = {name for other in edit.ops for name in other.inputs} | set(edit.graph.outputs)
    edit.ops = [other for other in edit.ops if other.kind != "DEQUANTIZE" or other.outputs[0] in read]
    return f"{', '.join(held)} kept in float32 for {op.kind}"


def _one_hot_vector(edit: GraphEdit, hazard: Hazard) -> str:
    """ONE_HOT of the indices as a vector."""
    assert hazard.ops is not None
    op = hazard.ops[0]
    indices, output = op.inputs[0], op.outputs[0]
    shape, declared = edit.tensors[indices].shape, edit.tensors[output].shape
    axis = int(op.attrs.get("axis", -1)) % len(declared)
    if math.prod(shape[axis:]) != 1 or edit.tensors[output].dtype != "float32":
        return ""
    count = int(np.prod(shape))
    vector = edit.reshape_before(op, indices, (count,))
    changed = edit.swap(op, with_attributes(renamed(op, inputs={indices: vector}), axis=-1))
    edit.reshape_after(changed, output, (count, declared[axis]))
    return f"ONE_HOT reads '{indices}' as [{count}]"


def _condition_of_rank(edit: GraphEdit, hazard: Hazard) -> str:
    """The condition gets the rank of the result."""
    assert hazard.ops is not None
    op = hazard.ops[0]
    condition = op.inputs[0]
    shape, rank = edit.tensors[condition].shape, len(edit.tensors[op.outputs[0]].shape)
    wide = (*(1,) * (rank - len(shape)), *shape)
    edit.swap(op, renamed(op, inputs={condition: edit.reshape_before(op, condition, wide)}))
    return f"{op.kind} reads '{condition}' as {list(wide)}"


def _weights_as_read(edit: GraphEdit, hazard: Hazard) -> str:
    """The constant matrix lies in the file as it is multiplied, and a TRANSPOSE turns the other operand."""
    assert hazard.ops is not None
    op = hazard.ops[0]
    left, right = op.inputs
    if op.attrs.get("adj_y"):
        tensor = edit.tensors[right]
        matrix = constant_data(edit.graph, right) if tensor.data is None else tensor.data
        scales = getattr(getattr(tensor.raw, "quantization", None), "scale", None)
        if matrix is None or (scales is not None and len(scales) > 1):
            return ""
        right = edit.constant_like(right, np.ascontiguousarray(matrix.T))
    if op.attrs.get("adj_x"):
        *batch, depth, rows = edit.tensors[left].shape
        turned = edit.tensor_like(left, (*batch, rows, depth))
        order = np.array([*range(len(batch)), len(batch) + 1, len(batch)], np.int32)
        edit.insert_before(op, Op("TRANSPOSE", (left, edit.constant(f"{left}/order", order)), (turned,)))
        left = turned
    edit.swap(op, with_attributes(replace(op, inputs=(left, right)), adj_x=False, adj_y=False))
    return f"BATCH_MATMUL multiplies '{left}' and '{right}' as they are"


def _strided_before(edit: GraphEdit, hazard: Hazard) -> str:
    """A STRIDED_SLICE takes the pixels that a convolution of one pixel reads."""
    assert hazard.ops is not None
    op = hazard.ops[0]
    source = op.inputs[0]
    shape, made = edit.tensors[source].shape, edit.tensors[op.outputs[0]].shape
    if shape[3] != edit.tensors[op.inputs[1]].shape[3]:  # in groups
        return ""
    steps = (1, int(op.attrs.get("stride_h", 1)), int(op.attrs.get("stride_w", 1)), 1)
    taken = edit.tensor_like(source, (shape[0], *made[1:3], shape[3]))
    cut = [edit.constant(f"{source}/cut", np.array(numbers, np.int32)) for numbers in ((0,) * 4, shape, steps)]
    edit.insert_before(op, Op("STRIDED_SLICE", (source, *cut), (taken,)))
    edit.swap(op, with_attributes(renamed(op, inputs={source: taken}), stride_h=1, stride_w=1))
    return f"CONV_2D reads every pixel of a STRIDED_SLICE of '{source}'"


def _cast_before(edit: GraphEdit, hazard: Hazard) -> str:
    """The op reads its truths as whole numbers."""
    assert hazard.ops is not None
    op = hazard.ops[0]
    source = op.inputs[0]
    whole = edit.whole_numbers_before(op, source)
    edit.swap(op, renamed(op, inputs={source: whole}))
    return f"{op.kind} reads '{source}' as int32"


def _cast_twice(edit: GraphEdit, hazard: Hazard) -> str:
    """The CAST once more, for those who read it, so that nobody reads the one that is an output."""
    assert hazard.ops is not None
    cast = hazard.ops[0]
    output = cast.outputs[0]
    own = edit.tensor_like(output)
    for op in list(edit.ops):
        if output in op.inputs:
            edit.swap(op, renamed(op, inputs={output: own}))
    edit.insert_after(cast, renamed(cast, outputs={output: own}))
    return f"'{output}' is cast twice, once for those who read it"


def _scale_per_row(edit: GraphEdit, hazard: Hazard) -> str:
    """The table with its one scale written once per row."""
    assert hazard.ops is not None
    op = hazard.ops[0]
    table = edit.tensors[op.inputs[1]]
    record, rows = table.raw.quantization, table.shape[0]
    of_rows = on_grid(np.repeat(record.scale, rows), np.repeat(record.zeroPoint, rows), 0)
    scaled = replace(table, raw=replace(table.raw, quantization=of_rows.quantization))
    edit.swap(op, with_operand(op, 1, edit.variant(scaled)))
    return f"'{table.name}' has its scale once per row"


def _table_of_rank_2(edit: GraphEdit, hazard: Hazard) -> str:
    """The table with its rows as vectors, and a RESHAPE behind the op."""
    assert hazard.ops is not None
    op = hazard.ops[0]
    ids, name = op.inputs
    table, output = edit.tensors[name], op.outputs[0]
    record = getattr(table.raw, "quantization", None)
    if table.data is None or len(table.shape) < 2 or (record is not None and record.quantizedDimension != 0):
        return ""
    rows, depth = table.shape[0], int(np.prod(table.shape[1:]))
    flat = edit.variant(replace(table, shape=(rows, depth), data=table.data.reshape(rows, depth)))
    changed = edit.swap(op, with_operand(op, 1, flat))
    edit.reshape_after(changed, output, (edit.tensors[ids].shape[0], depth))
    return f"'{name}' is [{rows}, {depth}], and a RESHAPE gives '{output}' its shape"


def _computed_bias_behind(edit: GraphEdit, hazard: Hazard) -> str:
    """The op with a bias of zeros, and an ADD of its own, with the activation, behind it."""
    assert hazard.ops is not None
    op = hazard.ops[0]
    bias, output, rank = op.inputs[BIASES[op.kind]], op.outputs[0], len(edit.tensors[op.outputs[0]].shape)
    if any(edit.tensors[name].dtype != "float32" for name in (bias, output)):
        return ""
    channels = edit.tensors[bias].shape[-1]
    zeros, product = edit.constant(f"{bias}/zeros", np.zeros(channels, np.float32)), edit.tensor_like(output)
    bare = with_attributes(renamed(op, outputs={output: product}), fused_activation_function="NONE")
    made = edit.swap(op, with_operand(bare, BIASES[op.kind], zeros))
    activation = {"fused_activation_function": op.attrs.get("fused_activation_function", "NONE")}
    total = Op("ADD", (product, bias), (output,), activation)
    edit.insert_after(made, total)
    edit.swap(total, with_operand(total, 1, edit.reshape_before(total, bias, (*(1,) * (rank - 1), channels))))
    return f"an ADD gives '{output}' its bias"


TYPE_REWRITES: dict[str, Callable[[GraphEdit, Hazard], str]] = {
    "transposed-valid": _transposed_valid,
    "clamped": _clamped,
    "border-joined": _border_joined,
    "float-constant": _float_constant,
    "one-hot-vector": _one_hot_vector,
    "condition-of-rank": _condition_of_rank,
    "weights-as-read": _weights_as_read,
    "strided-before": _strided_before,
    "cast-before": _cast_before,
    "cast-twice": _cast_twice,
    "scale-per-row": _scale_per_row,
    "table-of-rank-2": _table_of_rank_2,
    "computed-bias-behind": _computed_bias_behind,
}
