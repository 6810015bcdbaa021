"""Ops whose results are made of several elements each: sums, products, windows, orders."""

from __future__ import annotations

from typing import Any

import numpy as np

from cases.drawn_ops.draw import Draw
from cases.drawn_ops.elementwise import ACTIVATIONS
from cases.drawn_ops.one_op import OneOp, fixed


def of_rows(draw: Draw, kind: str) -> OneOp:
    attrs = {"beta": draw.one_of([1.0, 0.5, 2.0])} if kind == "SOFTMAX" else {}
    return OneOp(kind, (draw.floats(draw.shape(1)),), attrs=attrs)


def reduction(draw: Draw, kind: str) -> OneOp:
    shape = draw.shape(1)
    axes = [draw.integer(-len(shape), len(shape) - 1) for _ in range(draw.integer(1, 3))]
    attrs = {"keep_dims": draw.coin()}
    if kind in ("REDUCE_ALL", "REDUCE_ANY"):
        x, gone = draw.truths(shape), tuple({axis % len(shape) for axis in axes})
        made = x.any(axis=gone, keepdims=attrs["keep_dims"]).shape
        return OneOp(kind, (x, fixed(axes)), ("bool",), attrs, shapes=[made])
    if kind in ("SUM", "MEAN", "REDUCE_MAX", "REDUCE_MIN") and draw.coin():
        return OneOp(kind, (draw.whole(shape), fixed(axes)), ("int32",), attrs)
    return OneOp(kind, (draw.floats(shape, 0.5, 2.0), fixed(axes)), attrs=attrs)


def arg_extremum(draw: Draw, kind: str) -> OneOp:
    shape = draw.shape(1)
    axis = draw.integer(-len(shape), len(shape) - 1)
    dtype, code = draw.one_of([("int32", 2), ("int64", 4)])
    values = np.round(draw.floats(shape)) if draw.coin() else draw.floats(shape)
    return OneOp(kind, (values, fixed(axis)), (dtype,), {"output_type": code})


def topk(draw: Draw, kind: str) -> OneOp:
    shape = draw.shape(1)
    values = np.round(draw.floats(shape)) if draw.coin() else draw.floats(shape)
    return OneOp(kind, (values, fixed(draw.integer(1, shape[-1]))), ("float32", "int32"))


def cumsum(draw: Draw, kind: str) -> OneOp:
    shape = draw.shape(1)
    axis = draw.integer(-len(shape), len(shape) - 1)
    attrs = {"exclusive": draw.coin(), "reverse": draw.coin()}
    return OneOp(kind, (draw.floats(shape), fixed(axis)), attrs=attrs)


def fully_connected(draw: Draw, kind: str) -> OneOp:
    keep = draw.coin()
    x = (*draw.shape(1, 3), draw.integer(1, 9))
    weights = draw.floats((draw.integer(1, 5), x[-1]))
    bias = fixed(draw.floats(weights.shape[:1]), "float32") if draw.coin() else None
    attrs = {"keep_num_dims": keep, "fused_activation_function": draw.one_of(ACTIVATIONS)}
    return OneOp(kind, (draw.floats(x), fixed(weights, "float32"), bias), attrs=attrs)


def batch_matmul(draw: Draw, kind: str) -> OneOp:
    batches = draw.broadcasting(2)
    batches = [batch[-2:] for batch in batches]
    rows, depth, columns = (draw.integer(1, 5) for _ in range(3))
    adj_x, adj_y = draw.coin(), draw.coin()
    left = (*batches[0], depth, rows) if adj_x else (*batches[0], rows, depth)
    right = (*batches[1], columns, depth) if adj_y else (*batches[1], depth, columns)
    return OneOp(kind, (draw.floats(left), draw.floats(right)), attrs={"adj_x": adj_x, "adj_y": adj_y})


def images(draw: Draw, channels: int | None = None, smallest: int = 1) -> np.ndarray:
    size = [draw.integer(smallest, 7) for _ in range(2)]
    return draw.floats((draw.integer(1, 2), *size, channels or draw.integer(1, 4)))


def strides(draw: Draw) -> dict[str, Any]:
    return {"stride_h": draw.integer(1, 3), "stride_w": draw.integer(1, 3)}


def padding(draw: Draw) -> dict[str, Any]:
    return {"padding": draw.one_of(["SAME", "VALID"])}


def convolution(draw: Draw, kind: str) -> OneOp:
    groups, depth = draw.one_of([1, 1, 2]), draw.integer(1, 3)
    x = images(draw, groups * depth, smallest=5)
    kernel = (draw.integer(1, 3), draw.integer(1, 3))
    attrs = strides(draw) | padding(draw) | {"fused_activation_function": draw.one_of(ACTIVATIONS)}
    attrs |= {"dilation_h_factor": draw.integer(1, 2), "dilation_w_factor": draw.integer(1, 2)}
    if kind == "CONV_2D":
        weights = draw.floats((groups * draw.integer(1, 3), *kernel, depth))
        channels = weights.shape[0]
    else:
        attrs["depth_multiplier"] = draw.integer(1, 2)
        channels = groups * depth * attrs["depth_multiplier"]
        weights = draw.floats((1, *kernel, channels))
    bias = fixed(draw.floats((channels,)), "float32")
    return OneOp(kind, (x, fixed(weights, "float32"), bias), attrs=attrs)


def transpose_conv(draw: Draw, kind: str) -> OneOp:
    """Windows of 1 to 4 and strides of 1 to 3: those by which the delegate chooses among its kernels, and others."""
    x = images(draw)
    kernel = (draw.integer(1, 4), draw.integer(1, 4))
    attrs = strides(draw) | padding(draw)
    steps = (attrs["stride_h"], attrs["stride_w"])
    if attrs["padding"] == "SAME":
        # Every output whose convolution has as many windows as the input has pixels.
        out = [size * s - draw.integer(0, s - 1) for size, s in zip(x.shape[1:3], steps, strict=True)]
    else:
        sizes = zip(x.shape[1:3], kernel, steps, strict=True)
        out = [(size - 1) * s + k + draw.integer(0, s - 1) for size, k, s in sizes]
    weights = draw.floats((draw.integer(1, 4), *kernel, x.shape[3]))
    bias = fixed(draw.floats(weights.shape[:1]), "float32") if draw.coin() else None
    made = (x.shape[0], *out, weights.shape[0])
    return OneOp(kind, (fixed(made), fixed(weights, "float32"), x, bias), attrs=attrs, shapes=[made])


def pool(draw: Draw, kind: str) -> OneOp:
    attrs = strides(draw) | padding(draw) | {"fused_activation_function": draw.one_of(ACTIVATIONS)}
    attrs |= {"filter_height": draw.integer(1, 3), "filter_width": draw.integer(1, 3)}
    return OneOp(kind, (images(draw, smallest=3),), attrs=attrs)


def resize(draw: Draw, kind: str) -> OneOp:
    convention = draw.one_of([{}, {"align_corners": True}, {"half_pixel_centers": True}])
    size = fixed([draw.integer(1, 9), draw.integer(1, 9)])
    return OneOp(kind, (images(draw), size), attrs=convention)
