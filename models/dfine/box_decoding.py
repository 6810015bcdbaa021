"""Boxes of the decoder: edge distances to boxes by one concatenation, and a sigmoid with its inverse as one clamp."""

from __future__ import annotations

import math

import torch

INVERSE_SIGMOID_EPS = 1e-5
_LIMIT = math.log(1 / INVERSE_SIGMOID_EPS)


def distance_to_box(boxes: torch.Tensor, distance: torch.Tensor, reg_scale: float) -> torch.Tensor:
    """boxes [1, Q, 4] cxcywh, distance [1, Q, 4] to left, top, right, bottom -> [1, Q, 4] cxcywh."""
    center, extent = boxes[:, :, :2], boxes[:, :, 2:] / reg_scale
    low = center - (0.5 * reg_scale + distance[:, :, :2]) * extent
    high = center + (0.5 * reg_scale + distance[:, :, 2:]) * extent
    return torch.cat([(low + high) * 0.5, high - low], dim=-1)


def clamp_logit(reference: torch.Tensor) -> torch.Tensor:
    """`inverse_sigmoid(sigmoid(reference))` of the original: the identity between -11.51 and 11.51, flat outside."""
    return reference.clamp(min=-_LIMIT, max=_LIMIT)
