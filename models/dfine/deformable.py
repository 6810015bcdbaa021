"""Multi-level deformable attention in at most four dimensions.

The original carries [batch, query, head, level*point, xy]: five dimensions. Here x and y never share an axis: the
projection that gives both is split into two, once, when the module is made.
"""

from __future__ import annotations

import torch
from torch import nn

from models.dfine.grid_sample import TentSampler


def _rows(linear: nn.Linear, start: int) -> nn.Linear:
    """A linear layer made of every second output of `linear`."""
    part = nn.Linear(linear.in_features, linear.out_features // 2)
    with torch.no_grad():
        part.weight.copy_(linear.weight[start::2])
        part.bias.copy_(linear.bias[start::2])
    return part


class DeformableAttention(nn.Module):
    """The same function as a transformers `DFineMultiscaleDeformableAttention` with 4-d reference boxes, or RT-DETR's.

    RT-DETR's takes the same number of points from each level, writes its offset scale into its forward, and projects
    the memory before and the samples after.
    """

    def __init__(self, original: nn.Module, sides: tuple[int, ...]) -> None:
        """sides: of the square map of each level, in the order of the tokens."""
        super().__init__()
        self.heads = original.n_heads
        points = original.n_points
        self.points = tuple(points) if isinstance(points, list) else (points,) * original.n_levels
        self.sides = sides
        self.offset_x = _rows(original.sampling_offsets, 0)
        self.offset_y = _rows(original.sampling_offsets, 1)
        self.attention = original.attention_weights
        shares = torch.tensor([1 / count for count in self.points for _ in range(count)])
        self.scale = nn.Buffer((shares * getattr(original, "offset_scale", 0.5)).reshape(1, 1, 1, -1))
        self.value = getattr(original, "value_proj", nn.Identity())
        self.output = getattr(original, "output_proj", nn.Identity())
        self.samplers = nn.ModuleList(TentSampler(side) for side in sides)

    def _per_head(self, x: torch.Tensor) -> torch.Tensor:
        return x.reshape(1, x.shape[1], self.heads, sum(self.points))

    def forward(self, hidden: torch.Tensor, memory: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
        """hidden: [1, Q, C]; memory: [1, tokens, C]; boxes: [1, Q, 4] cxcywh in [0, 1]. Returns [1, Q, C]."""
        queries, channels = hidden.shape[1], hidden.shape[2]
        attention = torch.softmax(self._per_head(self.attention(hidden)), dim=-1)
        center_x, center_y, width, height = (boxes[:, :, i : i + 1].unsqueeze(-1) for i in range(4))
        x = center_x + self._per_head(self.offset_x(hidden)) * self.scale * width
        y = center_y + self._per_head(self.offset_y(hidden)) * self.scale * height
        # [1, Q, heads, P] -> [heads, Q, P]
        x, y, attention = (t.reshape(queries, self.heads, -1).transpose(0, 1) for t in (x, y, attention))
        memory = self.value(memory)
        total: torch.Tensor | None = None
        token = point = 0
        for side, count, sampler in zip(self.sides, self.points, self.samplers, strict=True):
            value = memory[:, token : token + side * side, :]
            value = value.reshape(1, side * side, self.heads, -1).transpose(1, 2)
            here = slice(point, point + count)
            sampled = sampler(value, x[:, :, here], y[:, :, here], attention[:, :, here])
            total = sampled if total is None else total + sampled
            token, point = token + side * side, point + count
        assert total is not None
        return self.output(total.transpose(1, 2).reshape(1, queries, channels))
