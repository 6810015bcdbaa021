"""Normalisations, attention and rotary embedding against torch's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from cases.drawn_ops.one_op import OneOp
from cases.evaluation.arithmetic import FLOAT16, FLOAT32
from cases.evaluation.evaluate import evaluate
from cases.graph import GraphError
from tests.cases.evaluation.named_ops import composite, custom, flexbuffer

torch = pytest.importorskip("torch")
F = torch.nn.functional
pytestmark = pytest.mark.convert
RNG = np.random.default_rng(11)


def drawn(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def evaluated(op: OneOp, shape: Sequence[int]) -> np.ndarray:
    """In float64, after the emulations came near it."""
    graph = op.graph([tuple(shape)])
    exact = evaluate(graph, op.feed, strict_shapes=True)["out0"]
    scale = np.abs(exact).max()
    for arithmetic, tolerance in ((FLOAT32, 1e-5), (FLOAT16, 2e-2)):
        np.testing.assert_allclose(evaluate(graph, op.feed, arithmetic)["out0"], exact, atol=tolerance * scale)
    return exact


def double(array: np.ndarray) -> Any:
    return torch.from_numpy(array).double()


@pytest.mark.parametrize("shape", [(2, 5, 8), (1, 3, 4, 6), (3, 4)])
@pytest.mark.parametrize("by", [composite, custom])
def test_rms_norm(shape: tuple[int, ...], by: Any):
    x, scale = drawn(*shape), drawn(shape[-1])
    name, options = ("odml.rms_norm", {"epsilon": 1e-3}) if by is composite else ("custom_call.RmsNorm", None)
    op = by(name, (x, scale), options or flexbuffer({"epsilon": 1e-3}))
    epsilon = float(np.float32(1e-3)) if by is composite else 1e-3
    wanted = F.rms_norm(double(x), (shape[-1],), double(scale), epsilon).numpy()
    np.testing.assert_allclose(evaluated(op, shape), wanted, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("shape", [(2, 5, 8), (1, 3, 4, 6), (2, 4)])
@pytest.mark.parametrize("options", [{"sub_type": 0}, {"_TENSOR_V1_reduction_axes": [3]}])
@pytest.mark.parametrize("affine", [0, 1, 2])
def test_group_norm(shape: tuple[int, ...], options: dict[str, Any], affine: int):
    x, parameters = drawn(*shape), [drawn(shape[-1]) for _ in range(affine)]
    attributes = options | {"num_groups": 2, "epsilon": 0.5, "channel_axis": len(shape) - 1}
    op = composite("odml.group_norm", (x, *parameters), attributes)
    wanted = F.group_norm(double(np.moveaxis(x, -1, 1)), 2, *map(double, parameters), eps=0.5).movedim(1, -1).numpy()
    np.testing.assert_allclose(evaluated(op, shape), wanted, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("options", [{"sub_type": 1}, {"num_groups": 1, "channel_axis": 1}])
def test_a_group_norm_without_reduction_axes_is_a_layer_norm_as_the_delegate_reads_it(options: dict[str, Any]):
    x, scale, bias = drawn(2, 5, 8), drawn(8), drawn(8)
    op = composite("odml.group_norm", (x, scale, bias), options | {"epsilon": 0.5})
    wanted = F.layer_norm(double(x), (8,), double(scale), double(bias), 0.5).numpy()
    np.testing.assert_allclose(evaluated(op, x.shape), wanted, rtol=1e-9, atol=1e-12)
    own = custom("custom_call.LayerNorm", (x, scale, bias), flexbuffer({"epsilon": 0.5}))
    np.testing.assert_allclose(evaluated(own, x.shape), wanted, rtol=1e-9, atol=1e-12)


def test_channels_elsewhere_than_last_are_refused():
    op = composite("odml.group_norm", (drawn(1, 4, 3),), {"sub_type": 0, "channel_axis": 1, "num_groups": 2})
    with pytest.raises(GraphError, match="whose channels are not the last axis"):
        evaluate(op.graph([(1, 4, 3)]), op.feed)


@pytest.mark.parametrize("heads", [(4, 4), (4, 2), (4, 1)])
@pytest.mark.parametrize("options", [{}, {"scale": 0.25}, {"scale": 0.25, "logit_cap": 2.0}])
def test_attention_shares_heads_scales_and_caps_its_logits(heads: tuple[int, int], options: dict[str, float]):
    q, k, v = drawn(2, 5, heads[0], 8), drawn(2, 7, heads[1], 8), drawn(2, 7, heads[1], 8)
    mask = np.where(RNG.random((2, 1, 5, 7)) < 0.3, np.float32(-1e4), np.float32(0))
    op = composite("odml.scaled_dot_product_attention", (q, k, v, mask), options)
    side = [double(t).transpose(1, 2) for t in (q, k, v)]
    side[1:] = [t.repeat_interleave(heads[0] // heads[1], dim=1) for t in side[1:]]
    if "logit_cap" in options:
        logits = side[0] * options["scale"] @ side[1].transpose(-1, -2)
        weights = F.softmax(2.0 * torch.tanh(logits / 2.0) + double(mask), dim=-1)
        wanted = weights @ side[2]
    else:
        wanted = F.scaled_dot_product_attention(*side, attn_mask=double(mask), scale=options.get("scale"))
    np.testing.assert_allclose(evaluated(op, q.shape), wanted.transpose(1, 2).numpy(), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("proportion", [1.0, 0.5])
@pytest.mark.parametrize("batch", [(), (2,)])
def test_rotary_embedding_turns_each_pair_as_a_complex_number(proportion: float, batch: tuple[int, ...]):
    x, positions = drawn(2, 3, 5, 8), np.arange(10, dtype=np.int32).reshape(2, 5)[slice(None) if batch else 0]
    options = {"min_timescale": 2.0, "max_timescale": 100.0, "proportion": proportion}
    speeds = np.array([1 / (2.0 * 50.0 ** (i / 4)) if i < 4 * proportion else 0.0 for i in range(4)])
    turned = (x[..., :4] + 1j * x[..., 4:]) * np.exp(1j * positions.reshape(-1, 1, 5, 1) * speeds)
    ours = evaluated(composite("odml.rope", (x, positions), options), x.shape)
    np.testing.assert_allclose(ours, np.concatenate([turned.real, turned.imag], axis=-1), atol=1e-5)


@pytest.mark.slow  # imports litert_torch
@pytest.mark.parametrize("proportion", [1.0, 0.5])
def test_rotary_embedding_is_what_litert_torch_traces_for_it(proportion: float):
    rope = pytest.importorskip("litert_torch.generative.export_hf.experimental.composites.rope")
    x, positions = drawn(1, 3, 5, 8), np.arange(2, 7, dtype=np.int32)
    options = {"min_timescale": 1.0, "max_timescale": 100.0, "proportion": proportion}
    op = composite("odml.rope", (x, positions), options)
    plain = rope.apply_mldrift_compatible_rope
    wanted = plain(torch.from_numpy(x), torch.from_numpy(positions), base=100.0, proportion=proportion).numpy()
    np.testing.assert_allclose(evaluated(op, x.shape), wanted, atol=2e-5)
