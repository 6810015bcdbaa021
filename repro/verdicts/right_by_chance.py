"""Outputs that are right by chance: memory that nobody wrote may already hold the right values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def holds_one_input(values: Sequence[np.ndarray], feeds: Sequence[Sequence[np.ndarray]]) -> bool:
    """Whether an output holds nothing but numbers of one and the same graph input, for every feed.

    values[k]: the true output after feed k; feeds[k]: the graph's inputs in order.
    """
    return any(
        all(np.isin(output, given).all() for output, given in zip(values, inputs, strict=True))
        for inputs in zip(*feeds, strict=True)
    )
