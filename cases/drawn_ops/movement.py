"""Ops that move elements and compute none."""

from __future__ import annotations

import numpy as np

from cases.drawn_ops.draw import Draw
from cases.drawn_ops.one_op import OneOp, fixed
from cases.tflite.extras import OpExtras


def reshape(draw: Draw, kind: str) -> OneOp:
    shape = draw.shape(1)
    if kind == "SQUEEZE":
        ones = tuple(i for i, d in enumerate(shape) if d == 1)
        left = tuple(d for d in shape if d != 1)
        return OneOp(kind, (draw.floats(shape),), attrs={"squeeze_dims": ones}, shapes=[left])
    if kind == "EXPAND_DIMS":
        x, axis = draw.floats(shape), draw.integer(-1, len(shape))
        return OneOp(kind, (x, fixed(axis)), shapes=[np.expand_dims(x, axis).shape])
    wanted = draw.shuffled(shape)
    if draw.coin():
        wanted = [-1, *wanted[1:]]
    if int(np.prod(shape)) == 1:
        wanted = draw.one_of([[], [1], [1, 1]])
    return OneOp(kind, (draw.floats(shape), fixed(wanted)))


def transpose(draw: Draw, kind: str) -> OneOp:
    shape = draw.shape(1)
    return OneOp(kind, (draw.floats(shape), fixed(draw.shuffled(range(len(shape))))))


def concatenation(draw: Draw, kind: str) -> OneOp:
    shape = list(draw.shape(1))
    axis = draw.integer(-len(shape), len(shape) - 1)
    parts = []
    for _ in range(draw.integer(1, 3)):
        shape[axis] = draw.integer(1, 3)
        parts.append(draw.floats(tuple(shape)))
    return OneOp(kind, tuple(parts), attrs={"axis": axis})


def pad(draw: Draw, kind: str) -> OneOp:
    shape = draw.shape(1)
    mode = draw.integer(0, 1)
    most = [min(2, d - 1 + mode) if kind == "MIRROR_PAD" else 2 for d in shape]
    amounts = fixed([[draw.integer(0, m), draw.integer(0, m)] for m in most])
    value = (fixed(draw.one_of([-1.5, 2.5]), "float32"),) if kind == "PADV2" else ()
    attrs = {"mode": mode} if kind == "MIRROR_PAD" else {}
    return OneOp(kind, (draw.floats(shape), amounts, *value), attrs=attrs)


def slice_by_sizes(draw: Draw, kind: str) -> OneOp:
    shape = draw.shape(1)
    begins = [draw.integer(0, d - 1) for d in shape]
    sizes = [draw.one_of([-1, *range(1, d - b + 1)]) for d, b in zip(shape, begins, strict=True)]
    return OneOp(kind, (draw.floats(shape), fixed(begins), fixed(sizes)))


def slice_by_strides(draw: Draw, kind: str) -> OneOp:
    """Every mask; new axes and an ellipsis are entries of their own, and may leave axes to the ellipsis."""
    shape = draw.shape(1)
    left = draw.integer(0, len(shape))  # axes that an ellipsis stands for
    at = draw.integer(0, len(shape) - left) if left else -1
    entries: list[tuple[str, int]] = []
    named = [*shape[:at], *shape[at + left :]] if left else list(shape)
    for place, extent in enumerate(named):
        if place == at:
            entries.append(("ellipsis", 0))
        if draw.integer(0, 4) == 0 and len(shape) < 4:
            entries.append(("new_axis", 0))
        entries.append((draw.one_of(["", "", "shrink_axis"]), extent))
    if left and at == len(named):
        entries.append(("ellipsis", 0))
    begins, ends, steps = [], [], []
    masks = dict.fromkeys(("begin", "end", "ellipsis", "new_axis", "shrink_axis"), 0)
    for bit, (mask, extent) in enumerate(entries):
        stride = 1 if mask else draw.one_of([1, 1, 2, -1])
        first = draw.integer(0, max(0, extent - 1))
        last = draw.integer(first + 1, max(extent, first + 1))
        if stride < 0:
            first, last = last - 1, first - 1 if first else -extent - 1
        begins.append(first - extent if extent and draw.coin() else first)
        ends.append(last)
        steps.append(stride)
        if mask:
            masks[mask] |= 1 << bit
        else:
            for name in ("begin", "end"):
                masks[name] |= draw.integer(0, 1) << bit
    attrs = {f"{name}_mask": value for name, value in masks.items()}
    return OneOp(kind, (draw.floats(shape), fixed(begins), fixed(ends), fixed(steps)), attrs=attrs)


def split(draw: Draw, kind: str) -> OneOp:
    shape = list(draw.shape(1))
    axis, count = draw.integer(-len(shape), len(shape) - 1), draw.integer(1, 3)
    if kind == "SPLIT":
        shape[axis] *= count
        return OneOp(kind, (fixed(axis), draw.floats(tuple(shape))), ("float32",) * count, {"num_splits": count})
    sizes = [draw.integer(1, 3) for _ in range(count)]
    shape[axis] = sum(sizes)
    given = [-1, *sizes[1:]] if draw.coin() else sizes
    operands = (draw.floats(tuple(shape)), fixed(given), fixed(axis))
    return OneOp(kind, operands, ("float32",) * count, {"num_splits": count})


def pack(draw: Draw, kind: str) -> OneOp:
    shape, count = draw.shape(0, 3), draw.integer(1, 3)
    axis = draw.integer(-len(shape) - 1, len(shape))
    parts = tuple(draw.floats(shape) for _ in range(count))
    return OneOp(kind, parts, attrs={"axis": axis, "values_count": count})


def unpack(draw: Draw, kind: str) -> OneOp:
    shape = draw.shape(1)
    axis = draw.integer(-len(shape), len(shape) - 1)
    return OneOp(kind, (draw.floats(shape),), ("float32",) * shape[axis], {"axis": axis, "num": shape[axis]})


def gather(draw: Draw, kind: str) -> OneOp:
    shape = draw.shape(1)
    axis = draw.integer(0, len(shape) - 1)
    batches = draw.integer(0, axis)
    indices = draw.whole((*shape[:batches], *draw.shape(0, 2)), 0, shape[axis] - 1)
    attrs = {"axis": axis - len(shape) if draw.coin() else axis, "batch_dims": batches}
    return OneOp(kind, (draw.floats(shape), indices), attrs=attrs)


def embedding_lookup(draw: Draw, kind: str) -> OneOp:
    table = draw.floats(draw.shape(2))
    return OneOp(kind, (draw.whole((draw.integer(1, 5),), 0, len(table) - 1), table))


def one_hot(draw: Draw, kind: str) -> OneOp:
    indices = draw.whole(draw.shape(0, 3), -1, 5)
    axis = draw.integer(-1, indices.ndim)
    on, off = fixed(2.5, "float32"), fixed(-1.0, "float32")
    return OneOp(kind, (indices, fixed(draw.integer(1, 5)), on, off), attrs={"axis": axis})


def reverse(draw: Draw, kind: str) -> OneOp:
    shape = draw.shape(1)
    first = draw.integer(0, len(shape) - 1)
    axes = list(range(first, draw.integer(first + 1, len(shape))))  # TFLite takes neighbours only
    return OneOp(kind, (draw.floats(shape), fixed(axes)))


def dynamic_update_slice(draw: Draw, kind: str) -> OneOp:
    shape = draw.shape(1)
    part = tuple(draw.integer(1, d) for d in shape)
    starts = draw.whole((len(shape),), -1, 5)
    return OneOp(kind, (draw.floats(shape), draw.floats(part), starts))


def bitcast(draw: Draw, kind: str) -> OneOp:
    source, target = draw.shuffled(["float32", "int32", "int16", "uint8", "int8"])[:2]
    shape = draw.shape(0, 3)
    wider, narrower = (np.dtype(a).itemsize // np.dtype(b).itemsize for a, b in ((target, source), (source, target)))
    made = (*shape, narrower) if narrower > 1 else shape
    shape = (*shape, wider) if wider > 1 else shape
    # Small numbers read as floats are denormal or near it, and exact all the same.
    values = draw.numbers.integers(0, 120, shape).astype(source)
    return OneOp(kind, (values,), (target,), shapes=[made])


def tile(draw: Draw, kind: str) -> OneOp:
    shape = draw.shape(1)
    return OneOp(kind, (draw.floats(shape), fixed([draw.integer(1, 3) for _ in shape])))


def broadcast_to(draw: Draw, kind: str) -> OneOp:
    shape = draw.shape(1)
    cut = draw.integer(0, len(shape) - 1)
    source = tuple(d if draw.coin() else 1 for d in shape[cut:])
    return OneOp(kind, (draw.floats(source), fixed(shape)), raw=OpExtras(version=2), shapes=[shape])


def broadcast_in_dim(draw: Draw, kind: str) -> OneOp:
    """To a shape in which the operand's axes lie anywhere, in order; those of extent 1 are repeated."""
    shape = draw.shape(1)
    axes = sorted(draw.shuffled(range(len(shape)))[: draw.integer(1, len(shape))])
    source = tuple(shape[axis] if draw.coin() else 1 for axis in axes)
    return OneOp(kind, (draw.floats(source), fixed(axes)), shapes=[shape])


def space_and_depth(draw: Draw, kind: str) -> OneOp:
    block, (height, width, depth) = draw.integer(1, 3), draw.shape(3, 3, 3)
    if kind == "DEPTH_TO_SPACE":
        depth *= block**2
    else:
        height, width = height * block, width * block
    return OneOp(kind, (draw.floats((draw.integer(1, 2), height, width, depth)),), attrs={"block_size": block})
