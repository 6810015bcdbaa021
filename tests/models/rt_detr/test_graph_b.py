"""What RT-DETR's Graph B has of its own, against the pieces of transformers that it replaces."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from torch import nn  # noqa: E402
from transformers.models.rt_detr import modeling_rt_detr as original  # noqa: E402

from models.dfine.architecture import level_sizes, tokens  # noqa: E402
from models.dfine.deformable import DeformableAttention  # noqa: E402
from models.dfine.reference import reference_model  # noqa: E402
from models.rt_detr.architecture import PARAMETERS, config  # noqa: E402
from models.rt_detr.graph_b import DecoderLayer  # noqa: E402

pytestmark = pytest.mark.convert
SIDES = level_sizes(160)
PLACES = {
    "spatial_shapes": torch.tensor([(side, side) for side in SIDES]),
    "spatial_shapes_list": [(side, side) for side in SIDES],
}


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(12)
    with torch.no_grad():
        yield


def drawn(module: nn.Module) -> nn.Module:
    """Every parameter drawn anew: stock initialisation leaves offsets and attention at zero."""
    for parameter in module.parameters():
        parameter.normal_(std=parameter.shape[-1] ** -0.5)
    return module.eval()


def tensors(queries: int) -> tuple[torch.Tensor, ...]:
    """hidden [1, Q, 256], position [1, Q, 256], memory [1, tokens, 256], boxes [1, Q, 4]."""
    return (
        *(torch.randn(1, count, 256) for count in (queries, queries, tokens(160))),
        torch.rand(1, queries, 4),
    )


@pytest.mark.parametrize("points", [1, 4])
def test_deformable_attention(points: int):
    attention = drawn(original.RTDetrMultiscaleDeformableAttention(config(), num_heads=8, n_points=points))
    hidden, position, memory, boxes = tensors(30)
    wanted, _ = attention(
        hidden,
        position_embeddings=position,
        encoder_hidden_states=memory,
        reference_points=boxes.unsqueeze(2),
        **PLACES,
    )
    mine = DeformableAttention(attention, SIDES)(hidden + position, memory, boxes)
    torch.testing.assert_close(mine, wanted, atol=2e-5, rtol=1e-5)


def test_decoder_layer():
    layer = drawn(original.RTDetrDecoderLayer(config()))
    hidden, position, memory, boxes = tensors(30)
    wanted = layer(
        hidden,
        object_queries_position_embeddings=position,
        encoder_hidden_states=memory,
        reference_points=boxes.unsqueeze(2),
        **PLACES,
    )
    mine = DecoderLayer(layer, SIDES)(hidden, position, memory, boxes)
    torch.testing.assert_close(mine, wanted, atol=5e-5, rtol=1e-5)


@pytest.mark.slow
def test_the_reference_is_rt_detr_with_resnet_18():
    model = reference_model("seed:0", "rt_detr")
    assert sum(parameter.numel() for parameter in model.parameters()) == PARAMETERS
