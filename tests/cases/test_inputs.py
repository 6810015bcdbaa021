"""Inputs are seeded, differ between feeds, and watermarks say where a value comes from."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.graph import Tensor
from cases.inputs import make_feed, standard_feeds
from runner.errors import BadInput

SHAPES = st.lists(st.integers(1, 6), min_size=0, max_size=4).map(tuple)


@given(shape=SHAPES, seed=st.integers(0, 1000), kind=st.sampled_from(["gaussian", "watermark"]))
def test_the_same_seed_gives_the_same_feeds_and_the_third_is_the_first(shape, seed, kind):
    tensors = [Tensor("x", shape), Tensor("z", shape)]
    first, second, third = standard_feeds(tensors, seed, kind)
    again = standard_feeds(tensors, seed, kind)
    assert third is first
    assert all(np.array_equal(a, b) for a, b in zip(first, again[0], strict=True))
    assert all(a.shape == shape and a.dtype == np.float32 for a in first)
    assert not all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


@given(rows=st.integers(1, 40), channels=st.integers(1, 300))
def test_watermarks_are_exact_in_fp16_and_distinct_within_a_row_and_between_operands(rows: int, channels: int):
    tensors = [Tensor("x", (1, rows, channels)), Tensor("z", (1, rows, channels))]
    x, z = make_feed(tensors, 0, "watermark", 0)
    assert np.array_equal(x.astype(np.float16).astype(np.float32), x)
    assert len(np.unique(x[0, 0])) == channels
    assert not np.any(x == z)


def test_gaussian_operands_are_of_one_magnitude():
    spreads = [a.std() for seed in range(20) for a in make_feed([Tensor("x", (64, 64))], seed, "gaussian", 0)]
    assert min(spreads) > 0.5
    assert max(spreads) < 2.0


def test_an_unknown_kind_and_a_dtype_without_inputs_are_one_clear_line():
    with pytest.raises(BadInput, match="is none of gaussian, watermark"):
        make_feed([Tensor("x", (1,))], 0, "uniform", 0)
    with pytest.raises(BadInput, match="'x' has dtype string"):
        make_feed([Tensor("x", (1,), "string")], 0, "gaussian", 0)
