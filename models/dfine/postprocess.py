"""Boxes and logits into detections: sigmoid, threshold, cxcywh to xyxy, light NMS. numpy only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.box_geometry import box_iou, corners

SCORE_THRESHOLD = 0.5
NMS_IOU = 0.7
"""Light: a DETR's queries are trained not to repeat each other; only near copies go."""


@dataclass(frozen=True)
class Detection:
    """box: (x0, y0, x1, y1) relative to the image. token: index of the token it grew from, -1 if unknown."""

    box: tuple[float, float, float, float]
    label: int
    score: float
    token: int = -1


def scores(logits: np.ndarray) -> np.ndarray:
    """Sigmoid, computed so that it never overflows; NaN gives 0."""
    return np.nan_to_num(np.exp(-np.logaddexp(0, -np.nan_to_num(logits, nan=-np.inf).astype(np.float64))))


def decode(
    boxes: np.ndarray,
    logits: np.ndarray,
    tokens: np.ndarray | None = None,
    *,
    score_threshold: float = SCORE_THRESHOLD,
    nms_iou: float = NMS_IOU,
) -> tuple[Detection, ...]:
    """boxes [1, Q, 4] cxcywh, logits [1, Q, labels], tokens [Q] -> detections, best first, one label per query.

    NMS is per class: of two boxes of one class that overlap more than `nms_iou` the better one stays.
    """
    probability = scores(logits[0])
    label = probability.argmax(axis=-1)
    score = probability.max(axis=-1)
    box = corners(boxes[0].astype(np.float64))
    usable = (score > score_threshold) & np.isfinite(box).all(axis=-1)
    order = [i for i in np.argsort(-score, kind="stable") if usable[i]]
    overlap = box_iou(box[:, None], box[None])
    kept: list[int] = []
    for i in order:
        if all(label[i] != label[k] or overlap[i, k] <= nms_iou for k in kept):
            kept.append(int(i))
    return tuple(
        Detection(
            tuple(float(v) for v in box[i]),  # type: ignore[arg-type]
            int(label[i]),
            float(score[i]),
            -1 if tokens is None else int(tokens[i]),
        )
        for i in kept
    )
