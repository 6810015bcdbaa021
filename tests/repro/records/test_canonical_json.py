"""Equal results give equal bytes, and what JSON cannot say is refused."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro.records.canonical_json import canonical, finite_or_none, is_canonical, plain, sha256


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    )
)
def test_canonical_bytes_are_a_fixed_point(value):
    data = canonical(value)
    assert is_canonical(data)
    assert json.loads(data) == plain(value)


def test_canonical_refuses_what_json_cannot_say():
    for value in (float("nan"), float("inf"), {1: 2}, object()):
        with pytest.raises((ValueError, TypeError)):
            canonical({"a": value} if not isinstance(value, dict) else value)


def test_canonical_forgets_digits_that_depend_on_summation_order():
    assert canonical(0.1 + 0.2) == canonical(0.3)
    assert canonical(-0.0) == canonical(0.0)
    assert canonical(1.23456) != canonical(1.23457)
    assert not is_canonical(b'{"b":1,"a":2}')


def test_the_order_of_keys_and_the_kind_of_sequence_make_no_difference():
    assert canonical({"b": (1, 2), "a": None}) == canonical({"a": None, "b": [1, 2]})


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_keeps_six_digits_and_no_more(value: float):
    kept = plain(value)
    assert kept == pytest.approx(value, rel=1e-5)
    assert kept == plain(kept)
    assert plain(1234567.0) == 1234570.0
    assert plain(1234567.0, digits=8) == 1234567.0


def test_bytes_that_canonical_would_not_write_are_not_canonical():
    right = canonical({"a": 1, "b": 2})
    assert is_canonical(right)
    for data in (b"", b"{", right.replace(b"1", b"NaN"), right.replace(b"1", b"1.0000001"), right + b" ", right[::-1]):
        assert not is_canonical(data)


def test_null_stands_for_what_is_no_number():
    assert [finite_or_none(v) for v in (None, math.nan, math.inf, -math.inf)] == [None] * 4
    assert [finite_or_none(v) for v in (0.0, 1e300)] == [0.0, 1e300]


def test_a_checksum_is_that_of_sha256sum():
    assert sha256(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
