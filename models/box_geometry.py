"""Boxes as numbers: cxcywh to corners, and intersection over union. numpy only."""

from __future__ import annotations

import numpy as np


def corners(boxes: np.ndarray) -> np.ndarray:
    """[..., 4] cxcywh -> [..., 4] xyxy."""
    center, half = boxes[..., :2], boxes[..., 2:] / 2
    return np.concatenate([center - half, center + half], axis=-1)


def box_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of xyxy boxes, broadcast over leading axes; 0 for empty, inverted, non-finite ones."""
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        low = np.maximum(a[..., :2], b[..., :2])
        high = np.minimum(a[..., 2:], b[..., 2:])
        shared = np.prod(np.clip(high - low, 0, None), axis=-1)
        area_a = np.prod(np.clip(a[..., 2:] - a[..., :2], 0, None), axis=-1)
        area_b = np.prod(np.clip(b[..., 2:] - b[..., :2], 0, None), axis=-1)
        iou = shared / (area_a + area_b - shared)
    return np.where(np.isfinite(iou), iou, 0.0)
