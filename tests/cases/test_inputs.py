"""Inputs are seeded, differ between feeds, and watermarks say where a value comes from."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.graph import Tensor
from cases.inputs import KINDS, StandardFeeds, make_feed, standard_feeds
from runner.errors import BadInput

SHAPES = st.lists(st.integers(1, 6), min_size=0, max_size=4).map(tuple)


@given(shape=SHAPES, seed=st.integers(0, 1000), kind=st.sampled_from(KINDS))
def test_the_same_seed_gives_the_same_feeds_and_each_of_them_is_another(shape, seed, kind):
    tensors = [Tensor("x", shape), Tensor("z", shape)]
    feeds = standard_feeds(tensors, seed, kind)
    for feed, same in zip(feeds, standard_feeds(tensors, seed, kind), strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(feed, same, strict=True))
        assert all(a.shape == shape and a.dtype == np.float32 for a in feed)
    for one, other in itertools.combinations(feeds, 2):
        assert not any(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    repeated = StandardFeeds(seed, kind, again=True).make(tensors)
    assert len(repeated) == 4
    assert repeated[3] is repeated[0]


@pytest.mark.parametrize("delay", [1, 2])
@pytest.mark.parametrize("since", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_a_run_that_gives_what_an_earlier_one_should_have_given_is_fed_something_else(delay, since, kind):
    """Whatever is late by one run or by two, from the second or the third run on, is late for other inputs."""
    feeds = [feed[0] for feed in standard_feeds([Tensor("x", (4, 8))], 0, kind)]
    late = [run for run in range(since, len(feeds)) if run >= delay]
    shown = [run for run in late if np.abs(feeds[run] - feeds[run - delay]).mean() > 0.25]
    assert shown == late != []


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


def test_wide_inputs_reach_zero_and_where_an_exponential_overflows_and_stay_finite():
    (array,) = make_feed([Tensor("x", (64, 64))], 0, "wide", 0)
    sizes = np.abs(array)
    assert 0.1 < np.mean(array == 0) < 0.15
    assert np.all(sizes[array != 0] >= 0.01)
    assert 88.8 < sizes.max() < 317
    assert min((array > 88.8).mean(), (array < -88.8).mean()) > 0.02


def test_an_unknown_kind_and_a_dtype_without_inputs_are_one_clear_line():
    with pytest.raises(BadInput, match="is none of gaussian, watermark"):
        make_feed([Tensor("x", (1,))], 0, "uniform", 0)
    with pytest.raises(BadInput, match="'x' has dtype string"):
        make_feed([Tensor("x", (1,), "string")], 0, "gaussian", 0)
