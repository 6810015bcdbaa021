"""LayerNorm that survives fp16: the deviations are scaled down before they are squared and summed.

A delegate that accumulates in fp16 overflows at 65504: with 256 channels a deviation of 16 is enough. Scaling by 1/4
raises that to 64 and leaves the epsilon representable (1e-5 / 16 is ten times the smallest fp16 subnormal).
"""

from __future__ import annotations

import torch
from torch import nn

SCALE = 0.25


class Fp16LayerNorm(nn.Module):
    """The same function as the `nn.LayerNorm` over the last axis that it is made from."""

    def __init__(self, norm: nn.LayerNorm) -> None:
        super().__init__()
        self.weight = nn.Buffer(norm.weight.detach().clone())
        self.bias = nn.Buffer(norm.bias.detach().clone())
        self.eps = norm.eps * SCALE * SCALE

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        deviation = (x - x.mean(dim=-1, keepdim=True)) * SCALE
        variance = (deviation * deviation).mean(dim=-1, keepdim=True)
        return deviation * torch.rsqrt(variance + self.eps) * self.weight + self.bias
