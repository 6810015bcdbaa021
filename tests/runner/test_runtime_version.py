"""Versions of LiteRT and of LiteRT-LM are numbered apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import InvalidVersion

from runner.runtime_version import RuntimeVersion, is_nightly, is_release, version_order

numbers = st.builds(lambda parts: ".".join(map(str, parts)), st.lists(st.integers(0, 99), min_size=2, max_size=3))


@given(numbers, numbers)
def test_neither_numbering_is_newer_than_the_other(one: str, other: str):
    litert, lm = RuntimeVersion.parse(one), RuntimeVersion.parse(f"lm-{other}")
    assert not litert.is_at_least(lm)
    assert not lm.is_at_least(litert)
    assert version_order(one) < version_order(f"lm-{other}") < version_order("nonsense")


@given(numbers, numbers)
def test_within_one_numbering_the_order_is_the_numbers(one: str, other: str):
    plain, lm = (RuntimeVersion.parse(one), RuntimeVersion.parse(other)), (f"lm-{one}", f"lm-{other}")
    assert plain[0].is_at_least(plain[1]) == (plain[0].number >= plain[1].number)
    assert (version_order(lm[0])[:2] < version_order(lm[1])[:2]) == (plain[0].number < plain[1].number)


def test_nightlies_and_releases_are_told_apart():
    assert [is_nightly(v) for v in ("2.4.0.dev20261026", "2.3.0", "lm-0.18.1", "none")] == [True, False, False, False]
    assert [is_release(v) for v in ("2.4.0.dev20261026", "2.3.0", "lm-0.18.1", "none")] == [False, True, True, False]
    with pytest.raises(InvalidVersion):
        RuntimeVersion.parse("none")
