"""Graph B: the FDR decoder over the 300 selected tokens, three layers of refinement, boxes and logits."""

from __future__ import annotations

import torch
from torch import nn
from transformers import DFineForObjectDetection
from transformers.models.d_fine.modeling_d_fine import weighting_function

from models.dfine.architecture import level_sizes
from models.dfine.box_decoding import clamp_logit, distance_to_box
from models.dfine.decoder_layer import TokenDecoderLayer
from models.dfine.layer_norm import Fp16LayerNorm
from models.dfine.quality import Integral, LocationQuality

INPUTS = ("memory_raw", "target", "ref")
OUTPUTS = ("boxes", "logits")


class Gate(nn.Module):
    """Same as `DFineGate`: two learnt gates between the residual and the attended tokens."""

    def __init__(self, original: nn.Module) -> None:
        super().__init__()
        self.gate = original.gate
        self.norm = Fp16LayerNorm(original.norm)

    def forward(self, residual: torch.Tensor, attended: torch.Tensor) -> torch.Tensor:
        gates = torch.sigmoid(self.gate(torch.cat([residual, attended], dim=-1)))
        half = residual.shape[-1]
        return self.norm(gates[:, :, :half] * residual + gates[:, :, half:] * attended)


class DecoderLayer(TokenDecoderLayer):
    """Same as `DFineDecoderLayer`, without its clamp to the fp16 range, which never binds before a LayerNorm here."""

    def __init__(self, original: nn.Module, sides: tuple[int, ...]) -> None:
        super().__init__(original, sides)
        self.gate = Gate(original.gateway)

    def take_up(self, hidden: torch.Tensor, attended: torch.Tensor) -> torch.Tensor:
        return self.gate(hidden, attended)


class GraphB(nn.Module):
    """memory_raw [1, tokens, 256], target [1, 300, 256], ref [1, 300, 4] (logits) -> boxes, logits.

    boxes: [1, 300, 4]. logits: [1, 300, 80]. Boxes are cxcywh in [0, 1] of the image.
    """

    def __init__(self, model: DFineForObjectDetection, size: int) -> None:
        """model: used up; pass a copy."""
        super().__init__()
        decoder = model.model.decoder
        sides = level_sizes(size)
        self.layers = nn.ModuleList(DecoderLayer(layer, sides) for layer in decoder.layers)
        self.position_head = decoder.query_pos_head
        self.initial_box_head = decoder.pre_bbox_head
        self.corner_heads = decoder.bbox_embed
        self.score_head = decoder.class_embed[-1]
        self.quality = LocationQuality(decoder.lqe_layers[-1])
        self.integral = Integral(weighting_function(decoder.max_num_bins, decoder.up, decoder.reg_scale))
        self.reg_scale = abs(float(decoder.reg_scale))

    def forward(
        self, memory: torch.Tensor, target: torch.Tensor, reference: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        hidden, boxes = target, torch.sigmoid(reference)
        previous = corners = initial = None
        for layer, corner_head in zip(self.layers, self.corner_heads, strict=True):
            position = self.position_head(boxes).clamp(min=-10.0, max=10.0)
            hidden = layer(hidden, position, memory, boxes)
            if initial is None:
                initial = torch.sigmoid(self.initial_box_head(hidden) + clamp_logit(reference))
            refined = corner_head(hidden if previous is None else hidden + previous)
            corners = refined if corners is None else refined + corners
            boxes = distance_to_box(initial, self.integral(corners), self.reg_scale)
            previous = hidden
        return boxes, self.score_head(hidden) + self.quality(corners)
