"""Rounding float32 to float16 and back, as float32: to the nearest, or toward zero.

Key insight: numpy's own conversion asks of every number what kind it is, and mispredicts where a RELU has put zeros
among others. A float32 rounds itself: adding 1.5 * 2^13 times the power of two at or below a number leaves only the
bits that a float16 keeps of it, and that power of two is the number without sign and fraction. Below float16's
smallest normal number the power stays where it is, which gives the subnormal numbers. Blocks of numbers stay in the
processor's cache.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

_BLOCK = 1 << 15  # numbers: 128 KiB
_EXPONENT = np.uint32(0x7F800000)
_SIGN = np.uint32(0x80000000)
_UPPER_BITS = np.uint32(0xFFFFE000)  # sign, exponent and the 10 bits of fraction that a float16 has
_SMALLEST_NORMAL, _LARGEST = np.float32(2.0**-14), np.float32(65504.0)
_LARGEST_POWER = np.float32(2.0**15)  # from here on a number may round to infinity
_LIMIT = np.float32(65520.0)  # halfway from the largest to the next power of two: what is there or beyond is infinite
_STEPS = np.float32(2.0**24)  # subnormal float16 numbers in 1
_SHIFT = np.float32(1.5 * 2.0**13)


def nearest(values: np.ndarray) -> np.ndarray:
    """`values.astype(float16).astype(float32)`, bit for bit but for what a NaN carries. Any float dtype, any shape."""
    if values.dtype != np.float32:
        with np.errstate(over="ignore", invalid="ignore"):
            return values.astype(np.float16).astype(np.float32)
    return _in_blocks(values, _nearest_into)


def toward_zero(values: np.ndarray) -> np.ndarray:
    """The next float16 toward zero, as float32; what is too large ends at the largest. Any float dtype, any shape."""
    if values.dtype != np.float32:
        rounded = values.astype(np.float16)
        beyond = np.abs(rounded.astype(np.float32)) > np.abs(values)
        rounded[beyond] = np.nextafter(rounded[beyond], np.float16(0))
        return rounded.astype(np.float32)
    return _in_blocks(values, _toward_zero_into)


def _in_blocks(values: np.ndarray, into: Callable[[np.ndarray, np.ndarray], None]) -> np.ndarray:
    given = np.ascontiguousarray(values).reshape(-1)
    rounded = np.empty_like(given)
    with np.errstate(over="ignore", invalid="ignore"):
        for first in range(0, given.size, _BLOCK):
            part = slice(first, first + _BLOCK)
            into(given[part], rounded[part])
    return rounded.reshape(values.shape)


def _nearest_into(values: np.ndarray, out: np.ndarray) -> None:
    bits = values.view(np.uint32)
    shift = np.bitwise_and(bits, _EXPONENT).view(np.float32)
    np.maximum(shift, _SMALLEST_NORMAL, out=shift)
    highest = shift.max()
    np.multiply(shift, _SHIFT, out=shift)
    np.add(values, shift, out=out)
    np.subtract(out, shift, out=out)
    # A negative number that becomes zero keeps its sign.
    np.bitwise_or(out.view(np.uint32), np.bitwise_and(bits, _SIGN), out=out.view(np.uint32))
    if not highest < _LARGEST_POWER:
        beyond = np.abs(values) >= _LIMIT
        out[beyond] = np.copysign(np.float32(np.inf), values[beyond])
        out[np.isnan(values)] = np.nan


def _toward_zero_into(values: np.ndarray, out: np.ndarray) -> None:
    np.bitwise_and(values.view(np.uint32), _UPPER_BITS, out=out.view(np.uint32))
    size = np.abs(values)
    small = (size < _SMALLEST_NORMAL) & (size > 0)
    if small.any():
        out[small] = np.trunc(values[small] * _STEPS) / _STEPS
    if not size.max() <= _LARGEST:
        special = ~(size <= _LARGEST)
        beyond = values[special]
        # What is infinite or no number stays so.
        out[special] = np.where(np.isfinite(beyond), np.copysign(_LARGEST, beyond), beyond)
