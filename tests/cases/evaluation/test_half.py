"""Rounding to float16 is numpy's own, bit for bit, for every kind of number."""

from __future__ import annotations

import numpy as np
import pytest

from cases.evaluation import half


def numbers() -> np.ndarray:
    """All float16 numbers, what lies halfway and beside, and a million of any bits."""
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float32)
    with np.errstate(invalid="ignore"):
        halfway = ((halves[:-1].astype(np.float64) + halves[1:]) / 2).astype(np.float32)
        beside = [np.nextafter(each, np.float32(end)) for each in (halves, halfway) for end in (-np.inf, np.inf)]
    any_bits = np.random.default_rng(0).integers(0, 1 << 32, 1 << 20, dtype=np.uint32).view(np.float32)
    return np.concatenate([halves, halfway, *beside, any_bits])


def test_the_nearest_float16_is_the_one_that_numpy_converts_to():
    values = numbers()
    with np.errstate(over="ignore", invalid="ignore"):
        wanted = values.astype(np.float16).astype(np.float32)
    found = half.nearest(values)
    np.testing.assert_array_equal(found, wanted)
    is_number = wanted == wanted
    np.testing.assert_array_equal(np.signbit(found[is_number]), np.signbit(wanted[is_number]))
    np.testing.assert_array_equal(half.nearest(values[:4096].astype(np.float64)), wanted[:4096])


@pytest.mark.parametrize("rounded", [half.nearest, half.toward_zero])
@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (5, 7), (3, 1 << 15)])
def test_any_shape_and_layout_is_rounded_and_what_is_given_stays(rounded, shape: tuple[int, ...]):
    values = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    before = values.copy()
    found = rounded(values)
    assert (found.shape, found.dtype) == (shape, np.float32)
    np.testing.assert_array_equal(found, rounded(values.astype(np.float64)))
    np.testing.assert_array_equal(rounded(values.T), found.T)
    np.testing.assert_array_equal(values, before)
