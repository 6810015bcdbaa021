"""Convolution, pooling and resizing in numpy, NHWC, with TFLite's padding rules and a given arithmetic."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cases.evaluation.arithmetic import FLOAT64, Arithmetic
from cases.graph import GraphError
from cases.shapes import window
from runner import memory

_MANY_TAPS = 1 << 12  # positions of a window, each of which costs a pass over the image
_CACHED = 1 << 16  # elements of a result that are worked on at a time
PATCH_ELEMENTS = 1 << 23
"""Of unrolled patches held at a time, unless one row of the result has more."""


def _strides(attrs: Mapping[str, Any]) -> tuple[int, int]:
    return attrs.get("stride_h", 1) or 1, attrs.get("stride_w", 1) or 1


def _dilations(attrs: Mapping[str, Any]) -> tuple[int, int]:
    return attrs.get("dilation_h_factor", 1) or 1, attrs.get("dilation_w_factor", 1) or 1


def _placed(
    sizes: Sequence[int], kernel: Sequence[int], attrs: Mapping[str, Any]
) -> tuple[tuple[int, int], list[tuple[int, int]]]:
    """The output's height and width, and how many pixels TFLite pads before and after, per axis."""
    extents, pads = [], []
    for size, k, stride, dilation in zip(sizes, kernel, _strides(attrs), _dilations(attrs), strict=True):
        padding = attrs.get("padding", "SAME")
        out = window(size, k, stride, padding, dilation)
        total = max(0, (out - 1) * stride + (k - 1) * dilation + 1 - size) if padding == "SAME" else 0
        extents.append(out)
        pads.append((total // 2, total - total // 2))
    return (extents[0], extents[1]), pads


def padding_before(sizes: Sequence[int], kernel: Sequence[int], attrs: Mapping[str, Any]) -> tuple[int, int]:
    """How many rows and columns SAME padding puts before an image of height and width `sizes`; none with VALID."""
    _, pads = _placed(sizes, kernel, attrs)
    return pads[0][0], pads[1][0]


def _padded(
    x: np.ndarray, kernel: tuple[int, int], attrs: Mapping[str, Any], fill: float
) -> tuple[np.ndarray, tuple[int, int]]:
    """x with TFLite's SAME or VALID padding, and the output's height and width."""
    out, pads = _placed(x.shape[1:3], kernel, attrs)
    if any(sum(p) for p in pads):
        sides = math.prod(size + sum(pad) for size, pad in zip(x.shape[1:3], pads, strict=True))
        memory.require(
            x.shape[0] * sides * x.shape[3] * x.itemsize, f"padding {list(x.shape)} for a window of {kernel}"
        )
        x = np.pad(x, ((0, 0), *pads, (0, 0)), constant_values=fill)
    return x, out


def _tap(x: np.ndarray, row: int, column: int, out: tuple[int, int], attrs: Mapping[str, Any]) -> np.ndarray:
    """The padded input under kernel position (row, column), for every output position."""
    (sh, sw), (dh, dw) = _strides(attrs), _dilations(attrs)
    top, left = row * dh, column * dw
    return x[:, top : top + (out[0] - 1) * sh + 1 : sh, left : left + (out[1] - 1) * sw + 1 : sw]


def convolve(x: np.ndarray, weights: np.ndarray, attrs: Mapping[str, Any], arithmetic: Arithmetic) -> np.ndarray:
    """CONV_2D without bias: weights [out, kh, kw, in / groups]. Patches are unrolled a band of rows at a time."""
    out_channels, kh, kw, depth = weights.shape
    groups = x.shape[3] // depth
    if groups > 1:
        # Fewer input channels than the tensor has mean groups, as in TFLite.
        sources, filters = np.split(x, groups, axis=3), np.split(weights, groups, axis=0)
        results = [convolve(part, of_group, attrs, arithmetic) for part, of_group in zip(sources, filters, strict=True)]
        return np.concatenate(results, axis=3)
    flat = weights.reshape(out_channels, -1).T
    padded, out = _padded(x, (kh, kw), attrs, 0.0)
    batch = x.shape[0]
    if (kh, kw) == (1, 1):
        patches = _tap(padded, 0, 0, out, attrs).reshape(-1, depth)
        return arithmetic.matmul(patches, flat).reshape(batch, *out, out_channels)
    taps = [_tap(padded, i, j, out, attrs) for i in range(kh) for j in range(kw)]
    band = max(1, PATCH_ELEMENTS // max(1, batch * out[1] * kh * kw * depth))
    bands = []
    for top in range(0, out[0], band):
        patches = np.concatenate([tap[:, top : top + band] for tap in taps], axis=-1)
        shape = (*patches.shape[:-1], out_channels)
        bands.append(arithmetic.matmul(patches.reshape(-1, patches.shape[-1]), flat).reshape(shape))
    return np.concatenate(bands, axis=1)


def depthwise(x: np.ndarray, weights: np.ndarray, attrs: Mapping[str, Any], arithmetic: Arithmetic) -> np.ndarray:
    """DEPTHWISE_CONV_2D without bias: weights [1, kh, kw, channels * multiplier]."""
    _, kh, kw, channels = weights.shape
    padded, out = _padded(x, (kh, kw), attrs, 0.0)
    if channels != x.shape[3]:
        padded = np.repeat(padded, channels // x.shape[3], axis=3)
    total = np.zeros((x.shape[0], *out, channels), dtype=arithmetic.container)
    taps = [(_tap(padded, i, j, out, attrs), weights[0, i, j]) for i in range(kh) for j in range(kw)]
    # All taps of a few rows before the next rows: what is added to stays in the processor's cache.
    step = max(1, _CACHED // max(1, x.shape[0] * out[1] * channels))
    term = np.empty_like(total[:, :step])
    for top in range(0, out[0], step):
        band = total[:, top : top + step]
        for tap, weight in taps:
            product = np.multiply(tap[:, top : top + step], weight, out=term[:, : band.shape[1]])
            arithmetic.accumulate_into(band, product)
    return total


def transpose_convolve(
    x: np.ndarray, weights: np.ndarray, out: Sequence[int], attrs: Mapping[str, Any], arithmetic: Arithmetic
) -> np.ndarray:
    """TRANSPOSE_CONV without bias, to (height, width) `out`: weights [out, kh, kw, in].

    Every input pixel is spread over a window of the output. The windows start where a convolution of the output with
    these strides and this padding has its windows.
    """
    out_channels, kh, kw, depth = weights.shape
    (sh, sw), (batch, height, width, _) = _strides(attrs), x.shape
    whole = ((height - 1) * sh + kh, (width - 1) * sw + kw)
    memory.require(batch * math.prod(whole) * out_channels * x.itemsize, f"spreading {list(x.shape)} to {whole}")
    total = np.zeros((batch, *whole, out_channels), dtype=arithmetic.container)
    pixels = x.reshape(-1, depth)
    for i in range(kh):
        for j in range(kw):
            rows, columns = slice(i, i + (height - 1) * sh + 1, sh), slice(j, j + (width - 1) * sw + 1, sw)
            term = arithmetic.matmul(pixels, weights[:, i, j].T).reshape(batch, height, width, out_channels)
            total[:, rows, columns] = arithmetic.accumulate(total[:, rows, columns], term)
    before = padding_before(out, (kh, kw), attrs) if attrs.get("padding", "SAME") == "SAME" else (0, 0)
    total = total[:, before[0] :, before[1] :][:, : out[0], : out[1]]
    missing = (out[0] - total.shape[1], out[1] - total.shape[2])
    return np.pad(total, ((0, 0), (0, missing[0]), (0, missing[1]), (0, 0)))


def _pool_window(x: np.ndarray, attrs: Mapping[str, Any]) -> tuple[int, int]:
    kernel = attrs["filter_height"], attrs["filter_width"]
    if math.prod(kernel) > _MANY_TAPS and any(k > 2 * size for k, size in zip(kernel, x.shape[1:3], strict=True)):
        raise GraphError(f"a window of {kernel} over an image of {x.shape[1:3]} is mostly padding")
    return kernel


def max_pool(x: np.ndarray, attrs: Mapping[str, Any], arithmetic: Arithmetic) -> np.ndarray:
    """MAX_POOL_2D: padding never wins."""
    kernel = _pool_window(x, attrs)
    padded, out = _padded(x, kernel, attrs, -np.inf)
    taps = (_tap(padded, i, j, out, attrs) for i in range(kernel[0]) for j in range(kernel[1]))
    result = next(taps).copy()
    for tap in taps:
        np.maximum(result, tap, out=result)
    return result


def max_pool_with_places(x: np.ndarray, attrs: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The maxima, and in which row and column of its window each is; the first of several equal ones."""
    kernel = _pool_window(x, attrs)
    padded, out = _padded(x, kernel, attrs, -np.inf)
    found = x.shape[0] * math.prod((*kernel, *out, x.shape[3])) * x.itemsize
    memory.require(found, f"pooling {list(x.shape)} in windows of {kernel}")
    taps = np.stack([_tap(padded, i, j, out, attrs) for i in range(kernel[0]) for j in range(kernel[1])])
    places = taps.argmax(axis=0)
    return taps.max(axis=0), places // kernel[1], places % kernel[1]


def average_pool(x: np.ndarray, attrs: Mapping[str, Any], arithmetic: Arithmetic) -> np.ndarray:
    """AVERAGE_POOL_2D: padding is not counted."""
    kernel = _pool_window(x, attrs)
    padded, out = _padded(x, kernel, attrs, 0.0)
    counted, _ = _padded(np.ones((1, *x.shape[1:3], 1), dtype=x.dtype), kernel, attrs, 0.0)
    total = np.zeros((x.shape[0], *out, x.shape[3]), dtype=arithmetic.container)
    count = np.zeros((1, *out, 1), dtype=arithmetic.container)
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            total = arithmetic.reducing.accumulate(total, _tap(padded, i, j, out, attrs))
            count += _tap(counted, i, j, out, attrs)
    return total / count


def _source(size: int, target: int, attrs: Mapping[str, Any]) -> np.ndarray:
    """Source coordinate of every target index along one axis (TFLite's three conventions)."""
    index = np.arange(target, dtype=np.float64)
    if attrs.get("align_corners") and target > 1:
        return index * (size - 1) / (target - 1)
    if attrs.get("half_pixel_centers"):
        return (index + 0.5) * size / target - 0.5
    return index * size / target


def resize_bilinear(
    x: np.ndarray, size: Sequence[int], attrs: Mapping[str, Any], arithmetic: Arithmetic = FLOAT64
) -> np.ndarray:
    """RESIZE_BILINEAR to (height, width). A delegate rounds the shares of two neighbours, and either's part."""
    stored = arithmetic.stored
    for axis, target in ((1, size[0]), (2, size[1])):
        source = np.clip(_source(x.shape[axis], target, attrs), 0, x.shape[axis] - 1)
        low = np.floor(source).astype(int)
        high = np.minimum(low + 1, x.shape[axis] - 1)
        shape = [1, 1, 1, 1]
        shape[axis] = target
        share = stored((source - low).astype(x.dtype).reshape(shape))
        x = stored(stored(x.take(low, axis=axis) * stored(1 - share)) + stored(x.take(high, axis=axis) * share))
    return x


def resize_nearest(
    x: np.ndarray, size: Sequence[int], attrs: Mapping[str, Any], arithmetic: Arithmetic = FLOAT64
) -> np.ndarray:
    """RESIZE_NEAREST_NEIGHBOR to (height, width)."""
    for axis, target in ((1, size[0]), (2, size[1])):
        extent = x.shape[axis]
        if attrs.get("align_corners") and target > 1:
            source = np.floor(np.arange(target) * (extent - 1) / (target - 1) + 0.5)
        elif attrs.get("half_pixel_centers"):
            source = np.floor((np.arange(target) + 0.5) * extent / target)
        else:
            source = np.floor(np.arange(target) * extent / target)
        x = x.take(np.clip(source, 0, extent - 1).astype(int), axis=axis)
    return x
