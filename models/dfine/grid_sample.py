"""Bilinear sampling without GATHER: tent weights along y and x turn a lookup into two matrix products.

The value at (x, y) is `sum_ij max(0, 1-|y-i|) * max(0, 1-|x-j|) * V[i, j]`: the tent is bilinear interpolation, and a
tap outside the map has no column, which is zero padding. With attention weights a over the P points of a query the
weighted sum of samples is `A @ V` with `A = (a * ty)^T @ tx`: P lookups become one [1, H*W] row per query.
"""

from __future__ import annotations

import torch
from torch import nn


def tent(position: torch.Tensor, ticks: torch.Tensor) -> torch.Tensor:
    """Weights [..., P, side] of the grid positions `ticks` [side] for pixel coordinates [..., P]."""
    return torch.relu(1 - (position.unsqueeze(-1) - ticks).abs())


class TentSampler(nn.Module):
    """Attention-weighted bilinear samples of one square feature map.

    Same as `grid_sample(bilinear, zeros, align_corners=False)` followed by the weighted sum over the points.
    """

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side
        self.ticks = nn.Buffer(torch.arange(side, dtype=torch.float32))

    def forward(self, value: torch.Tensor, x: torch.Tensor, y: torch.Tensor, attention: torch.Tensor) -> torch.Tensor:
        """value: [1, heads, side*side, channels]. x, y (in [0, 1] of the map), attention: [heads, Q, P].

        Returns [1, heads, Q, channels].
        """
        heads, queries = x.shape[0], x.shape[1]
        across = tent(x * self.side - 0.5, self.ticks)
        down = tent(y * self.side - 0.5, self.ticks) * attention.unsqueeze(-1)
        weights = down.transpose(2, 3) @ across
        return weights.reshape(1, heads, queries, self.side * self.side) @ value
