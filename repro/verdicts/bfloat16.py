"""Values that were rounded to bfloat16, which a GPU may compute with in the place of float16.

Key insight: such a value is off by a quarter of a percent at most, which is within the floor of any sum; but all of its
low bits are zero, and those of no other result are.
"""

from __future__ import annotations

import numpy as np

_CHANCE = 32  # elements: fewer may all be bfloat16 by chance


def is_rounded_to_bfloat16(reference: np.ndarray, actual: np.ndarray) -> bool:
    """Whether all values have no more bits than a bfloat16, while most of the reference's float16 values have.

    Rounding a value so is a quarter of a percent at most, which no floor of a sum shows. One float16 of eight is a
    bfloat16 by chance.
    """
    if any(has_more_bits(part).any() for part in (actual[:1, :_CHANCE], actual)):
        return False
    wanted = has_more_bits(reference.astype(np.float16))
    return bool(np.count_nonzero(wanted) >= max(_CHANCE, wanted.size / 2))


def has_more_bits(values: np.ndarray) -> np.ndarray:
    """Where a float32 has bits beyond the 8 significant ones of a bfloat16."""
    return np.asarray(np.ascontiguousarray(values, np.float32).view(np.uint32) & np.uint32(0xFFFF) != 0)


def needs_few_bits(values: np.ndarray) -> bool:
    """Whether most values, as float16 arithmetic makes them, are numbers of bfloat16: a sum of two that nearly cancel.

    What is left of them has as many bits as they differ by, whoever computes it.
    """
    return bool(2 * np.count_nonzero(has_more_bits(values)) < values.size)
