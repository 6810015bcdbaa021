"""Graph B: RT-DETR's decoder over the 300 selected tokens: three layers, each of which moves the boxes."""

from __future__ import annotations

import torch
from torch import nn

from models.dfine.architecture import level_sizes
from models.dfine.attention import SelfAttention
from models.dfine.box_decoding import clamp_logit
from models.dfine.deformable import DeformableAttention
from models.dfine.layer_norm import Fp16LayerNorm


class DecoderLayer(nn.Module):
    """Same as `RTDetrDecoderLayer`."""

    def __init__(self, original: nn.Module, sides: tuple[int, ...]) -> None:
        super().__init__()
        self.self_attention = SelfAttention(original.self_attn)
        self.self_norm = Fp16LayerNorm(original.self_attn_layer_norm)
        self.cross_attention = DeformableAttention(original.encoder_attn, sides)
        self.cross_norm = Fp16LayerNorm(original.encoder_attn_layer_norm)
        self.mlp = original.mlp
        self.final_norm = Fp16LayerNorm(original.final_layer_norm)

    def forward(
        self, hidden: torch.Tensor, position: torch.Tensor, memory: torch.Tensor, boxes: torch.Tensor
    ) -> torch.Tensor:
        hidden = self.self_norm(hidden + self.self_attention(hidden, position))
        hidden = self.cross_norm(hidden + self.cross_attention(hidden + position, memory, boxes))
        return self.final_norm(hidden + self.mlp(hidden))


class GraphB(nn.Module):
    """memory_raw [1, tokens, 256], target [1, 300, 256], ref [1, 300, 4] (logits) -> boxes, logits.

    boxes: [1, 300, 4], cxcywh in [0, 1] of the image. logits: [1, 300, 80].
    """

    def __init__(self, model: nn.Module, size: int) -> None:
        """model: an `RTDetrForObjectDetection`, used up; pass a copy."""
        super().__init__()
        decoder = model.model.decoder
        sides = level_sizes(size)
        self.layers = nn.ModuleList(DecoderLayer(layer, sides) for layer in decoder.layers)
        self.position_head = decoder.query_pos_head
        self.box_heads = decoder.bbox_embed
        self.score_head = decoder.class_embed[-1]

    def forward(
        self, memory: torch.Tensor, target: torch.Tensor, reference: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        hidden, boxes = target, torch.sigmoid(reference)
        for layer, box_head in zip(self.layers, self.box_heads, strict=True):
            hidden = layer(hidden, self.position_head(boxes), memory, boxes)
            reference = box_head(hidden) + clamp_logit(reference)
            boxes = torch.sigmoid(reference)
        return boxes, self.score_head(hidden)
