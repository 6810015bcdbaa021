"""Self-attention written out in at most four dimensions, and the encoder layer with its position embedding baked in."""

from __future__ import annotations

import torch
from torch import nn

from models.dfine.layer_norm import Fp16LayerNorm


class SelfAttention(nn.Module):
    """Multi-head attention over tokens [1, N, C]; positions are added to queries and keys, not to values."""

    def __init__(self, original: nn.Module) -> None:
        """original: a transformers `DFineSelfAttention`."""
        super().__init__()
        self.query = original.q_proj
        self.key = original.k_proj
        self.value = original.v_proj
        self.output = original.o_proj
        self.head_width = original.head_dim
        self.scaling = original.scaling

    def _heads(self, x: torch.Tensor) -> torch.Tensor:
        return x.reshape(1, x.shape[1], -1, self.head_width).transpose(1, 2)

    def forward(self, x: torch.Tensor, position: torch.Tensor) -> torch.Tensor:
        located = x + position
        query = self._heads(self.query(located)) * self.scaling
        scores = query @ self._heads(self.key(located)).transpose(2, 3)
        mixed = torch.softmax(scores, dim=-1) @ self._heads(self.value(x))
        return self.output(mixed.transpose(1, 2).reshape(1, x.shape[1], -1))


class EncoderLayer(nn.Module):
    """One AIFI layer on tokens [1, N, C], N fixed by the baked sine position embedding."""

    def __init__(self, original: nn.Module, position: torch.Tensor) -> None:
        """original: a transformers `DFineEncoderLayer` (post-norm). position: [1, N, C]."""
        super().__init__()
        self.attention = SelfAttention(original.self_attn)
        self.attention_norm = Fp16LayerNorm(original.self_attn_layer_norm)
        self.mlp = original.mlp
        self.final_norm = Fp16LayerNorm(original.final_layer_norm)
        self.position = nn.Buffer(position.clone())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.attention_norm(x + self.attention(x, self.position))
        return self.final_norm(x + self.mlp(x))


def baked_position(layer: nn.Module, side: int) -> torch.Tensor:
    """The sine position embedding [1, side*side, C] that a transformers `DFineAIFILayer` would compute each time."""
    return layer.position_embedding(width=side, height=side, device=torch.device("cpu"), dtype=torch.float32)
