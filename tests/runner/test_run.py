"""A job's key is what decides its result; the sentinel is recognised by its bits alone."""

from __future__ import annotations

import dataclasses
import hashlib
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from runner.run import (
    FP16_MAX,
    FP16_ROUNDS_TO_ZERO,
    FP16_SMALLEST,
    SENTINEL,
    SENTINEL_BITS,
    Job,
    Precision,
    unwritten_mask,
)

FEED = (np.arange(6, dtype=np.float32).reshape(2, 3), np.ones(2, np.int32))
JOB = Job(b"model", (FEED, FEED), Precision.FP32, "name")


def test_a_key_changes_with_model_feeds_precision_and_options():
    others = [
        dataclasses.replace(JOB, model=b"other"),
        dataclasses.replace(JOB, feeds=(FEED,)),
        dataclasses.replace(JOB, feeds=(FEED, (FEED[0] + 1, FEED[1]))),
        dataclasses.replace(JOB, feeds=(FEED, (FEED[0].reshape(3, 2), FEED[1]))),
        dataclasses.replace(JOB, feeds=(FEED, (FEED[0], FEED[1].view(np.float32)))),
        dataclasses.replace(JOB, precision=Precision.FP16),
        dataclasses.replace(JOB, options={"a": 1}),
        dataclasses.replace(JOB, options={"a": "1"}),
    ]
    assert len({JOB.key, *(job.key for job in others)}) == 1 + len(others)


def test_a_key_does_not_change_with_what_decides_nothing():
    same = [
        dataclasses.replace(JOB, name="other"),
        dataclasses.replace(JOB, deadline_s=3.0),
        dataclasses.replace(JOB, feeds=tuple(tuple(a.copy(order="F") for a in feed) for feed in JOB.feeds)),
        dataclasses.replace(JOB, options={}),
    ]
    assert {job.key for job in same} == {JOB.key}
    both = [dataclasses.replace(JOB, options=dict(pairs)) for pairs in ([("a", 1), ("b", 2)], [("b", 2), ("a", 1)])]
    assert both[0].key == both[1].key


def test_a_model_is_known_by_its_checksum():
    assert JOB.model_sha256 == hashlib.sha256(b"model").hexdigest()


@given(hnp.arrays(np.uint32, hnp.array_shapes(max_dims=3, max_side=4), elements=st.integers(0, 2**32 - 1)), st.data())
def test_the_sentinel_is_found_where_its_bits_are_and_nowhere_else(bits: np.ndarray, data: st.DataObject):
    places = data.draw(hnp.arrays(np.bool_, bits.shape))
    bits = np.where(places, np.uint32(SENTINEL_BITS), np.where(bits == SENTINEL_BITS, np.uint32(0), bits))
    np.testing.assert_array_equal(unwritten_mask(bits.view(np.float32)), places)


def test_the_sentinel_is_found_in_arrays_of_any_layout():
    array = np.zeros((4, 6), np.float32)
    array[1::2, ::3] = SENTINEL
    np.testing.assert_array_equal(unwritten_mask(array.T), (array == SENTINEL).T)
    np.testing.assert_array_equal(unwritten_mask(array[::2, 1:]), array[::2, 1:] == SENTINEL)


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int32, np.uint32, np.bool_])
def test_only_float32_holds_a_sentinel(dtype: type):
    array = np.full(3, SENTINEL_BITS % 2, dtype) if dtype is not np.uint32 else np.full(3, SENTINEL_BITS, dtype)
    assert not unwritten_mask(array).any()
    assert unwritten_mask(array).shape == (3,)


def test_the_sentinel_is_finite_and_no_half_holds_it():
    assert math.isfinite(SENTINEL)
    with np.errstate(over="ignore"):
        assert np.isinf(np.float16(SENTINEL))
    assert abs(float(SENTINEL)) == pytest.approx(1.58e38, rel=1e-2)


def test_the_limits_of_half_precision_are_its_limits():
    assert np.finfo(np.float16).max == FP16_MAX
    assert np.float16(FP16_SMALLEST) == np.finfo(np.float16).smallest_subnormal
    assert np.float16(FP16_ROUNDS_TO_ZERO) == 0
    assert np.float16(np.nextafter(FP16_ROUNDS_TO_ZERO, 1)) > 0
