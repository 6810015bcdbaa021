"""The seeded weights are reproducible, alive, and well enough conditioned to compare with."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

import models.dfine  # noqa: E402
from models.dfine import preprocess  # noqa: E402
from models.dfine.initialise import seeded_model  # noqa: E402
from models.dfine.postprocess import decode  # noqa: E402
from models.dfine.reference import chain_outputs, reference_model  # noqa: E402
from repro.layouts.detections import match_by_token  # noqa: E402

pytestmark = pytest.mark.convert
PHOTO = Path(models.dfine.__file__).parent / "images" / "coffee.jpg"
each_detector = pytest.mark.parametrize("detector", ["dfine", pytest.param("rt_detr", marks=pytest.mark.slow)])


@pytest.mark.slow
def test_the_seed_decides_every_parameter():
    again, other = seeded_model(0).state_dict(), seeded_model(1).state_dict()
    first = reference_model("seed:0").state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["class_embed.0.weight"], other["class_embed.0.weight"])


@pytest.mark.slow
@each_detector
def test_no_weight_is_left_at_zero(detector: str):
    for name, parameter in reference_model("seed:0", detector).named_parameters():
        if "denoising" not in name:
            assert float(parameter.detach().abs().max()) > 0, name


@pytest.mark.slow
@each_detector
def test_rounding_weights_to_fp16_hardly_moves_boxes(detector: str):
    """A chaotic network would turn rounding into wrong boxes, and nothing could be judged with it."""
    image = preprocess.load(PHOTO, 160)
    wanted = chain_outputs(image, size=160, detector=detector)
    rounded = copy.deepcopy(reference_model("seed:0", detector))
    with torch.no_grad():
        for parameter in rounded.parameters():
            parameter.copy_(parameter.half().float())
        core = rounded.model(torch.from_numpy(image["image"]))
    chosen = core.enc_outputs_class.max(-1).values.topk(300, dim=1).indices[0].numpy()
    boxes = core.intermediate_reference_points[:, -1].numpy()
    match = match_by_token(wanted["boxes"], wanted["tokens"], boxes, chosen)
    assert match.overlap > 0.95
    assert np.median(match.iou) > 0.99
    assert match.iou.min() > 0.9


@pytest.mark.slow
@each_detector
def test_the_photograph_gives_detections_of_several_classes(detector: str):
    values = chain_outputs(preprocess.load(PHOTO, 160), size=160, detector=detector)
    detections = decode(values["boxes"], values["logits"], values["tokens"], score_threshold=0.3)
    assert len(detections) > 20
    assert len({detection.label for detection in detections}) > 3
