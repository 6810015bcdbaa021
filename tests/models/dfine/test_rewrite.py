"""Each piece of the GPU-clean rewrite against the piece of transformers that it replaces."""

from __future__ import annotations

import copy

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from torch import nn  # noqa: E402
from transformers.models.d_fine import modeling_d_fine as original  # noqa: E402

from models.dfine.anchors import OUT_OF_RANGE, anchors, baked_anchors, valid  # noqa: E402
from models.dfine.architecture import PARAMETERS, level_sizes, tokens  # noqa: E402
from models.dfine.attention import EncoderLayer, SelfAttention, baked_position  # noqa: E402
from models.dfine.batch_norm import ChannelAffine  # noqa: E402
from models.dfine.box_decoding import clamp_logit, distance_to_box  # noqa: E402
from models.dfine.deformable import DeformableAttention  # noqa: E402
from models.dfine.graph_b import Gate  # noqa: E402
from models.dfine.grid_sample import TentSampler  # noqa: E402
from models.dfine.layer_norm import Fp16LayerNorm  # noqa: E402
from models.dfine.quality import Integral, LocationQuality  # noqa: E402
from models.dfine.reference import reference_model  # noqa: E402
from models.dfine.top_k import iterated_maximum  # noqa: E402

pytestmark = pytest.mark.convert


@pytest.fixture(scope="module")
def model():
    return reference_model("seed:0")


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(11)
    with torch.no_grad():
        yield


def close(a, b, atol):
    assert a.shape == b.shape
    torch.testing.assert_close(a, b, atol=atol, rtol=1e-5)


def test_the_reference_is_dfine_small(model):
    assert sum(p.numel() for p in model.parameters()) == PARAMETERS
    # Weights that leave heads at zero would make the comparison empty.
    assert float(model.model.decoder.bbox_embed[0].layers[-1].weight.abs().mean()) > 1e-3


@pytest.mark.parametrize("scale", [0.01, 1.0, 40.0])
def test_layer_norm(scale):
    norm = nn.LayerNorm(256)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    # In float64: at a deviation of 0.01 around 3 both cancel in float32, and differ by that alone.
    x = torch.randn(1, 50, 256, dtype=torch.float64) * scale + 3
    close(Fp16LayerNorm(norm).double()(x), norm.double()(x), 1e-9)


def test_layer_norm_keeps_its_sum_of_squares_within_fp16():
    """At a deviation of 40 the plain sum of 256 squares is 409,600; the scaled one stays below 65504."""
    norm = nn.LayerNorm(256)
    x = torch.sign(torch.randn(1, 4, 256)) * 40
    squares = []
    rewritten = Fp16LayerNorm(norm)
    original_mean = torch.Tensor.mean

    def spy(self, *args, **kwargs):
        if self.shape == x.shape and bool((self >= 0).all()):
            squares.append(float(self.sum(-1).max()))
        return original_mean(self, *args, **kwargs)

    torch.Tensor.mean = spy
    try:
        rewritten(x)
    finally:
        torch.Tensor.mean = original_mean
    assert len(squares) == 1
    assert squares[0] < 65504
    assert float((x * x).sum(-1).max()) > 65504


@pytest.mark.parametrize("kind", [nn.BatchNorm2d, original.DFineFrozenBatchNorm2d])
def test_batch_norm(kind):
    norm = kind(12).eval()
    norm.running_mean.copy_(torch.randn(12))
    norm.running_var.copy_(torch.rand(12) + 0.1)
    x = torch.randn(2, 12, 5, 7)
    close(ChannelAffine(norm)(x), norm(x), 1e-5)


def test_self_attention(model):
    attention = model.model.decoder.layers[0].self_attn
    x, position = torch.randn(1, 40, 256), torch.randn(1, 40, 256)
    close(SelfAttention(attention)(x, position), attention(x, position_embeddings=position)[0], 1e-5)


def test_encoder_layer_with_baked_position(model):
    aifi = model.model.encoder.aifi[0]
    feature_map = torch.randn(1, 256, 5, 5)
    layer = EncoderLayer(copy.deepcopy(aifi.layers[0]), baked_position(aifi, 5))
    mine = layer(feature_map.flatten(2).transpose(1, 2))
    close(mine.transpose(1, 2).reshape(1, 256, 5, 5), aifi(feature_map), 2e-5)


@pytest.mark.parametrize("reach", [0.9, 1.6])
def test_tent_sampler_is_bilinear_grid_sample(reach):
    """Inside the map and beyond its border, where the original pads with zeros."""
    side, heads, queries, points, channels = 7, 4, 9, 3, 8
    value = torch.randn(1, heads, side * side, channels)
    x, y = ((torch.rand(heads, queries, points) - 0.5) * reach + 0.5 for _ in range(2))
    attention = torch.rand(heads, queries, points)
    grid = torch.stack([x, y], -1) * 2 - 1
    feature_map = value[0].transpose(1, 2).reshape(heads, channels, side, side)
    sampled = nn.functional.grid_sample(feature_map, grid, align_corners=False)  # [heads, channels, queries, points]
    wanted = (sampled * attention.unsqueeze(1)).sum(-1).transpose(1, 2).unsqueeze(0)
    close(TentSampler(side)(value, x, y, attention), wanted, 1e-5)


def test_deformable_attention(model):
    attention = model.model.decoder.layers[1].encoder_attn
    sides = level_sizes(160)
    hidden, memory = torch.randn(1, 30, 256), torch.randn(1, tokens(160), 256)
    boxes = torch.rand(1, 30, 4)
    shapes = [(side, side) for side in sides]
    wanted, _ = attention(
        hidden_states=hidden,
        encoder_hidden_states=memory,
        reference_points=boxes.unsqueeze(2),
        spatial_shapes=torch.tensor(shapes),
        spatial_shapes_list=shapes,
    )
    mine = DeformableAttention(attention, sides)(hidden, memory, boxes)
    assert mine.dim() <= 4
    close(mine, wanted, 2e-5)


def test_iterated_maximum_is_top_k():
    probabilities = torch.softmax(torch.randn(1, 50, 4, 33), -1)
    close(iterated_maximum(probabilities, 4), probabilities.topk(4, dim=-1).values, 0.0)


def test_iterated_maximum_drops_ties_together():
    """Where it differs from topk, and documents it: equal values count once."""
    found = iterated_maximum(torch.tensor([0.5, 0.5, 0.2, 0.1]), 2)
    assert found.tolist() == pytest.approx([0.5, 0.2])


def test_location_quality(model):
    lqe = model.model.decoder.lqe_layers[-1]
    scores, corners = torch.randn(1, 20, 80), torch.randn(1, 20, 4 * 33)
    close(scores + LocationQuality(lqe)(corners), lqe(scores, corners), 1e-5)


def test_integral_with_baked_project(model):
    decoder = model.model.decoder
    project = original.weighting_function(decoder.max_num_bins, decoder.up, decoder.reg_scale)
    corners = torch.randn(1, 20, 4 * 33)
    close(Integral(project)(corners), decoder.integral(corners, project), 1e-5)


def test_distance_to_box():
    boxes, distance = torch.rand(1, 20, 4), torch.randn(1, 20, 4)
    close(distance_to_box(boxes, distance, 4.0), original.distance2bbox(boxes, distance, 4.0), 1e-6)


def test_clamp_logit():
    logits = torch.linspace(-20, 20, 401).reshape(1, -1, 1)
    wanted = original.inverse_sigmoid(torch.sigmoid(logits.double()))
    close(clamp_logit(logits).double(), wanted, 2e-5)


def test_gate(model):
    gate = model.model.decoder.layers[0].gateway
    a, b = torch.randn(1, 10, 256), torch.randn(1, 10, 256)
    close(Gate(gate)(a, b), gate(a, b), 1e-5)


@pytest.mark.parametrize(("size", "invalid"), [(160, 0), (320, 0), (640, 316)])
def test_anchors(model, size, invalid):
    shapes = tuple((side, side) for side in level_sizes(size))
    wanted, mask = model.model.generate_anchors(shapes)
    mine = anchors(size)
    assert np.array_equal(valid(size).astype(bool), mask.numpy())
    assert int((~mask).sum()) == invalid
    rows = mask.numpy()[0, :, 0]
    np.testing.assert_allclose(mine[0, rows], wanted.numpy()[0, rows], atol=1e-6)
    assert np.isposinf(mine[0, ~rows]).any(axis=-1).all()
    assert baked_anchors(size).max() <= OUT_OF_RANGE < 65504
