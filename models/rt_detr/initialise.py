"""Seeded, well-conditioned weights of RT-DETR-R18, drawn and calibrated as D-FINE-S's are."""

from __future__ import annotations

import torch
from transformers import RTDetrForObjectDetection

from models.dfine.initialise import calibrate, draw, make_boxes_matter, make_scores_few
from models.rt_detr.architecture import config


def seeded_model(seed: int = 0) -> RTDetrForObjectDetection:
    """RT-DETR-R18 in eval mode, float32, every parameter and statistic determined by `seed`."""
    model = RTDetrForObjectDetection(config()).eval()
    with torch.no_grad():
        draw(model, seed)
        make_scores_few(model, gain=6.0, offset=7.2)
        make_boxes_matter(model, [model.model.enc_bbox_head, *model.model.decoder.bbox_embed])
        calibrate(model, seed)
    return model
