"""Seeded, well-conditioned weights: the default when the trained ones are out of reach.

Stock initialisation leaves many heads at zero, so that wrong tensors give right boxes; plain He initialisation makes
the network chaotic, so that rounding alone moves boxes. In between: every parameter is drawn from a generator seeded
by its own name; linear and normalisation layers have gain 0.5 and biases of standard deviation 0.5 (a part of each
activation that does not depend on the input, so that most ReLUs stay on one side); BatchNorm statistics are
calibrated on seeded images, with a floor under the variance (a dead channel must not be amplified). The weights are
not trained: the boxes mean nothing, their agreement does.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn
from transformers import DFineForObjectDetection

from models.dfine.architecture import config

LINEAR_GAIN = 0.5
NORM_GAIN = 0.5
BIAS_STD = 0.5
VARIANCE_FLOOR = 0.05  # of the mean variance of the layer's channels
CALIBRATION_SIZE = 320
CALIBRATION_IMAGES = 2


def seeded_model(seed: int = 0) -> DFineForObjectDetection:
    """D-FINE-S in eval mode, float32, every parameter and statistic determined by `seed`."""
    model = DFineForObjectDetection(config()).eval()
    with torch.no_grad():
        draw(model, seed)
        make_scores_few(model, gain=4.0, offset=5.8)
        make_boxes_matter(model, [model.model.enc_bbox_head, model.model.decoder.pre_bbox_head])
        calibrate(model, seed)
    return model


def make_scores_few(model: nn.Module, gain: float, offset: float) -> None:
    """About one query in ten scores above one half, as on a busy photograph.

    gain: spreads the drawn logits. offset: is taken from them, so that few are above 0.
    """
    for head in model.model.decoder.class_embed:
        head.weight.mul_(gain)
        head.bias.mul_(0.3).sub_(offset)


def make_boxes_matter(model: nn.Module, heads: Sequence[nn.Module]) -> None:
    """Each token's own offset, not only its anchor, decides where a box is: a lost offset must lose boxes.

    heads: those whose offsets add up to a box. Boxes stay near their anchors and span some tens of pixels: IoU of
    slivers measures rounding only.
    """
    model.model.enc_bbox_head.layers[-1].weight.mul_(4.0)
    for head in heads:
        head.layers[-1].bias.copy_(torch.tensor([0.0, 0.0, 1.0, 1.0]) / len(heads))


def draw(model: nn.Module, seed: int) -> None:
    """Draw every parameter, each from a generator of its own."""
    for name, module in model.named_modules():
        _draw(name, module, seed)


def _generator(seed: int, name: str) -> torch.Generator:
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)


def _normal(like: torch.Tensor, std: float, seed: int, name: str) -> torch.Tensor:
    return torch.randn(like.shape, generator=_generator(seed, name)) * std


def _draw(name: str, module: nn.Module, seed: int) -> None:
    """Draw the parameters that `module` itself owns; statistics of BatchNorm come later."""
    kind = type(module).__name__
    if isinstance(module, nn.Conv2d):
        fan_in = module.weight[0].numel()
        module.weight.copy_(_normal(module.weight, math.sqrt(2 / fan_in), seed, f"{name}.weight"))
    elif isinstance(module, nn.Linear):
        module.weight.copy_(_normal(module.weight, LINEAR_GAIN / math.sqrt(module.in_features), seed, f"{name}.weight"))
        module.bias.copy_(_normal(module.bias, BIAS_STD, seed, f"{name}.bias"))
    elif "BatchNorm" in kind:
        module.weight.copy_(NORM_GAIN * (1 + _normal(module.weight, 0.1, seed, f"{name}.weight")))
        module.bias.copy_(_normal(module.bias, BIAS_STD, seed, f"{name}.bias"))
    elif isinstance(module, nn.LayerNorm):
        module.weight.copy_(1 + _normal(module.weight, 0.1, seed, f"{name}.weight"))
        module.bias.copy_(_normal(module.bias, 0.1, seed, f"{name}.bias"))
    elif kind == "HGNetV2LearnableAffineBlock":
        module.scale.copy_(1 + _normal(module.scale, 0.1, seed, f"{name}.scale"))
        module.bias.copy_(_normal(module.bias, 0.1, seed, f"{name}.bias"))
    elif isinstance(module, nn.Embedding):
        module.weight.copy_(_normal(module.weight, 0.02, seed, f"{name}.weight"))


def calibration_images(seed: int) -> torch.Tensor:
    """Smooth coloured noise [images, 3, size, size] in [0, 1]: spatial correlation like a photograph's."""
    generator = np.random.default_rng([seed, 0xD0F1])
    total = torch.zeros(CALIBRATION_IMAGES, 3, CALIBRATION_SIZE, CALIBRATION_SIZE)
    for cells in (4, 8, 16, 32, 64):
        grid = torch.from_numpy(generator.standard_normal((CALIBRATION_IMAGES, 3, cells, cells)).astype(np.float32))
        total += nn.functional.interpolate(grid, CALIBRATION_SIZE, mode="bilinear") / math.sqrt(cells)
    return torch.sigmoid(total * 2)


def calibrate(model: nn.Module, seed: int) -> None:
    """Set each BatchNorm's statistics from its own input, layer after layer in one forward pass.

    Each statistic is rounded to fp16, which hides the last-bit differences between machines: the same seed gives
    the same weights elsewhere.
    """

    def measure(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        mean = inputs[0].mean(dim=(0, 2, 3))
        variance = inputs[0].var(dim=(0, 2, 3), unbiased=False)
        variance = variance.clamp(min=float(variance.mean()) * VARIANCE_FLOOR + 1e-3)
        module.running_mean.copy_(mean.half().float())
        module.running_var.copy_(variance.half().float())

    hooks = [m.register_forward_pre_hook(measure) for m in model.modules() if "BatchNorm" in type(m).__name__]
    model(calibration_images(seed))
    for hook in hooks:
        hook.remove()
