"""What the decoder layers of D-FINE and RT-DETR have in common: all but how a token takes up what it attended to."""

from __future__ import annotations

import torch
from torch import nn

from models.dfine.attention import SelfAttention
from models.dfine.deformable import DeformableAttention
from models.dfine.layer_norm import Fp16LayerNorm


class TokenDecoderLayer(nn.Module):
    """Self-attention among the tokens, deformable attention to the memory, an MLP; each with a LayerNorm.

    hidden, position: [1, 300, 256]. memory: [1, tokens, 256]. boxes: [1, 300, 4], cxcywh in [0, 1]. Gives the new
    hidden.
    """

    def __init__(self, original: nn.Module, sides: tuple[int, ...]) -> None:
        """original: a decoder layer of `transformers`. sides: of the memory's maps, in cells."""
        super().__init__()
        self.self_attention = SelfAttention(original.self_attn)
        self.self_norm = Fp16LayerNorm(original.self_attn_layer_norm)
        self.cross_attention = DeformableAttention(original.encoder_attn, sides)
        self.mlp = original.mlp
        self.final_norm = Fp16LayerNorm(original.final_layer_norm)

    def take_up(self, hidden: torch.Tensor, attended: torch.Tensor) -> torch.Tensor:
        """The tokens with what each attended to in the memory."""
        raise NotImplementedError

    def forward(
        self, hidden: torch.Tensor, position: torch.Tensor, memory: torch.Tensor, boxes: torch.Tensor
    ) -> torch.Tensor:
        hidden = self.self_norm(hidden + self.self_attention(hidden, position))
        hidden = self.take_up(hidden, self.cross_attention(hidden + position, memory, boxes))
        return self.final_norm(hidden + self.mlp(hidden))
