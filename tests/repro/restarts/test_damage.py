"""Damage of a file: shorter, or one bit of it, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro.restarts.damage import cut, flip, flip_weight


def differing_bits(one: bytes, other: bytes) -> int:
    assert len(one) == len(other)
    return sum((a ^ b).bit_count() for a, b in zip(one, other, strict=True))


@given(st.binary(min_size=1, max_size=300), st.sampled_from([(0, 1), (1, 4), (3, 4), (1, 1)]))
def test_a_cut_keeps_a_beginning_and_never_the_whole(data: bytes, part: tuple[int, int]):
    kept = cut(*part)(data)
    assert kept is not None
    assert data.startswith(kept)
    assert len(kept) == min(len(data) * part[0] // part[1], len(data) - 1)


@given(st.binary(max_size=300), st.integers(0, 3), st.integers(0, 1000))
def test_a_flip_changes_one_bit_of_a_byte_that_is_not_zero(data: bytes, part: int, seed: int):
    flipped = flip(part, 4, seed)(data)
    assert flipped == flip(part, 4, seed)(data)
    if flipped is not None:
        assert differing_bits(data, flipped) == 1
        assert all(a for a, b in zip(data, flipped, strict=True) if a != b)


def test_the_parts_of_a_file_are_hit_one_after_the_other_and_zeros_never():
    data = bytes(100) + bytes(range(1, 101)) + bytes(50)
    places = [next(i for i in range(250) if flip(part, 4, 7)(data)[i] != data[i]) for part in range(4)]  # type: ignore[index]
    assert [100 + 25 * part <= place < 125 + 25 * part for part, place in enumerate(places)] == [True] * 4


def test_an_empty_file_cannot_be_damaged():
    assert cut(1, 2)(b"") is None
    assert flip(0, 1, 0)(b"") is None


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_the_sign_of_the_largest_weight_flips_wherever_a_file_holds_it(dtype: type):
    weights = np.array([0.5, -3.25, 1.5, 2.0], np.float32)
    kept = weights.astype(dtype).tobytes()
    flipped = flip_weight([np.zeros(4, np.float32), weights])(b"programs" + kept + b"and more")
    assert flipped is not None
    found = np.frombuffer(flipped[8 : 8 + len(kept)], dtype)
    np.testing.assert_array_equal(found, np.where(weights == -3.25, 3.25, weights))
    assert flip_weight([weights])(b"programs alone") is None
