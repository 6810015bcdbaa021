"""Ops that only move data: every output element is one input element, or a fill value. No arithmetic is needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cases.evaluation.elementwise import activated
from cases.evaluation.step import Step, Value
from cases.graph import GraphError
from cases.shapes import axis_of


def reshape(step: Step) -> Sequence[Value]:
    return (step[0].reshape(step.shape()),)


def transpose(step: Step) -> Sequence[Value]:
    return (np.asarray(step[0].transpose(step.ints(1)), order="C"),)


def concatenation(step: Step) -> Sequence[Value]:
    parts = [step[i] for i in range(len(step.op.inputs))]
    return (activated(step, np.concatenate(parts, axis=step.attrs.get("axis", 0))),)


def pad(step: Step) -> Sequence[Value]:
    fill = step.optional(2) if step.op.kind == "PADV2" else None
    value = 0 if fill is None else np.asarray(fill).reshape(-1)[0]
    return (np.pad(step[0], np.asarray(step.ints(1)).reshape(-1, 2), constant_values=value),)


def mirror_pad(step: Step) -> Sequence[Value]:
    mode: Any = {"REFLECT": "reflect", 0: "reflect"}.get(step.attrs.get("mode", 0), "symmetric")
    return (np.pad(step[0], np.asarray(step.ints(1)).reshape(-1, 2), mode=mode),)


def slice_by_sizes(step: Step) -> Sequence[Value]:
    """SLICE: so many elements from a begin on; a size of -1 reaches to the end of the axis."""
    begins, sizes = step.ints(1), step.ints(2)
    index = tuple(slice(b, None if s == -1 else b + s) for b, s in zip(begins, sizes, strict=True))
    return (step[0][index],)


def slice_by_strides(step: Step) -> Sequence[Value]:
    """STRIDED_SLICE: numpy's begin:end:stride, whose ends the masks may leave open; a shrunk axis is one index.

    With `offset` an end counts from its begin. Bits of the masks count the entries of begin, end and strides, of which
    one may stand for all axes between (ellipsis) and some for a new axis.
    """
    begin, end, strides = step.ints(1), step.ints(2), step.ints(3)

    def masked(name: str, entry: int) -> bool:
        return bool((step.attrs.get(f"{name}_mask", 0) or 0) >> entry & 1)

    index: list[Any] = []
    for entry in range(len(begin)):
        if masked("ellipsis", entry):
            index.append(Ellipsis)
        elif masked("new_axis", entry):
            index.append(None)
        elif masked("shrink_axis", entry):
            index.append(begin[entry])
        else:
            stop = begin[entry] + end[entry] if step.attrs.get("offset") else end[entry]
            first, last = None if masked("begin", entry) else begin[entry], None if masked("end", entry) else stop
            index.append(slice(first, last, strides[entry]))
    return (step[0][tuple(index)],)


def split(step: Step) -> Sequence[Value]:
    """SPLIT (axis first, equal parts) and SPLIT_V (axis last, parts of given sizes; a size of -1 is the rest)."""
    if step.op.kind == "SPLIT":
        return np.split(step[1], step.attrs["num_splits"], axis=step.ints(0)[0])
    sizes, axis = step.ints(1), step.ints(2)[0]
    rest = step[0].shape[axis] - sum(size for size in sizes if size >= 0)
    return np.split(step[0], np.cumsum([rest if size < 0 else size for size in sizes])[:-1], axis=axis)


def pack(step: Step) -> Sequence[Value]:
    return (np.stack([step[i] for i in range(len(step.op.inputs))], axis=step.attrs.get("axis", 0)),)


def unpack(step: Step) -> Sequence[Value]:
    axis = step.attrs.get("axis", 0)
    return [step[0].take(i, axis=axis) for i in range(len(step.op.outputs))]


def gather(step: Step) -> Sequence[Value]:
    """Slices along an axis by index; with batch_dims, each batch by its own indices."""
    source, indices = step[0], step[1]
    axis, batches = axis_of(step.attrs.get("axis", 0), source.ndim), step.attrs.get("batch_dims", 0) or 0
    batches += indices.ndim if batches < 0 else 0
    _require_rows(indices, source.shape[axis])
    if not batches:
        return (np.take(source, indices, axis=axis),)
    shape = (*source.shape[:axis], *indices.shape[batches:], *source.shape[axis + 1 :])
    sources, of_batch = source.reshape(-1, *source.shape[batches:]), indices.reshape(-1, *indices.shape[batches:])
    taken = [np.take(one, by, axis=axis - batches) for one, by in zip(sources, of_batch, strict=True)]
    return (np.reshape(taken, shape),)


def embedding_lookup(step: Step) -> Sequence[Value]:
    """Rows of a table (the second operand) by id."""
    _require_rows(step[0], len(step[1]))
    return (step[1][step[0]],)


def _require_rows(indices: Value, count: int) -> None:
    if indices.size and (indices.min() < 0 or indices.max() >= count):
        raise GraphError(f"index {indices.min() if indices.min() < 0 else indices.max()} into {count}")


def one_hot(step: Step) -> Sequence[Value]:
    """(indices, depth, on, off): on where the new axis's position is the index; an index outside has no on."""
    indices, axis = step[0], step.attrs.get("axis", -1)
    places = np.arange(step.ints(1)[0]).reshape([-1] + [1] * (indices.ndim - axis if axis >= 0 else 0))
    expanded = np.expand_dims(indices, axis)
    return (np.where(expanded == places, step[2].reshape(()), step[3].reshape(())),)


def reverse(step: Step) -> Sequence[Value]:
    return (np.flip(step[0], tuple(step.ints(1))),)


def dynamic_update_slice(step: Step) -> Sequence[Value]:
    """(operand, update, starts): the update over the operand, moved back inside where it would stick out."""
    operand, update = step[0].copy(), step[1]
    sizes = zip(step.ints(2), operand.shape, update.shape, strict=True)
    starts = [min(max(start, 0), size - part) for start, size, part in sizes]
    operand[tuple(slice(start, start + part) for start, part in zip(starts, update.shape, strict=True))] = update
    return (operand,)


def bitcast(step: Step) -> Sequence[Value]:
    """The same bytes read as another type."""
    source = step.graph.tensors[step.op.inputs[0]]
    values = np.frombuffer(step[0].astype(source.dtype).tobytes(), step.dtype()).reshape(step.shape())
    return (values.astype(step.arithmetic.container) if values.dtype.kind == "f" else values,)


def broadcast_in_dim(step: Step) -> Sequence[Value]:
    """STABLEHLO_BROADCAST_IN_DIM: each axis of the operand becomes the named axis of the result."""
    x = step[0]
    places = step.ints(1) if len(step.op.inputs) > 1 else [int(d) for d in step.option_2("broadcastDimensions")]
    order = sorted(range(x.ndim), key=places.__getitem__)
    shape = [1] * len(step.shape())
    for axis in order:
        shape[places[axis]] = x.shape[axis]
    return (np.broadcast_to(x.transpose(order).reshape(shape), step.shape()),)


def tile(step: Step) -> Sequence[Value]:
    return (np.tile(step[0], step.ints(1)),)


def broadcast_to(step: Step) -> Sequence[Value]:
    return (np.broadcast_to(step[0], step.shape()),)


def space_and_depth(step: Step) -> Sequence[Value]:
    """DEPTH_TO_SPACE: each block of channels becomes a block of pixels; SPACE_TO_DEPTH is its inverse."""
    return (space_and_depth_of(step[0], step.attrs["block_size"], to_space=step.op.kind == "DEPTH_TO_SPACE"),)


def space_and_depth_of(x: Value, block: int, *, to_space: bool) -> Value:
    """Images [batch, height, width, channels] whose channels become blocks of pixels, or the other way."""
    n, height, width, depth = x.shape
    if to_space:
        blocks = x.reshape(n, height, width, block, block, depth // block**2)
        shape = (n, height * block, width * block, depth // block**2)
    else:
        blocks = x.reshape(n, height // block, block, width // block, block, depth)
        shape = (n, height // block, width // block, depth * block**2)
    return blocks.transpose(0, 1, 3, 2, 4, 5).reshape(shape)
