"""Ops that the delegate parses wrong, written in a form that it parses right.

Key insight: each of these ops has another form with the same products and sums: the same data at rank 4, a
kernel with a column of zeros, block-diagonal weights. Adding zeros changes no bit of a finite sum, and a
RESHAPE moves nothing, so cpu results stay what they were.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from cases.edit import GraphEdit, renamed, with_attributes, with_operand
from cases.evaluation.quantised import constant_of, grid_of
from cases.graph import Op
from repro.delegate.graph import MAX_RANK, broadcast_bhwc, constant_data
from repro.hazards.hazard import Hazard
from runner import memory


def _elements(edit: GraphEdit, name: str) -> np.ndarray | None:
    """The elements of a constant, as `GraphEdit.constant_like` takes them; None for a tensor that is computed."""
    tensor = edit.tensors[name]
    return constant_data(edit.graph, name) if tensor.data is None else constant_of(tensor)


def _zeros(edit: GraphEdit, name: str, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Elements that stand for zero in a tensor of this shape on the grid of `name`."""
    grid = grid_of(edit.tensors[name])
    return np.array(np.broadcast_to(0 if grid is None else grid.zero_point, shape), dtype)


def _align_ranks(edit: GraphEdit, hazard: Hazard) -> str:
    """Both operands at rank 4, aligned to the right; a batch that only the constant has is made by CONCAT."""
    assert hazard.ops is not None
    op = hazard.ops[0]
    constant, runtime = sorted(op.inputs, key=lambda name: constant_data(edit.graph, name) is None)
    data = _elements(edit, constant)
    output = op.outputs[0]
    result = edit.tensors[output].shape
    if data is None or len(result) > MAX_RANK:
        return ""
    wide = broadcast_bhwc(tuple(result))
    shape = broadcast_bhwc(tuple(edit.tensors[runtime].shape))
    fixed = edit.constant_like(constant, np.ascontiguousarray(data.reshape(broadcast_bhwc(tuple(data.shape)))))
    source = runtime
    if tuple(edit.tensors[runtime].shape) != shape:
        source = edit.reshape_before(op, runtime, shape)
    if wide[0] != 1 and shape[0] == 1:
        copies = edit.tensor_like(source, (wide[0], *shape[1:]))
        attrs = {"axis": 0, "fused_activation_function": "NONE"}
        edit.insert_before(op, Op("CONCATENATION", (source,) * wide[0], (copies,), attrs))
        source = copies
    changed = edit.swap(op, renamed(op, inputs={constant: fixed, runtime: source}))
    if tuple(result) != wide:
        edit.reshape_after(changed, output, wide)
    return f"{op.kind} works on rank 4, so that '{runtime}' and the constant are read along the same axes"


def _two_dimensions(edit: GraphEdit, hazard: Hazard) -> str:
    """FULLY_CONNECTED on [batch, depth], which is what it computes anyway."""
    assert hazard.ops is not None
    op = hazard.ops[0]
    source, depth = op.inputs[0], int(edit.tensors[op.inputs[1]].shape[1])
    rows = int(np.prod(edit.tensors[source].shape)) // depth
    wide = (rows, int(edit.tensors[op.inputs[1]].shape[0]))
    flat = edit.reshape_before(op, source, (rows, depth))
    changed = edit.swap(op, with_attributes(renamed(op, inputs={source: flat}), keep_num_dims=False))
    if tuple(edit.tensors[op.outputs[0]].shape) != wide:
        edit.reshape_after(changed, op.outputs[0], wide)
    return f"FULLY_CONNECTED reads '{source}' as [{rows}, {depth}]"


def _bias_behind(edit: GraphEdit, hazard: Hazard) -> str:
    """The product alone, and an ADD of the bias with the activation behind it."""
    assert hazard.ops is not None
    op = hazard.ops[0]
    if grid_of(edit.tensors[op.outputs[0]]) is not None:
        return _real_bias_behind(edit, op)
    product = edit.tensor_like(op.outputs[0])
    activation = op.attrs.get("fused_activation_function", "NONE")
    bare = with_attributes(renamed(op, outputs={op.outputs[0]: product}), fused_activation_function="NONE")
    made = edit.swap(op, replace(bare, inputs=op.inputs[:2]))
    total = Op("ADD", (product, op.inputs[2]), op.outputs, {"fused_activation_function": activation})
    edit.insert_after(made, total)
    return f"an ADD gives '{op.outputs[0]}' its bias"


def _real_bias_behind(edit: GraphEdit, op: Op) -> str:
    """The same between DEQUANTIZE and QUANTIZE: no grid is known that holds the product without its bias."""
    bias, output = edit.tensors[op.inputs[2]], op.outputs[0]
    grid, steps = grid_of(bias), constant_of(bias)
    if grid is None or steps is None:
        return ""
    activation = op.attrs.get("fused_activation_function", "NONE")
    shape = edit.tensors[output].shape
    total, product = edit.tensor(output, shape), edit.tensor(output, shape)
    x, weights = (edit.dequantised_before(op, name) for name in op.inputs[:2])
    bare = with_attributes(replace(op, inputs=(x, weights), outputs=(product,)), fused_activation_function="NONE")
    made = edit.swap(op, bare)
    edit.insert_after(made, Op("QUANTIZE", (total,), (output,)))
    real = edit.constant(op.inputs[2], grid.real(steps).astype(np.float32))
    edit.insert_after(made, Op("ADD", (product, real), (total,), {"fused_activation_function": activation}))
    return f"'{output}' is computed in real numbers, and an ADD gives it its bias"


def _row_softmax(edit: GraphEdit, hazard: Hazard) -> str:
    """[C] is normalised as [1,C]."""
    assert hazard.ops is not None
    op = hazard.ops[0]
    source, row = op.inputs[0], (1, *edit.tensors[op.inputs[0]].shape)
    changed = edit.swap(op, renamed(op, inputs={source: edit.reshape_before(op, source, row)}))
    edit.reshape_after(changed, op.outputs[0], row)
    return f"SOFTMAX reads '{source}' as {list(row)}"


def _arg_max_width(edit: GraphEdit, hazard: Hazard) -> str:
    """The channels become the third of four dimensions, of which no lane is unused."""
    assert hazard.ops is not None
    op = hazard.ops[0]
    source, output = op.inputs[0], op.outputs[0]
    shape, declared = edit.tensors[source].shape, tuple(edit.tensors[output].shape)
    rows = int(np.prod(shape[:-1]))
    wide = edit.reshape_before(op, source, (1, rows, shape[-1], 1))
    axis = edit.constant(op.inputs[1], np.array(2, np.int32))
    changed = edit.swap(op, with_operand(with_operand(op, 0, wide), 1, axis))
    if declared != (1, rows, 1):
        edit.reshape_after(changed, output, (1, rows, 1))
    return f"ARG_MAX works on '{source}' as [1, {rows}, {shape[-1]}, 1]"


def _repeat_batch(edit: GraphEdit, hazard: Hazard) -> str:
    """Both operands of a BATCH_MATMUL get the batch of the result, tensors by CONCATENATIONs."""
    assert hazard.ops is not None
    op = hazard.ops[0]
    batch = tuple(edit.tensors[op.outputs[0]].shape[:-2])
    changed, repeated = op, []
    for place, name in enumerate(op.inputs[:2]):
        shape = tuple(edit.tensors[name].shape)
        wanted = (*batch, *shape[-2:])
        if shape == wanted:
            continue
        memory.require(int(np.prod(wanted)) * 8, f"copies of '{name}' along its batch")
        data = _elements(edit, name)
        if data is not None:
            repeat = edit.constant_like(name, np.ascontiguousarray(np.broadcast_to(data, wanted)))
        else:
            repeat = _copies(edit, op, name, wanted)
        changed = with_operand(changed, place, repeat)
        repeated.append(f"'{name}'")
    edit.swap(op, changed)
    return f"{' and '.join(repeated)} {'is' if len(repeated) == 1 else 'are'} repeated along the batch of BATCH_MATMUL"


def at_rank(edit: GraphEdit, op: Op, name: str, rank: int) -> str:
    """A tensor with dimensions of 1 in front up to a rank, in front of `op`; the name to read."""
    shape = tuple(edit.tensors[name].shape)
    return edit.reshape_before(op, name, (*(1,) * (rank - len(shape)), *shape)) if len(shape) < rank else name


def _copies(edit: GraphEdit, op: Op, name: str, wanted: tuple[int, ...]) -> str:
    """The tensor broadcast to a shape, by one CONCATENATION of copies per dimension that grows."""
    current = at_rank(edit, op, name, len(wanted))
    aligned = tuple(edit.tensors[current].shape)
    for axis, (size, extent) in enumerate(zip(aligned, wanted, strict=True)):
        if size != extent:
            wider = edit.tensor_like(current, (*wanted[: axis + 1], *aligned[axis + 1 :]))
            attrs = {"axis": axis, "fused_activation_function": "NONE"}
            edit.insert_before(op, Op("CONCATENATION", (current,) * extent, (wider,), attrs))
            current = wider
    return current


def _cumsum_height(edit: GraphEdit, hazard: Hazard) -> str:
    """Sums over the second of four dimensions: [in front, axis, 1, behind], which is the height of BHWC."""
    assert hazard.ops is not None
    op = hazard.ops[0]
    source, table = op.inputs[0], constant_data(edit.graph, op.inputs[1])
    if table is None:
        return ""
    shape = tuple(edit.tensors[source].shape)
    axis = int(np.ravel(table)[0]) % len(shape)
    if len(shape) == 4 and axis > 0:
        own_axis = edit.constant(op.inputs[1], np.array(axis, np.int32))
        edit.swap(op, renamed(op, inputs={op.inputs[1]: own_axis}))
        return f"CUMSUM of '{source}' has its axis written as {axis}"
    as_rank_4 = (int(np.prod(shape[:axis])), shape[axis], 1, int(np.prod(shape[axis + 1 :])))
    second = edit.constant(op.inputs[1], np.array(1, np.int32))
    inputs = {source: edit.reshape_before(op, source, as_rank_4), op.inputs[1]: second}
    changed = edit.swap(op, renamed(op, inputs=inputs))
    edit.reshape_after(changed, op.outputs[0], as_rank_4)
    return f"CUMSUM sums over the second dimension of '{source}' as {list(as_rank_4)}"


def _stacked_images(edit: GraphEdit, hazard: Hazard) -> str:
    """[B,H,W,C] is one image [1,B*H,W,C]: its blocks are the same, since each image has whole blocks."""
    assert hazard.ops is not None
    op = hazard.ops[0]
    source = op.inputs[0]
    batch, height, *rest = edit.tensors[source].shape
    stacked = edit.reshape_before(op, source, (1, batch * height, *rest))
    changed = edit.swap(op, renamed(op, inputs={source: stacked}))
    batch, height, *rest = edit.tensors[op.outputs[0]].shape
    edit.reshape_after(changed, op.outputs[0], (1, batch * height, *rest))
    return f"{op.kind} works on the images of '{source}' below each other"


def _pad_rank_4(edit: GraphEdit, hazard: Hazard) -> str:
    """[B,N,C] is padded as [1,B,N,C]."""
    assert hazard.ops is not None
    op = hazard.ops[0]
    source, table = op.inputs[0], constant_data(edit.graph, op.inputs[1])
    if table is None:
        return ""
    rows = np.concatenate([np.zeros((1, 2), table.dtype), table])
    whole = edit.reshape_before(op, source, (1, *edit.tensors[source].shape))
    inputs = {source: whole, op.inputs[1]: edit.constant(op.inputs[1], rows)}
    changed = edit.swap(op, renamed(op, inputs=inputs))
    edit.reshape_after(changed, op.outputs[0], (1, *edit.tensors[op.outputs[0]].shape))
    return f"{op.kind} works on '{source}' at rank 4"


def _update_rank_4(edit: GraphEdit, hazard: Hazard) -> str:
    """Tensor and part get dimensions of 1 in front, and the start index zeros."""
    assert hazard.ops is not None
    op = hazard.ops[0]
    whole, part, start = op.inputs
    ones = (1,) * (MAX_RANK - len(edit.tensors[whole].shape))
    zeros = edit.constant(f"{start}/zeros", np.zeros(len(ones), edit.tensors[start].dtype))
    index = edit.tensor_like(start, (MAX_RANK,))
    edit.insert_before(op, Op("CONCATENATION", (zeros, start), (index,), {"axis": 0}))
    inputs = {name: edit.reshape_before(op, name, (*ones, *edit.tensors[name].shape)) for name in (whole, part)}
    changed = edit.swap(op, renamed(op, inputs={**inputs, start: index}))
    edit.reshape_after(changed, op.outputs[0], (*ones, *edit.tensors[op.outputs[0]].shape))
    return f"DYNAMIC_UPDATE_SLICE works on '{whole}' at rank 4"


def _pad_batch_as_height(edit: GraphEdit, hazard: Hazard) -> str:
    """[1,H,W,C] is padded in height, width and channels as it is, then in its batch as [1,1,H,W*C]."""
    assert hazard.ops is not None
    op = hazard.ops[0]
    table = constant_data(edit.graph, op.inputs[1])
    if table is None:
        return ""
    source, output = op.inputs[0], op.outputs[0]
    inner = np.array(table)
    inner[0] = 0
    batches, *rest = edit.tensors[output].shape
    current = source
    if inner.any():
        current = edit.tensor_like(source, (1, *rest))
        amounts = edit.constant(op.inputs[1], inner)
        edit.insert_before(op, renamed(op, inputs={op.inputs[1]: amounts}, outputs={output: current}))
    flat = edit.reshape_before(op, current, (1, 1, rest[0], rest[1] * rest[2]))
    outer = np.zeros_like(inner)
    outer[1] = table[0]
    changed = edit.swap(op, renamed(op, inputs={source: flat, op.inputs[1]: edit.constant(op.inputs[1], outer)}))
    edit.reshape_after(changed, output, (1, batches, rest[0], rest[1] * rest[2]))
    return f"the batch of '{source}' is padded as a height"


def _wider_kernel(edit: GraphEdit, hazard: Hazard) -> str:
    """A 1x1 depthwise kernel becomes 1x2 with a column of zeros; SAME padding keeps the windows where they were."""
    assert hazard.ops is not None
    op = hazard.ops[0]
    weights = _elements(edit, op.inputs[1])
    if weights is None:
        return ""
    column = _zeros(edit, op.inputs[1], weights.shape, weights.dtype)
    wide = np.concatenate([weights, column], axis=2)
    width, stride = int(edit.tensors[op.inputs[0]].shape[2]), int(op.attrs.get("stride_w", 1))
    total = max(0, (-(-width // stride) - 1) * stride + 2 - width)
    assert total // 2 == 0  # a window of two is padded by one column at most, behind
    changed = renamed(op, inputs={op.inputs[1]: edit.constant_like(op.inputs[1], wide)})
    edit.swap(op, with_attributes(changed, padding="SAME", dilation_w_factor=1, dilation_h_factor=1))
    return "the 1x1 depthwise kernel is 1x2, with a column of zeros"


def _dense_weights(edit: GraphEdit, hazard: Hazard) -> str:
    """A grouped CONV_2D becomes one over all channels, whose weights are zero between groups."""
    assert hazard.ops is not None
    op = hazard.ops[0]
    weights = _elements(edit, op.inputs[1])
    if weights is None:
        return ""
    out, height, width, taken = weights.shape
    channels = int(edit.tensors[op.inputs[0]].shape[3])
    made = out // (channels // taken)
    memory.require(out * height * width * channels * weights.itemsize, f"weights of all groups of '{op.outputs[0]}'")
    dense = _zeros(edit, op.inputs[1], (out, height, width, channels), weights.dtype)
    for filters in range(0, out, made):
        first = filters // made * taken
        dense[filters : filters + made, :, :, first : first + taken] = weights[filters : filters + made]
    edit.swap(op, renamed(op, inputs={op.inputs[1]: edit.constant_like(op.inputs[1], dense)}))
    return (
        f"{channels // taken} groups are one CONV_2D with block-diagonal weights ({channels // taken} times as large)"
    )


def _own_operand(edit: GraphEdit, hazard: Hazard) -> str:
    """Each further reading of the tensor gets an identity TRANSPOSE of its own."""
    assert hazard.ops is not None
    op = hazard.ops[0]
    changed, seen = op, set()
    for position, name in enumerate(op.inputs):
        if name in seen and constant_data(edit.graph, name) is None:
            changed = with_operand(changed, position, edit.identity_transpose(op, name))
        seen.add(name)
    edit.swap(op, changed)
    return f"each operand of {op.kind} is a tensor of its own, by identity TRANSPOSEs"


def _clear_lanes(edit: GraphEdit, hazard: Hazard) -> str:
    """A TILE by ones in front of the op that sums: it copies the channels alone and leaves the other lanes clear."""
    assert hazard.ops is not None
    op = hazard.ops[1]
    position = 2 if op.kind == "TRANSPOSE_CONV" else 0
    name = op.inputs[position]
    ones = edit.constant(f"{name}/ones", np.ones(len(edit.tensors[name].shape), np.int32))
    cleared = edit.tensor_like(name)
    edit.insert_before(op, Op("TILE", (name, ones), (cleared,)))
    edit.swap(op, with_operand(op, position, cleared))
    return f"a TILE by ones stands between '{name}' and {op.kind}"


REWRITES: dict[str, Callable[[GraphEdit, Hazard], str]] = {
    "align-ranks": _align_ranks,
    "two-dimensions": _two_dimensions,
    "bias-behind": _bias_behind,
    "row-softmax": _row_softmax,
    "repeat-batch": _repeat_batch,
    "arg-max-width": _arg_max_width,
    "cumsum-height": _cumsum_height,
    "stacked-images": _stacked_images,
    "pad-rank-4": _pad_rank_4,
    "update-rank-4": _update_rank_4,
    "pad-batch-as-height": _pad_batch_as_height,
    "wider-kernel": _wider_kernel,
    "dense-weights": _dense_weights,
    "own-operand": _own_operand,
    "clear-lanes": _clear_lanes,
}
