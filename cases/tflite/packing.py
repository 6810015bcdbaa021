"""Integers of less than a byte, as a .tflite holds them: the first in the lowest bits, rows not padded.

Source: TFLite's `tensor_utils` (PackInt8IntoDenseInt, UnpackPackedIntToInt8).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

PACKED_BITS: Mapping[str, int] = {"int2": 2, "int4": 4, "uint4": 4}


def packed(values: np.ndarray, bits: int) -> bytes:
    """Integers in so many bits each, the first in the lowest bits of the first byte."""
    fields = np.zeros(-(-values.size * bits // 8) * 8 // bits, np.uint8)
    fields[: values.size] = values.reshape(-1).astype(np.int64) & ((1 << bits) - 1)
    rows = fields.reshape(-1, 8 // bits)
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    return np.bitwise_or.reduce(rows << shifts, axis=1).astype(np.uint8).tobytes()
