"""Graph B: RT-DETR's decoder over the 300 selected tokens: three layers, each of which moves the boxes."""

from __future__ import annotations

import torch
from torch import nn

from models.dfine.architecture import level_sizes
from models.dfine.box_decoding import clamp_logit
from models.dfine.decoder_layer import TokenDecoderLayer
from models.dfine.layer_norm import Fp16LayerNorm


class DecoderLayer(TokenDecoderLayer):
    """Same as `RTDetrDecoderLayer`."""

    def __init__(self, original: nn.Module, sides: tuple[int, ...]) -> None:
        super().__init__(original, sides)
        self.cross_norm = Fp16LayerNorm(original.encoder_attn_layer_norm)

    def take_up(self, hidden: torch.Tensor, attended: torch.Tensor) -> torch.Tensor:
        return self.cross_norm(hidden + attended)


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
