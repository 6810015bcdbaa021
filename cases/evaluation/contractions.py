"""Ops whose every output element is made of several input elements: reductions, matrices, windows, resizing.

Key insight: the noise here comes from the order and the precision in which terms are accumulated, so sums and
products go through `Arithmetic`. Only CUMSUM is left to numpy, which adds one term after the other as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from cases.evaluation.arithmetic import Arithmetic
from cases.evaluation.elementwise import activated
from cases.evaluation.step import Step, Value
from cases.evaluation.windows import (
    average_pool,
    convolve,
    depthwise,
    max_pool,
    resize_bilinear,
    resize_nearest,
    transpose_convolve,
)
from cases.shapes import axis_of

POOLS: Mapping[str, Callable[[Value, Mapping[str, Any], Arithmetic], Value]] = {
    "MAX_POOL_2D": max_pool,
    "AVERAGE_POOL_2D": average_pool,
}
LOGICAL: Mapping[str, Callable[..., Any]] = {"REDUCE_ALL": np.all, "REDUCE_ANY": np.any}
RESIZES: Mapping[str, Callable[[Value, Sequence[int], Mapping[str, Any], Arithmetic], Value]] = {
    "RESIZE_BILINEAR": resize_bilinear,
    "RESIZE_NEAREST_NEIGHBOR": resize_nearest,
}


def reduce(step: Step) -> Sequence[Value]:
    x = step[0]
    axes = tuple(sorted({axis_of(axis, x.ndim) for axis in step.ints(1)}))
    count = int(np.prod([x.shape[a] for a in axes]))
    if step.op.kind in LOGICAL:
        value = LOGICAL[step.op.kind](x, axis=axes, keepdims=True)
    elif x.dtype.kind in "iu" and step.op.kind in ("SUM", "MEAN"):
        value = _of_whole_numbers(step.op.kind, x, axes, count)
    elif step.op.kind == "REDUCE_MAX":
        value = x.max(axis=axes, keepdims=True)
    elif step.op.kind == "REDUCE_MIN":
        value = x.min(axis=axes, keepdims=True)
    elif step.op.kind == "REDUCE_PROD":
        value = _product(step.arithmetic, x, axes)
    else:
        value = step.arithmetic.reducing.sum(x, axes)
        if step.op.kind == "MEAN":
            value = value / value.dtype.type(count)
            if count & (count - 1):
                # A division, or a multiplication by a rounded reciprocal: exact for powers of two only.
                value = step.arithmetic.function(value)
    return (value.reshape(step.shape()),)


def _of_whole_numbers(kind: str, x: Value, axes: tuple[int, ...], count: int) -> Value:
    """Sums wrap around as the type does; a mean is the whole sum divided toward zero."""
    if kind == "SUM":
        return x.sum(axis=axes, keepdims=True, dtype=x.dtype)
    return np.asarray(np.trunc(x.sum(axis=axes, keepdims=True, dtype=np.int64) / count), x.dtype)


def _product(arithmetic: Arithmetic, x: Value, axes: tuple[int, ...]) -> Value:
    if arithmetic.exact:
        return x.prod(axis=axes, keepdims=True)
    kept = [x.shape[i] for i in range(x.ndim) if i not in axes]
    factors = np.moveaxis(x, axes, range(len(axes))).reshape(-1, *kept)
    total = factors[0].copy()
    for factor in factors[1:]:
        total = arithmetic.stored(total * factor)
    return total


def arg_extremum(step: Step) -> Sequence[Value]:
    """The position of the largest or smallest element along an axis; the first one where several are equal."""
    find = np.argmax if step.op.kind == "ARG_MAX" else np.argmin
    return (find(step[0], axis=step.ints(1)[0]).astype(step.dtype()),)


def largest(step: Step) -> Sequence[Value]:
    """TOPK_V2: the k largest along the last axis, falling, and where they are; of equal ones the first comes first."""
    x, k = step[0], step.ints(1)[0]
    rising = np.argsort(x[..., ::-1], axis=-1, kind="stable")
    places = (x.shape[-1] - 1 - rising[..., ::-1])[..., :k]
    return np.take_along_axis(x, places, axis=-1), places.astype(step.dtype(1))


def cumsum(step: Step) -> Sequence[Value]:
    """Sums up to each element, or before it (exclusive), from the front or from the end (reverse)."""
    axis, attrs = step.ints(1)[0], step.op.attrs
    terms = np.flip(step[0], axis) if attrs.get("reverse") else step[0]
    if attrs.get("exclusive"):
        first, shorter = np.zeros_like(terms.take([0], axis)), terms.take(range(terms.shape[axis] - 1), axis)
        terms = np.concatenate([first, shorter], axis)
    total = np.cumsum(terms, axis=axis, dtype=step[0].dtype)
    return (np.flip(total, axis) if attrs.get("reverse") else total,)


def fully_connected(step: Step) -> Sequence[Value]:
    """Rows as long as the weights are deep, wherever the dimensions of the input end."""
    x = step[0].reshape(-1, step[1].shape[1])
    products = [step.arithmetic.matmul(x, weights.T) for weights in step.parts(1)]
    value = products[0] if len(products) == 1 else np.concatenate(products, axis=1)
    return (biased(step, value).reshape(step.shape()),)


def biased(step: Step, value: Value, operand: int = 2) -> Value:
    """The value plus the bias, if the op has that operand, behind the fused activation."""
    bias = step.optional(operand)
    return activated(step, value if bias is None else step.arithmetic.accumulate(value, bias))


def batch_matmul(step: Step) -> Sequence[Value]:
    left = np.swapaxes(step[0], -1, -2) if step.attrs.get("adj_x") else step[0]
    right = np.swapaxes(step[1], -1, -2) if step.attrs.get("adj_y") else step[1]
    return (step.arithmetic.matmul(left, right),)


def convolution(step: Step) -> Sequence[Value]:
    return (biased(step, convolve(step[0], step[1], step.attrs, step.arithmetic)),)


def depthwise_convolution(step: Step) -> Sequence[Value]:
    return (biased(step, depthwise(step[0], step[1], step.attrs, step.arithmetic)),)


def transposed_convolution(step: Step) -> Sequence[Value]:
    """TRANSPOSE_CONV of (output shape, weights, input, bias)."""
    value = transpose_convolve(step[2], step[1], step.shape()[1:3], step.attrs, step.arithmetic)
    return (biased(step, value, operand=3),)


def pool(step: Step) -> Sequence[Value]:
    return (activated(step, POOLS[step.op.kind](step[0], step.attrs, step.arithmetic)),)


def resize(step: Step) -> Sequence[Value]:
    return (RESIZES[step.op.kind](step[0], step.ints(1), step.attrs, step.arithmetic),)


def softmax(step: Step) -> Sequence[Value]:
    arithmetic, x = step.arithmetic, step[0]
    beta = x.dtype.type(step.attrs.get("beta", 1.0) or 1.0) if step.op.kind == "SOFTMAX" else x.dtype.type(1)
    shifted = arithmetic.stored((x - x.max(axis=-1, keepdims=True)) * beta)
    raised = arithmetic.stored(arithmetic.exp(shifted))
    total = arithmetic.sum(raised, (x.ndim - 1,))
    if step.op.kind == "LOG_SOFTMAX":
        return (shifted - arithmetic.function(np.log(total)),)
    return (arithmetic.function(raised / total),)


def l2_normalization(step: Step) -> Sequence[Value]:
    total = step.arithmetic.sum(step.arithmetic.stored(np.square(step[0])), (step[0].ndim - 1,))
    return (step.arithmetic.function(step[0] / np.sqrt(np.maximum(total, 1e-12))),)
