"""Versions of LiteRT, of LiteRT-LM and of LiteRT.js are numbered apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import InvalidVersion

from runner.runtime_version import (
    Numbering,
    RuntimeVersion,
    bare,
    is_nightly,
    is_release,
    numbering,
    spoken,
    version_order,
)

numbers = st.builds(lambda parts: ".".join(map(str, parts)), st.lists(st.integers(0, 99), min_size=2, max_size=3))


@given(numbers, numbers)
def test_no_numbering_is_newer_than_another(one: str, other: str):
    texts = [f"{kind.prefix}{number}" for kind, number in zip(Numbering, (one, other, one), strict=True)]
    parsed = [RuntimeVersion.parse(text) for text in texts]
    newer = [(a, b) for a in parsed for b in parsed if a is not b and a.is_at_least(b)]
    assert newer == []
    assert sorted(["nonsense", *reversed(texts)], key=version_order) == [*texts, "nonsense"]


@given(numbers, st.sampled_from(Numbering))
def test_a_version_says_whose_it_is(number: str, kind: Numbering):
    text = f"{kind.prefix}{number}"
    assert (numbering(text), bare(text), spoken(text)) == (kind, number, f"{kind.spoken} {number}")
    assert len({one.prefix for one in Numbering}) == len({one.where for one in Numbering}) == len(Numbering)


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
