"""Matching detections of a target with those of the reference: by the token they grew from, and by box.

By token: row k of two decoders need not be the same query, because rounding permutes the top 300; the token index
identifies it. By box: what a user sees, greedily, best overlap first, one to one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from repro.layouts.neighbours import OWN_ROOT, load

if TYPE_CHECKING:
    from models.box_geometry import box_iou, corners
else:  # by path: `import repro` leaves the name `models` to the user's own package as long as it can
    _boxes = load(OWN_ROOT, "models.box_geometry")
    box_iou, corners = _boxes.box_iou, _boxes.corners


class Detected(Protocol):
    """What is needed of a detection: an xyxy box, a class and a score."""

    @property
    def box(self) -> tuple[float, float, float, float]: ...
    @property
    def label(self) -> int: ...
    @property
    def score(self) -> float: ...


@dataclass(frozen=True)
class TokenMatch:
    """overlap: share of the reference's tokens that the target selected too. iou: per shared token, [shared]."""

    overlap: float
    iou: np.ndarray


@dataclass(frozen=True)
class BoxMatch:
    """pairs: (reference index, target index, IoU), every IoU at least the matching threshold.

    lost, extra: indices of the reference's and the target's detections without a partner.
    """

    pairs: tuple[tuple[int, int, float], ...]
    lost: tuple[int, ...]
    extra: tuple[int, ...]


MATCH_IOU = 0.5
"""Below this two boxes are not the same object (COCO's loosest criterion)."""


def match_by_token(
    reference_boxes: np.ndarray, reference_tokens: np.ndarray, boxes: np.ndarray, tokens: np.ndarray
) -> TokenMatch:
    """boxes [1, Q, 4] cxcywh, tokens [Q]."""
    row = {int(token): index for index, token in enumerate(tokens)}
    shared = [(i, row[int(token)]) for i, token in enumerate(reference_tokens) if int(token) in row]
    if not shared:
        return TokenMatch(0.0, np.zeros(0))
    left, right = (np.array(side) for side in zip(*shared, strict=True))
    iou = box_iou(corners(reference_boxes[0][left].astype(np.float64)), corners(boxes[0][right].astype(np.float64)))
    return TokenMatch(len(shared) / len(reference_tokens), iou)


def match_by_box(reference: Sequence[Detected], found: Sequence[Detected], least: float = MATCH_IOU) -> BoxMatch:
    """Pair detections one to one, best overlap first; among equal overlaps the same class first."""
    if not reference or not found:
        return BoxMatch((), tuple(range(len(reference))), tuple(range(len(found))))
    a = np.array([d.box for d in reference], dtype=np.float64)
    b = np.array([d.box for d in found], dtype=np.float64)
    iou = box_iou(a[:, None], b[None])
    same = np.array([[r.label == f.label for f in found] for r in reference])
    # Two classes can share a box exactly: the class breaks the tie, never the order of the rows.
    rank = np.argsort(-(iou + 1e-9 * same), axis=None, kind="stable")
    pairs: list[tuple[int, int, float]] = []
    left, right = set(range(len(reference))), set(range(len(found)))
    for flat in rank:
        i, j = divmod(int(flat), len(found))
        if iou[i, j] < least:
            break
        if i in left and j in right:
            pairs.append((i, j, float(iou[i, j])))
            left.discard(i)
            right.discard(j)
    return BoxMatch(tuple(sorted(pairs)), tuple(sorted(left)), tuple(sorted(right)))
