"""The RT-DETR-R18 configuration for `transformers`: the numbers of the public `PekingU/rtdetr_r18vd`.

ResNet-18 with a deep stem, a hybrid encoder at half its width, three decoder layers. Strides, channels of a token,
queries and labels are D-FINE-S's, which was built on RT-DETR.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.dfine.architecture import LABELS, QUERIES, WIDTH

if TYPE_CHECKING:
    from transformers import RTDetrConfig, RTDetrForObjectDetection

PARAMETERS = 20_174_608


def config() -> RTDetrConfig:
    """The transformers configuration. Imports torch and transformers."""
    from transformers import RTDetrConfig, RTDetrResNetConfig

    backbone = RTDetrResNetConfig(
        embedding_size=64,
        hidden_sizes=[64, 128, 256, 512],
        depths=[2, 2, 2, 2],
        layer_type="basic",
        out_indices=[2, 3, 4],
    )
    return RTDetrConfig(
        backbone_config=backbone,
        encoder_in_channels=[128, 256, 512],
        encoder_hidden_dim=WIDTH,
        hidden_expansion=0.5,
        decoder_layers=3,
        num_labels=LABELS,
        num_queries=QUERIES,
        attn_implementation="eager",
    )


def model_class() -> type[RTDetrForObjectDetection]:
    """The model of transformers that `config` configures."""
    from transformers import RTDetrForObjectDetection

    return RTDetrForObjectDetection
