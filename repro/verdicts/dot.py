"""A dot product that is the same to the last bit on every number of cores."""

from __future__ import annotations

import numpy as np

_PIECE = 8192


def dot(x: np.ndarray, y: np.ndarray) -> float:
    """Of two arrays of one length, in pieces too short for BLAS to start threads.

    Threads cut a sum elsewhere on every machine, and cost more than they bring on a busy one.
    """
    return sum(float(np.dot(x[i : i + _PIECE], y[i : i + _PIECE])) for i in range(0, x.size, _PIECE))
