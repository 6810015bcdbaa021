"""The host's share: exact against torch, and steady where a graph gives nonsense."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.dfine.anchors import OUT_OF_RANGE, anchors
from models.dfine.host_step import HostParameters, shipped_step, tail, top_tokens


def parameters(seed: int = 0) -> HostParameters:
    draw = np.random.default_rng(seed)

    def array(*shape: int) -> np.ndarray:
        return (draw.standard_normal(shape) / 16).astype(np.float32)

    return HostParameters(
        array(256, 256),
        array(256),
        array(256) + 1,
        array(256),
        1e-5,
        (array(256, 256), array(256, 256), array(4, 256)),
        (array(256), array(256), array(4)),
    )


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_tail_commutes_with_the_selection(seed):
    """Running it on 300 tokens is running it on all and selecting: per-token ops."""
    memory = np.random.default_rng(seed).standard_normal((525, 256)).astype(np.float32)
    chosen = np.random.default_rng(seed).permutation(525)[:300]
    everywhere, everywhere_boxes = tail(parameters(), memory)
    target, boxes = tail(parameters(), memory[chosen])
    np.testing.assert_allclose(target, everywhere[chosen], atol=2e-5)
    np.testing.assert_allclose(boxes, everywhere_boxes[chosen], atol=2e-5)


@pytest.mark.slow
@pytest.mark.convert
def test_the_tail_is_torch_s():
    torch = pytest.importorskip("torch")
    from models.dfine.host_step import host_parameters
    from models.dfine.reference import reference_model

    model = reference_model("seed:0")
    memory = np.random.default_rng(3).standard_normal((300, 256)).astype(np.float32)
    target, boxes = tail(host_parameters(model), memory)
    with torch.no_grad():
        wanted = model.model.enc_output(torch.from_numpy(memory))
        wanted_boxes = model.model.enc_bbox_head(wanted)
    np.testing.assert_allclose(target, wanted.numpy(), atol=1e-5)
    np.testing.assert_allclose(boxes, wanted_boxes.numpy(), atol=1e-5)


def test_top_tokens_puts_the_best_first_and_nan_last():
    scores = np.zeros((1, 525, 80), np.float32)
    scores[0, 7, 3], scores[0, 400, 0] = 5, 9
    scores[0, 11] = np.nan
    chosen = top_tokens(scores)
    assert chosen[:2].tolist() == [400, 7]
    assert 11 not in chosen
    assert len(set(chosen.tolist())) == 300


def test_invalid_anchors_are_clamped_into_fp16_and_their_memory_is_masked():
    """At 640 some anchors are +inf; a graph in fp16 cannot take that."""
    invalid = int(np.flatnonzero(~np.isfinite(anchors(640)).all(axis=-1)[0])[0])
    scores = np.zeros((1, 8400, 80), np.float32)
    scores[0, invalid] = 10
    memory = np.ones((1, 8400, 256), np.float32)
    values = shipped_step(parameters(), 640, scores, memory * 2)
    assert values["tokens"][0] == invalid
    assert np.isfinite(values["ref"]).all()
    assert values["ref"].max() <= OUT_OF_RANGE
    bare, _ = tail(parameters(), np.zeros((1, 256), np.float32))
    np.testing.assert_allclose(values["target"][0, 0], bare[0], atol=1e-5)
    assert values["memory_raw"].max() == 1.0


def test_parameters_survive_a_file(tmp_path):
    path = tmp_path / "host.npz"
    np.savez(path, **parameters().arrays())
    with np.load(path) as named:
        again = HostParameters.from_arrays(dict(named))
    assert again.norm_eps == 1e-5
    assert len(again.box_weights) == 3
    assert np.array_equal(again.box_weights[2], parameters().box_weights[2])
