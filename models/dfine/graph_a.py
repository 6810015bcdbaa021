"""Graph A: image -> tokens and scores. The naive split, which the delegate breaks, and the shipped one.

Both compute the same network. They differ only in what they emit: the naive one emits every tensor the host wants,
and two of them (`memory_raw`, `output_memory`) are also consumed inside; the shipped one emits two clean leaves, the
memory through a multiplication by 2 that exists only to be a leaf.
"""

from __future__ import annotations

import torch
from torch import nn

from models.dfine.anchors import baked_anchors, valid
from models.dfine.architecture import level_sizes
from models.dfine.attention import EncoderLayer, baked_position
from models.dfine.batch_norm import bake_batch_norms
from models.dfine.layer_norm import Fp16LayerNorm

MEMORY_SCALE = 2.0
NAIVE_OUTPUTS = ("enc_class", "enc_coord", "output_memory", "memory_raw")
SHIPPED_OUTPUTS = ("enc_class", "memory_raw_x2")


class Encoder(nn.Module):
    """Image [1, 3, size, size] -> memory [1, tokens, 256], finest level first."""

    def __init__(self, model: nn.Module, size: int) -> None:
        """model: a `DFineForObjectDetection` or `RTDetrForObjectDetection`, used up: pass a copy."""
        super().__init__()
        core = model.model
        backbone = bake_batch_norms(core.backbone.model)
        self.stem = backbone.embedder
        self.stages = backbone.encoder.stages
        self.taken = tuple(backbone.stage_names.index(name) - 1 for name in backbone.out_features)
        self.projections = bake_batch_norms(core.encoder_input_proj)
        hybrid = bake_batch_norms(core.encoder)
        deepest = level_sizes(size)[-1]
        position = baked_position(hybrid.aifi[0], deepest)
        self.aifi = nn.ModuleList(EncoderLayer(layer, position) for layer in hybrid.aifi[0].layers)
        self.lateral = hybrid.lateral_convs
        self.down_blocks = hybrid.fpn_blocks
        self.downsample = hybrid.downsample_convs
        self.up_blocks = hybrid.pan_blocks
        self.to_memory = bake_batch_norms(core.decoder_input_proj)  # nothing at all in D-FINE-S

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = self.stem(image)
        maps: list[torch.Tensor] = []
        for index, stage in enumerate(self.stages):
            x = stage(x)
            if index in self.taken:
                maps.append(self.projections[len(maps)](x))
        batch, channels, side, _ = maps[-1].shape
        tokens = maps[-1].flatten(2).transpose(1, 2)
        for layer in self.aifi:
            tokens = layer(tokens)
        pyramid = [tokens.transpose(1, 2).reshape(batch, channels, side, side)]
        for lateral, block, finer in zip(self.lateral, self.down_blocks, reversed(maps[:-1]), strict=True):
            pyramid[-1] = lateral(pyramid[-1])
            upsampled = nn.functional.interpolate(pyramid[-1], scale_factor=2.0, mode="nearest")
            pyramid.append(block(torch.cat([upsampled, finer], dim=1)))
        pyramid.reverse()
        levels = [pyramid[0]]
        for downsample, block, coarser in zip(self.downsample, self.up_blocks, pyramid[1:], strict=True):
            levels.append(block(torch.cat([downsample(levels[-1]), coarser], dim=1)))
        projected = [project(level) for project, level in zip(self.to_memory, levels, strict=True)]
        return torch.cat([level.flatten(2).transpose(1, 2) for level in projected], dim=1)


class _GraphA(nn.Module):
    def __init__(self, model: nn.Module, size: int) -> None:
        super().__init__()
        self.encoder = Encoder(model, size)
        self.output = model.model.enc_output[0]
        self.output_norm = Fp16LayerNorm(model.model.enc_output[1])
        self.score_head = model.model.enc_score_head
        mask = torch.from_numpy(valid(size))
        self.valid = None if bool(mask.all()) else nn.Buffer(mask)

    def output_memory(self, memory: torch.Tensor) -> torch.Tensor:
        return self.output_norm(self.output(memory if self.valid is None else memory * self.valid))


class ShippedGraphA(_GraphA):
    """image [1, 3, s, s] -> enc_class [1, tokens, 80], memory_raw_x2 [1, tokens, 256]."""

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        memory = self.encoder(image)
        return self.score_head(self.output_memory(memory)), memory * MEMORY_SCALE


class NaiveGraphA(_GraphA):
    """image [1, 3, s, s] -> enc_class, enc_coord [1, tokens, 4] (logits), output_memory, memory_raw."""

    def __init__(self, model: nn.Module, size: int) -> None:
        super().__init__(model, size)
        self.box_head = model.model.enc_bbox_head
        self.anchors = nn.Buffer(torch.from_numpy(baked_anchors(size)))

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        memory = self.encoder(image)
        output_memory = self.output_memory(memory)
        coordinates = self.box_head(output_memory) + self.anchors
        return self.score_head(output_memory), coordinates, output_memory, memory
