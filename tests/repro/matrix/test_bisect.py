"""The first runtime in which a verdict changed, with as few runs as a bisection needs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro.matrix.bisect import bisect
from runner.errors import BadInput


@given(st.integers(2, 40), st.data())
def test_bisect_finds_the_change_with_few_runs(count, data):
    versions = [f"2.{i}.0" for i in range(count)]
    change = data.draw(st.integers(1, count - 1))
    asked = []

    def verdict(version: str) -> str:
        asked.append(version)
        return "PASS" if versions.index(version) < change else "FAIL stale"

    found = bisect(versions, verdict)
    assert (found.last_before, found.first_changed) == (versions[change - 1], versions[change])
    assert len(asked) == len(set(asked)) <= 2 + count.bit_length()


def test_bisect_with_equal_ends_says_what_it_cannot_see():
    found = bisect(["2.1.3", "2.3.0"], lambda version: "FAIL stale")
    assert found.first_changed == ""
    assert "nothing to bisect" in found.sentence


def test_bisect_needs_two_runtimes():
    with pytest.raises(BadInput, match="at least two"):
        bisect(["2.3.0"], lambda version: "PASS")


def test_a_change_is_one_sentence_with_both_sides_of_it():
    versions = ["2.1.3", "2.2.0", "2.3.0"]
    found = bisect(versions, lambda version: "PASS" if version == "2.3.0" else "FAIL stale")
    assert found.sentence == ("changed in 2.3.0: FAIL stale up to 2.2.0, PASS from then on (3 runtimes tried)")
    assert (found.before, found.after, dict(found.tried)) == (
        "FAIL stale",
        "PASS",
        {"2.1.3": "FAIL stale", "2.3.0": "PASS", "2.2.0": "FAIL stale"},
    )


def test_with_several_changes_one_of_them_is_found():
    said = dict(zip("abcdefg", ["PASS", "PASS", "FAIL x", "FAIL y", "FAIL y", "PASS", "FAIL z"], strict=True))
    found = bisect(list("abcdefg"), said.__getitem__)
    assert found.before == said[found.last_before]
    assert said[found.first_changed] != found.before
    assert ord(found.first_changed) - ord(found.last_before) == 1
