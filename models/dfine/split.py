"""The host steps of both layouts, by the names that the layout files use."""

from __future__ import annotations

import numpy as np

from models import detector
from models.dfine import host_step, weights
from models.dfine.convert import tail_parameters


def shipped_host(
    *,
    enc_class: np.ndarray,
    memory_raw_x2: np.ndarray,
    size: int,
    weights: str = weights.DEFAULT,
    detector: str = detector.DEFAULT,
    **_: object,
) -> dict[str, np.ndarray]:
    """Top 300 and the per-token tail in float32: gives memory_raw, target, ref, tokens."""
    return host_step.shipped_step(tail_parameters(size, weights, detector), size, enc_class, memory_raw_x2)


def naive_host(
    *, enc_class: np.ndarray, enc_coord: np.ndarray, output_memory: np.ndarray, **_: object
) -> dict[str, np.ndarray]:
    """Top 300 by gathering what the graph emitted: gives target, ref, tokens; memory_raw passes by."""
    return host_step.naive_step(enc_class, enc_coord, output_memory)
