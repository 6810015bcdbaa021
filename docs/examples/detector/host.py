"""The host step between the detector's graphs, and what turns its boxes and logits into detections.

Called by the gate by keyword, with arrays as the graphs give them; `docs/gate-your-own-split.md` says how.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MAP, QUERIES = 8, 8
SHOWN = 0.5
"""Scores from here on are shown."""


def select(scores: np.ndarray, memory_x2: np.ndarray) -> dict[str, np.ndarray]:
    """The best tokens become queries.

    scores [1, 64, 5], memory_x2 [1, 64, 24] -> memory [1, 64, 24], target [1, 8, 24], reference [1, 8, 4] (logits of
    cxcywh), tokens [8] (which token each query came from).
    """
    return _select(scores, memory_x2 / 2)


def naive_select(scores: np.ndarray, memory: np.ndarray) -> dict[str, np.ndarray]:
    """The same for an encoder that emits the memory as it is."""
    return _select(scores, memory)


def _select(scores: np.ndarray, memory: np.ndarray) -> dict[str, np.ndarray]:
    tokens = np.argsort(-scores[0].max(axis=-1), kind="stable")[:QUERIES]
    return {
        "memory": memory,
        "target": memory[:, tokens],
        "reference": _anchors()[:, tokens],
        "tokens": tokens,
    }


def _anchors() -> np.ndarray:
    """[1, 64, 4]: a box of two cells around each token, as logits of cxcywh."""
    centre = (np.arange(MAP) + 0.5) / MAP
    y, x = np.meshgrid(centre, centre, indexing="ij")
    side = np.full_like(x, 2 / MAP)
    boxes = np.stack([x, y, side, side], -1).reshape(1, MAP * MAP, 4)
    return np.log(boxes / (1 - boxes)).astype(np.float32)


@dataclass(frozen=True)
class Detection:
    """box: left, top, right, bottom in the unit square."""

    box: tuple[float, float, float, float]
    label: int
    score: float


def decode(boxes: np.ndarray, logits: np.ndarray, tokens: np.ndarray | None) -> list[Detection]:
    """boxes [1, 8, 4] as cxcywh, logits [1, 8, 5] -> what is shown to a user."""
    scores = 1 / (1 + np.exp(-logits[0].astype(np.float64)))
    found = []
    for (x, y, width, height), row in zip(boxes[0].astype(np.float64), scores, strict=True):
        if row.max() >= SHOWN:
            corners = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
            found.append(Detection(corners, int(row.argmax()), float(row.max())))
    return found
