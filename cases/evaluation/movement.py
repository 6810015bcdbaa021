"""Ops that only move data: every output element is one input element, or a fill value. No arithmetic is needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cases.evaluation.elementwise import activated
from cases.evaluation.step import Step, Value


def reshape(step: Step) -> Sequence[Value]:
    return (step[0].reshape(step.shape()),)


def transpose(step: Step) -> Sequence[Value]:
    return (np.ascontiguousarray(step[0].transpose(step.ints(1))),)


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
    """STRIDED_SLICE: numpy's begin:end:stride, whose ends the masks may leave open; a shrunk axis is one index."""
    begin, end, strides = step.ints(1), step.ints(2), step.ints(3)
    masks = {m: step.attrs.get(f"{m}_mask", 0) or 0 for m in ("begin", "end", "shrink_axis")}
    index: list[slice | int] = []
    for axis in range(len(begin)):
        if masks["shrink_axis"] >> axis & 1:
            index.append(begin[axis])
        else:
            first = None if masks["begin"] >> axis & 1 else begin[axis]
            last = None if masks["end"] >> axis & 1 else end[axis]
            index.append(slice(first, last, strides[axis]))
    return (step[0][tuple(index)],)


def split(step: Step) -> Sequence[Value]:
    """SPLIT (axis first, equal parts) and SPLIT_V (axis last, parts of given sizes)."""
    if step.op.kind == "SPLIT":
        return np.split(step[1], step.attrs["num_splits"], axis=step.ints(0)[0])
    sizes = step.ints(1)
    return np.split(step[0], np.cumsum(sizes)[:-1], axis=step.ints(2)[0])


def pack(step: Step) -> Sequence[Value]:
    return (np.stack([step[i] for i in range(len(step.op.inputs))], axis=step.attrs.get("axis", 0)),)


def unpack(step: Step) -> Sequence[Value]:
    axis = step.attrs.get("axis", 0)
    return [step[0].take(i, axis=axis) for i in range(len(step.op.outputs))]


def gather(step: Step) -> Sequence[Value]:
    return (np.take(step[0], step[1], axis=step.attrs.get("axis", 0)),)


def tile(step: Step) -> Sequence[Value]:
    return (np.tile(step[0], step.ints(1)),)


def broadcast_to(step: Step) -> Sequence[Value]:
    return (np.broadcast_to(step[0], step.shape()),)


def space_and_depth(step: Step) -> Sequence[Value]:
    """DEPTH_TO_SPACE: each block of channels becomes a block of pixels; SPACE_TO_DEPTH is its inverse."""
    x, block = step[0], step.attrs["block_size"]
    n, height, width, depth = x.shape
    if step.op.kind == "DEPTH_TO_SPACE":
        blocks = x.reshape(n, height, width, block, block, depth // block**2)
    else:
        blocks = x.reshape(n, height // block, block, width // block, block, depth)
    return (blocks.transpose(0, 1, 3, 2, 4, 5).reshape(step.shape()),)
