"""Shards: together they are everything, each costs about the same, and a case that is added moves few others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.catalogue import catalogue
from repro.campaigns.shards import Shard, cases_of, cost_s
from runner.errors import BadInput

names = st.sets(st.text(min_size=1, max_size=8), min_size=1, max_size=60).map(sorted)


@given(names, st.integers(1, 9), st.data())
def test_every_item_is_in_one_shard_and_their_order_is_kept(items: list[str], of: int, data: st.DataObject):
    costs = {item: data.draw(st.floats(0.001, 100)) for item in items}
    parts = [Shard(number, of).part(items, str, costs.__getitem__) for number in range(1, of + 1)]
    assert sorted(item for part in parts for item in part) == items
    assert all(list(part) == sorted(part, key=items.index) for part in parts)


@given(names, st.integers(2, 6), st.randoms(use_true_random=False))
def test_the_cut_depends_on_the_names_and_not_on_their_order(items: list[str], of: int, random):
    shuffled = items.copy()
    random.shuffle(shuffled)
    assert set(Shard(1, of).part(items, str)) == set(Shard(1, of).part(shuffled, str))


@given(names, st.integers(2, 6), st.data())
def test_no_shard_costs_more_than_its_share_and_one_item(items: list[str], of: int, data: st.DataObject):
    costs = {item: data.draw(st.floats(0.001, 100)) for item in items}
    share, dearest = sum(costs.values()) / of, max(costs.values())
    for number in range(1, of + 1):
        cost = sum(costs[item] for item in Shard(number, of).part(items, str, costs.__getitem__))
        assert cost <= share + dearest + 1e-6


@pytest.mark.parametrize("of", [2, 3, 8])
def test_the_catalogue_is_cut_evenly_and_a_new_case_moves_few(of: int):
    cases = catalogue()
    parts = [cases_of(Shard(number, of), cases) for number in range(1, of + 1)]
    costs = [sum(map(cost_s, part)) for part in parts]
    assert max(costs) < 1.2 * min(costs)
    fewer = [cases_of(Shard(number, of), cases[1:]) for number in range(1, of + 1)]
    moved = sum(len(set(after) - set(before)) for before, after in zip(parts, fewer, strict=True))
    assert moved <= 2 * of * 12  # at each border at most what costs as much as one dear case
    assert moved < len(cases) / 10


@pytest.mark.parametrize("text", ["", "1", "0/3", "4/3", "1/0", "a/b", "1/3/5", "-1/3", "1/9999999"])
def test_what_is_no_shard_is_one_line(text: str):
    with pytest.raises(BadInput, match="give I/N"):
        Shard.parse(text)


def test_pytest_takes_a_shard(pytester: pytest.Pytester):
    pytester.makeconftest("pytest_plugins = ['tests.suite']")
    pytester.makepyfile("import pytest\n@pytest.mark.parametrize('n', range(20))\ndef test_it(n): pass")
    passed = []
    for number in (1, 2, 3):
        result = pytester.runpytest("-p", "no:randomly", "--shard", f"{number}/3")
        outcomes = result.parseoutcomes()
        passed.append(outcomes["passed"])
        assert outcomes["passed"] + outcomes["deselected"] == 20
    assert sum(passed) == 20
    assert max(passed) - min(passed) <= 1
