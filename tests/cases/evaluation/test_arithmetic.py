"""Number formats: where values are rounded, and accumulations that are as noisy as the chains they stand for."""

from __future__ import annotations

import numpy as np
import pytest

from cases.evaluation.arithmetic import (
    FLOAT16,
    FLOAT16_ACC32,
    FLOAT16_TRUNCATED,
    FLOAT32,
    FLOAT64,
    INTEGER_KERNELS,
)

ALL = pytest.mark.parametrize("arithmetic", [FLOAT64, FLOAT32, FLOAT16, FLOAT16_ACC32, FLOAT16_TRUNCATED])


@pytest.mark.parametrize("depth", [64, 256])
def test_blocked_accumulation_is_as_noisy_as_the_chain_it_stands_for(depth: int):
    rng = np.random.default_rng(3)
    left = rng.standard_normal((64, depth)).astype(np.float16).astype(np.float32)
    right = rng.standard_normal((depth, 64)).astype(np.float16).astype(np.float32)
    exact = left.astype(np.float64) @ right
    chain = np.zeros((64, 64), dtype=np.float16)
    for k in range(depth):  # one fused multiply-add at a time, as a shader runs it
        chain = (chain.astype(np.float64) + np.outer(left[:, k], right[k]).astype(np.float64)).astype(np.float16)
    wanted = np.sqrt(np.mean((chain - exact) ** 2))
    ours = np.sqrt(np.mean((FLOAT16.matmul(left, right) - exact) ** 2))
    assert 0.7 * wanted < ours < 1.6 * wanted


@pytest.mark.parametrize("arithmetic", [FLOAT32, FLOAT16])
@pytest.mark.parametrize("shape", [(300, 40, 70), (3, 40, 40, 30), (2, 5, 300, 1), (1, 17, 5000)])
def test_the_rows_that_are_taken_together_change_no_bit_of_a_product(arithmetic, shape: tuple[int, ...], monkeypatch):
    """And BLAS is never asked for so much at once that it takes a second thread, but for a single row."""
    *batch, rows, depth, columns = shape
    rng = np.random.default_rng(7)
    left = rng.standard_normal((*batch, rows, depth)).astype(arithmetic.container)
    right = rng.standard_normal((*batch, depth, columns)).astype(arithmetic.container)
    asked: list[tuple[int, int]] = []
    multiply = np.matmul

    def noted(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        asked.append((a.shape[-2], a.shape[-2] * a.shape[-1] * b.shape[-1]))
        return multiply(a, b)

    for block, coarser in ((4, 1), (16, 2), (64, 3)):
        wanted = np.zeros((*batch, rows, columns), arithmetic.container)
        for k in range(0, depth, block):
            wanted += multiply(left[..., k : k + block], right[..., k : k + block, :])
            arithmetic._round(wanted, coarser)
        with monkeypatch.context() as patch:
            patch.setattr(np, "matmul", noted)
            patch.setattr("cases.evaluation.arithmetic._block", lambda _, found=(block, coarser): found)
            np.testing.assert_array_equal(arithmetic.matmul(left, right), wanted)
    assert asked
    assert all(count <= 1 << 18 for taken, count in asked if taken > 1)


def test_stored_float16_overflows_and_truncates():
    values = np.array([1e5, 1 + 2.0**-11 * 1.5, -(1 + 2.0**-11 * 1.5)], dtype=np.float32)
    np.testing.assert_array_equal(FLOAT16.stored(values), [np.inf, 1 + 2.0**-10, -(1 + 2.0**-10)])
    np.testing.assert_array_equal(FLOAT16_TRUNCATED.stored(values)[1:], [1, -1])


@ALL
def test_a_number_without_dimensions_is_stored_like_one_in_an_array(arithmetic):
    number = arithmetic.container(1.1)
    stored = arithmetic.stored(number)
    assert stored.shape == ()
    assert stored == arithmetic.stored(np.array([number]))[0]


@ALL
def test_integers_and_booleans_are_stored_as_they_are(arithmetic):
    for values in (np.array([2**31 - 1, -7]), np.array([True, False])):
        assert arithmetic.stored(values) is values


@ALL
def test_sums_over_axes_and_products_of_matrices_agree_with_numpy_up_to_their_format(arithmetic):
    rng = np.random.default_rng(1)
    values = arithmetic.stored(rng.uniform(0.5, 1.5, (5, 7, 100)).astype(arithmetic.container))
    total = arithmetic.sum(values, (0, 2))
    assert total.shape == (1, 7, 1)
    wanted = values.astype(np.float64).sum(axis=(0, 2), keepdims=True)
    np.testing.assert_allclose(total, wanted, rtol=500 * 2.0**-arithmetic.accumulate_bits)
    product = arithmetic.matmul(values, np.swapaxes(values, 1, 2))
    wanted = np.matmul(values, np.swapaxes(values, 1, 2), dtype=np.float64)
    np.testing.assert_allclose(product, wanted, rtol=500 * 2.0**-arithmetic.accumulate_bits)


def test_a_sum_over_no_axis_is_the_array_itself():
    values = np.ones((2, 3))
    assert FLOAT64.sum(values, ()) is values


def test_a_function_is_off_by_its_ulps_and_by_no_more():
    values = np.full(10000, 3.0)
    error = np.abs(FLOAT32.function(values) - values)
    assert 0.9 < error.max() / (3.0 * FLOAT32.function_ulps * 2.0**-24) <= 1.0
    assert FLOAT64.function(values) is values


def test_values_below_the_smallest_are_as_noisy_as_it_is():
    values = np.full(10000, 1e-6)
    assert np.abs(FLOAT32.function(values) - values).max() < 1e-12
    assert np.abs(FLOAT32.function(values, smallest=1.0) - values).max() > 1e-8


def test_reductions_keep_32_bits_where_products_are_summed_in_16():
    """4,096 terms of 8: with 11 bits the sum stands still at 16,384."""
    terms = np.full((4096, 1), 8.0, np.float32)
    assert FLOAT16.reducing.sum(terms, (0,)) == 8 * 4096
    total = np.zeros(1, np.float32)
    for term in terms:
        total = FLOAT16.accumulate(total, term)
    assert total == 16384


def test_an_integer_kernel_rounds_either_way_only_what_lies_near_the_middle():
    values = np.repeat(np.array([3.0, 3.2, 3.5, 3.8]), 64).reshape(4, 64)
    found = np.round(INTEGER_KERNELS.near_grid(values, np.ones(()), 1))
    assert [sorted(set(row)) for row in found] == [[3.0], [3.0], [3.0, 4.0], [4.0]]
    assert FLOAT16.near_grid(values, np.ones(()), 1) is values


def test_truncation_gives_the_next_float16_toward_zero_for_every_kind_of_number():
    """All float16 numbers, what lies beside them, and a million of any bits, held against numpy's own conversion."""
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float32)
    beside = [np.nextafter(halves, np.float32(end)) for end in (-np.inf, np.inf)]
    any_bits = np.random.default_rng(0).integers(0, 1 << 32, 1 << 20, dtype=np.uint32).view(np.float32)
    values = np.concatenate([halves, *beside, any_bits])
    with np.errstate(over="ignore", invalid="ignore"):
        nearest = values.astype(np.float16)
        is_beyond = np.abs(nearest.astype(np.float32)) > np.abs(values)
        toward_zero = np.where(is_beyond, np.nextafter(nearest, np.float16(0)), nearest).astype(np.float32)
        stored = FLOAT16_TRUNCATED.stored(values)
        np.testing.assert_array_equal(stored, toward_zero)
        np.testing.assert_array_equal(np.signbit(stored[values == values]), np.signbit(values[values == values]))
        np.testing.assert_array_equal(FLOAT16_TRUNCATED.stored(values[:4096].astype(np.float64)), stored[:4096])
        for one in (1e-7, 3.3, 7e4, np.inf):
            alone = FLOAT16_TRUNCATED.stored(np.asarray(one, np.float32))
            assert alone.shape == ()
            assert alone == FLOAT16_TRUNCATED.stored(np.full(1, one, np.float32))[0]
