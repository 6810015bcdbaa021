"""Anchors: the prior box of every token, as logits, and which of them are valid. numpy only: the host step needs them.

The original writes FLT_MAX into the anchors it calls invalid (too near the border; at 640 there are 316). That is
outside fp16's range, so whatever goes into a graph gets `OUT_OF_RANGE` instead: its sigmoid is 1 in every precision.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from models.dfine.architecture import level_sizes

GRID_SIZE = 0.05
MARGIN = 1e-2
OUT_OF_RANGE = np.float32(1e4)


@lru_cache
def anchors(size: int) -> np.ndarray:
    """[1, tokens, 4] float32 logits of (cx, cy, w, h); +inf where the token is invalid.

    `DFineModel.generate_anchors` of transformers, with +inf for its FLT_MAX.
    """
    levels = []
    for level, side in enumerate(level_sizes(size)):
        y, x = np.meshgrid(np.arange(side, dtype=np.float32), np.arange(side, dtype=np.float32), indexing="ij")
        center = (np.stack([x, y], axis=-1) + np.float32(0.5)) / np.float32(side)
        extent = np.full_like(center, GRID_SIZE * 2.0**level)
        levels.append(np.concatenate([center, extent], axis=-1).reshape(-1, 4))
    boxes = np.concatenate(levels)
    inside = ((boxes > MARGIN) & (boxes < 1 - MARGIN)).all(axis=-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        logits = np.log(boxes / (1 - boxes))
    return np.where(inside, logits, np.float32(np.inf)).astype(np.float32)[None]


def valid(size: int) -> np.ndarray:
    """[1, tokens, 1] float32: 1 where the anchor is valid, else 0."""
    return np.isfinite(anchors(size)).all(axis=-1, keepdims=True).astype(np.float32)


def baked_anchors(size: int) -> np.ndarray:
    """`anchors` with OUT_OF_RANGE for +inf: what may stand in a graph."""
    return np.minimum(anchors(size), OUT_OF_RANGE)
