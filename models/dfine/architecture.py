"""The D-FINE-S configuration for `transformers`, and the sizes the split is built for.

The numbers are those of the public `ustc-community/dfine-small-coco` (HGNetV2-B0 backbone, three decoder
layers): 10,309,605 parameters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.errors import BadInput

if TYPE_CHECKING:
    from transformers import DFineConfig, DFineForObjectDetection

PARAMETERS = 10_309_605
SIZES = (160, 320, 640)
STRIDES = (8, 16, 32)
QUERIES = 300
LABELS = 80
WIDTH = 256
"""Channels of a token."""


def check_size(size: int) -> int:
    """Return `size`, or raise BadInput: the input side must be a multiple of 32 that gives at least 300 tokens."""
    if size % 32 or tokens(size) < QUERIES:
        raise BadInput(
            f"size {size} does not fit the detector: take a multiple of 32 with at least {QUERIES} tokens (128 or more)"
        )
    return size


def level_sizes(size: int) -> tuple[int, ...]:
    """Side of the square feature map of each level, finest first: 640 gives (80, 40, 20)."""
    return tuple(size // stride for stride in STRIDES)


def tokens(size: int) -> int:
    """Number of tokens of all levels: 640 gives 8400."""
    return sum(side * side for side in level_sizes(size))


def config() -> DFineConfig:
    """The transformers configuration. Imports torch and transformers."""
    from transformers import DFineConfig, HGNetV2Config

    backbone = HGNetV2Config(
        stem_channels=[3, 16, 16],
        stage_in_channels=[16, 64, 256, 512],
        stage_mid_channels=[16, 32, 64, 128],
        stage_out_channels=[64, 256, 512, 1024],
        stage_num_blocks=[1, 1, 2, 1],
        stage_numb_of_layers=[3, 3, 3, 3],
        stage_light_block=[False, False, True, True],
        stage_kernel_size=[3, 3, 5, 5],
        stage_downsample=[False, True, True, True],
        use_learnable_affine_block=True,
        hidden_sizes=[64, 256, 512, 1024],
        out_indices=[2, 3, 4],
    )
    return DFineConfig(
        backbone_config=backbone,
        encoder_in_channels=[256, 512, 1024],
        decoder_layers=3,
        decoder_n_points=[3, 6, 3],
        depth_mult=0.34,
        hidden_expansion=0.5,
        num_labels=LABELS,
        num_queries=QUERIES,
        attn_implementation="eager",
    )


def model_class() -> type[DFineForObjectDetection]:
    """The model of transformers that `config` configures."""
    from transformers import DFineForObjectDetection

    return DFineForObjectDetection
