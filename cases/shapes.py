"""Output shapes of the language's ops, as TFLite's kernels compute them. Pure.

Key insight: an op that has shapes here can be computed. What TFLite's kernels refuse (an axis that the tensor does not
have, a slice beyond its end) is refused here too, since mutations and cuts rely on nothing else to be valid.

Source of the formulas: the TFLite operator semantics (SAME: ceil(n / stride); VALID:
ceil((n - (k - 1) * dilation) / stride)); broadcasting is numpy's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cases.graph import GraphError, Tensor

Shape = tuple[int, ...]

ELEMENTWISE = frozenset(
    {
        *("ADD", "SUB", "MUL", "DIV", "MAXIMUM", "MINIMUM", "SQUARED_DIFFERENCE", "POW", "FLOOR_DIV", "FLOOR_MOD"),
        *("GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL", "EQUAL", "NOT_EQUAL", "LOGICAL_AND", "LOGICAL_OR", "PRELU"),
    }
)
COMPARISONS = frozenset({"GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL", "EQUAL", "NOT_EQUAL"})
UNARY = frozenset(
    {
        *(
            "RELU",
            "RELU6",
            "RELU_0_TO_1",
            "RELU_N1_TO_1",
            "LOGISTIC",
            "TANH",
            "GELU",
            "HARD_SWISH",
            "ELU",
            "LEAKY_RELU",
        ),
        *("EXP", "LOG", "SQRT", "RSQRT", "NEG", "ABS", "SQUARE", "SIN", "COS", "FLOOR", "CEIL", "ROUND", "SIGN"),
        *("SOFTMAX", "LOG_SOFTMAX", "DEQUANTIZE", "CAST", "LOGICAL_NOT", "L2_NORMALIZATION", "CUMSUM"),
    }
)
REDUCTIONS = frozenset({"SUM", "MEAN", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD"})


def broadcast(shapes: Sequence[Shape]) -> Shape:
    """numpy's broadcasting of several shapes. Raises GraphError where they do not fit."""
    try:
        return tuple(np.broadcast_shapes(*shapes))
    except ValueError as error:
        raise GraphError(f"shapes {' and '.join(map(str, shapes))} do not broadcast") from error


def window(size: int, kernel: int, stride: int, padding: str, dilation: int = 1) -> int:
    """Output extent of a convolution or pooling along one axis."""
    if padding == "SAME":
        return math.ceil(size / stride)
    extent = math.ceil((size - (kernel - 1) * dilation) / stride)
    if extent <= 0:
        raise GraphError(f"window of {kernel} does not fit into {size}")
    return extent


def _constant(tensor: Tensor, what: str) -> list[int]:
    if tensor.data is None:
        raise GraphError(f"{what} must be a constant, '{tensor.name}' is not")
    return [int(v) for v in np.asarray(tensor.data).reshape(-1)]


def axis_of(axis: int, rank: int) -> int:
    """The axis counted from the front. Raises GraphError for one that a tensor of this rank does not have."""
    if not -rank <= axis < rank:
        raise GraphError(f"axis {axis} of a tensor of rank {rank}")
    return axis % rank


def _window_shape(x: Shape, kernel: tuple[int, int], channels: int, attrs: Mapping[str, Any]) -> Shape:
    _require_images(x)
    padding = attrs.get("padding", "SAME")
    height = window(x[1], kernel[0], attrs.get("stride_h", 1), padding, attrs.get("dilation_h_factor", 1))
    width = window(x[2], kernel[1], attrs.get("stride_w", 1), padding, attrs.get("dilation_w_factor", 1))
    return (x[0], height, width, channels)


def _require_images(x: Shape) -> None:
    if len(x) != 4:
        raise GraphError(f"wants images [batch, height, width, channels], not {x}")


def _blocks_shape(x: Shape, block: int, *, to_space: bool) -> Shape:
    """DEPTH_TO_SPACE makes blocks of pixels of an image's channels, SPACE_TO_DEPTH channels of blocks of pixels."""
    _require_images(x)
    batch, height, width, depth = x
    if block < 1 or (depth % block**2 if to_space else height % block or width % block):
        raise GraphError(f"{x} has no whole blocks of {block}x{block}")
    if to_space:
        return (batch, height * block, width * block, depth // block**2)
    return (batch, height // block, width // block, depth * block**2)


def _reshape(x: Shape, wanted: list[int]) -> Shape:
    known = math.prod(d for d in wanted if d != -1)
    shape = tuple(math.prod(x) // known if d == -1 else d for d in wanted) if known else tuple(wanted)
    if math.prod(shape) != math.prod(x) or min(shape, default=0) < 0:
        raise GraphError(f"cannot reshape {x} to {tuple(wanted)}")
    return shape


def _reduced(x: Shape, axes: Sequence[int], keep: bool) -> Shape:
    gone = {axis_of(a, len(x)) for a in axes}
    if keep:
        return tuple(1 if i in gone else d for i, d in enumerate(x))
    return tuple(d for i, d in enumerate(x) if i not in gone)


def strided_slice_shape(
    x: Shape, begin: Sequence[int], end: Sequence[int], strides: Sequence[int], attrs: Mapping[str, Any]
) -> Shape:
    """Shape of STRIDED_SLICE with begin/end/shrink masks (ellipsis and new-axis masks are not modelled)."""
    if attrs.get("ellipsis_mask") or attrs.get("new_axis_mask"):
        raise GraphError("STRIDED_SLICE with an ellipsis or new-axis mask is not modelled")
    if not len(begin) == len(end) == len(strides) == len(x):
        raise GraphError(f"STRIDED_SLICE of {x} by {len(begin)} begins, {len(end)} ends and {len(strides)} strides")
    shape = []
    for i, size in enumerate(x):
        first = None if attrs.get("begin_mask", 0) >> i & 1 else begin[i]
        last = None if attrs.get("end_mask", 0) >> i & 1 else end[i]
        if attrs.get("shrink_axis_mask", 0) >> i & 1:
            if not -size <= begin[i] < size:
                raise GraphError(f"STRIDED_SLICE takes element {begin[i]} of {size} along axis {i}")
            continue
        shape.append(len(range(*slice(first, last, strides[i]).indices(size))))
    return tuple(shape)


def output_shapes(kind: str, inputs: Sequence[Tensor], attrs: Mapping[str, Any]) -> tuple[Shape, ...]:
    """Shapes of an op's outputs. Raises GraphError for inputs that do not fit or a kind that is not modelled."""
    try:
        return _output_shapes(kind, inputs, attrs)
    except GraphError:
        raise
    except (ValueError, TypeError, IndexError, KeyError, ZeroDivisionError) as error:
        shapes = ", ".join(str(list(t.shape)) for t in inputs)
        raise GraphError(f"{kind} does not fit inputs of shapes {shapes}: {error}") from error


def _output_shapes(kind: str, inputs: Sequence[Tensor], attrs: Mapping[str, Any]) -> tuple[Shape, ...]:
    x = inputs[0].shape
    if kind in ELEMENTWISE:
        return (broadcast([t.shape for t in inputs]),)
    if kind in ("ARG_MAX", "ARG_MIN"):
        axis = axis_of(int(np.ravel(_constant(inputs[1], "axis"))[0]), len(x))
        return ((*x[:axis], *x[axis + 1 :]),)
    if kind == "CUMSUM":
        axis_of(_constant(inputs[1], "axis")[0], len(x))
    if kind in UNARY:
        return (x,)
    if kind == "SELECT_V2":
        return (broadcast([t.shape for t in inputs]),)
    if kind in REDUCTIONS:
        return (_reduced(x, _constant(inputs[1], "axes"), bool(attrs.get("keep_dims", False))),)
    if kind == "FULLY_CONNECTED":
        units, depth = inputs[1].shape
        if attrs.get("keep_num_dims", False):
            if x[-1] != depth:
                raise GraphError(f"FULLY_CONNECTED of depth {depth} on {x}")
            return ((*x[:-1], units),)
        if math.prod(x) % depth:
            raise GraphError(f"FULLY_CONNECTED of depth {depth} on {x}")
        return ((math.prod(x) // depth, units),)
    if kind == "CONV_2D":
        out, height, width, depth = inputs[1].shape
        # Fewer input channels than the tensor has mean groups, as in TFLite.
        if len(x) != 4 or x[3] % depth or out % (x[3] // depth):
            raise GraphError(f"CONV_2D of depth {depth} on {x}")
        return (_window_shape(x, (height, width), out, attrs),)
    if kind == "DEPTHWISE_CONV_2D":
        _, height, width, channels = inputs[1].shape
        if len(x) != 4 or channels % x[3]:
            raise GraphError(f"DEPTHWISE_CONV_2D of {channels} channels on {x}")
        return (_window_shape(x, (height, width), channels, attrs),)
    if kind in ("AVERAGE_POOL_2D", "MAX_POOL_2D"):
        return (_window_shape(x, (attrs["filter_height"], attrs["filter_width"]), x[3], attrs),)
    if kind == "BATCH_MATMUL":
        left, right = x, inputs[1].shape
        left = (*left[:-2], left[-1], left[-2]) if attrs.get("adj_x") else left
        right = (*right[:-2], right[-1], right[-2]) if attrs.get("adj_y") else right
        if left[-1] != right[-2]:
            raise GraphError(f"BATCH_MATMUL of {left} and {right}")
        return ((*broadcast([left[:-2], right[:-2]]), left[-2], right[-1]),)
    if kind in ("PAD", "PADV2"):
        pads = np.reshape(_constant(inputs[1], "paddings"), (-1, 2))
        if (pads < 0).any():
            raise GraphError(f"{kind} by less than nothing: {pads.tolist()}")
        return (tuple(int(d + lo + hi) for d, (lo, hi) in zip(x, pads, strict=True)),)
    if kind == "RESHAPE":
        wanted = _constant(inputs[1], "shape") if len(inputs) > 1 else list(attrs["new_shape"])
        return (_reshape(x, wanted),)
    if kind == "TRANSPOSE":
        order = [axis_of(axis, len(x)) for axis in _constant(inputs[1], "permutation")]
        if sorted(order) != list(range(len(x))):
            raise GraphError(f"TRANSPOSE of {x} in the order {order}")
        return (tuple(x[axis] for axis in order),)
    if kind == "CONCATENATION":
        axis = axis_of(attrs.get("axis", 0), len(x))
        rest = {t.shape[:axis] + t.shape[axis + 1 :] for t in inputs}
        if len(rest) != 1:
            raise GraphError(f"CONCATENATION of {[t.shape for t in inputs]} along {axis}")
        return ((*x[:axis], sum(t.shape[axis] for t in inputs), *x[axis + 1 :]),)
    if kind == "SLICE":
        begin, size = _constant(inputs[1], "begin"), _constant(inputs[2], "size")
        shape = tuple(d - b if s == -1 else s for d, b, s in zip(x, begin, size, strict=True))
        if any(min(b, s) < 0 or b + s > d for d, b, s in zip(x, begin, shape, strict=True)):
            raise GraphError(f"SLICE of {size} from {begin} on leaves {x}")
        return (shape,)
    if kind == "STRIDED_SLICE":
        begin, end, strides = (_constant(t, "slice parameter") for t in inputs[1:4])
        return (strided_slice_shape(x, begin, end, strides, attrs),)
    if kind == "SPLIT":
        x, count = inputs[1].shape, attrs["num_splits"]
        axis = axis_of(_constant(inputs[0], "axis")[0], len(x))
        if x[axis] % count:
            raise GraphError(f"SPLIT of {x} into {count} along {axis}")
        return ((*x[:axis], x[axis] // count, *x[axis + 1 :]),) * count
    if kind in ("SPACE_TO_DEPTH", "DEPTH_TO_SPACE"):
        return (_blocks_shape(x, attrs["block_size"], to_space=kind == "DEPTH_TO_SPACE"),)
    if kind == "TRANSPOSE_CONV":
        return (tuple(_constant(inputs[0], "size")),)
    if kind == "GATHER":
        batches, axis = int(attrs.get("batch_dims", 0)), axis_of(int(attrs.get("axis", 0)), len(x))
        return ((*x[:axis], *inputs[1].shape[batches:], *x[axis + 1 :]),)
    if kind == "EMBEDDING_LOOKUP":
        return ((*x, *inputs[1].shape[1:]),)
    if kind == "TOPK_V2":
        return ((*x[:-1], _constant(inputs[1], "count")[0]),) * 2
    if kind == "ONE_HOT":
        axis = int(attrs.get("axis", -1)) % (len(x) + 1)
        return ((*x[:axis], _constant(inputs[1], "depth")[0], *x[axis:]),)
    if kind == "DYNAMIC_UPDATE_SLICE":
        return (x,)
    if kind in ("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"):
        _require_images(x)
        height, width = _constant(inputs[1], "size")
        return ((x[0], height, width, x[3]),)
    raise GraphError(f"the shape of {kind} is not modelled")
