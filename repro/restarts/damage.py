"""What happens to a file between two starts of an app: it is cut short, or bits of it change.

Key insight: where a bit flips decides what is seen, and files are mostly programs. So the changed byte is drawn once
from each of several equal parts of the bytes that are not zero, and once where a weight of the model lies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

Damage = Callable[[bytes], bytes | None]
"""The bytes of a file -> what is found in their place; None where this cannot happen to them."""

_LIVE_PATTERN = 8
"""Bytes of weights that are looked for in a file: two of float32, which nothing else holds by chance."""


def cut(numerator: int, denominator: int) -> Damage:
    """Keeps that part of a file's bytes from its beginning on, and never all of them."""
    return lambda data: data[: min(len(data) * numerator // denominator, len(data) - 1)] if data else None


def flip(part: int, parts: int, seed: int) -> Damage:
    """Changes one bit of a byte that is not zero, in the part-th of `parts` equal parts of such bytes."""

    def flipped(data: bytes) -> bytes | None:
        live = np.flatnonzero(np.frombuffer(data, np.uint8))
        mine = live[len(live) * part // parts : len(live) * (part + 1) // parts]
        if not mine.size:
            return None
        rng = np.random.default_rng([seed, part, parts])
        return _with_flipped_bit(data, int(rng.choice(mine)), int(rng.integers(8)))

    return flipped


def flip_weight(constants: Sequence[np.ndarray]) -> Damage:
    """Changes the sign of the largest weight that can be found in a file, as float32 or fp16 beside its neighbour."""

    def flipped(data: bytes) -> bytes | None:
        for values in constants:
            flat = np.ravel(values)
            for dtype in (np.float32, np.float16):
                row = flat[: _LIVE_PATTERN // np.dtype(dtype).itemsize].astype(dtype)
                at = data.find(row.tobytes()) if row.nbytes == _LIVE_PATTERN and row.all() else -1
                if at >= 0:
                    place = int(np.argmax(np.abs(row)))
                    return _with_flipped_bit(data, at + (place + 1) * row.itemsize - 1, 7)
        return None

    return flipped


def _with_flipped_bit(data: bytes, at: int, bit: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]
