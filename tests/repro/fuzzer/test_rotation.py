"""One hunt in many places: each has its turn, the order is the seed's, and a bug counts once."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro.fuzzer.corpus import Corpus
from repro.fuzzer.hunt import ROUND, Bug, Hunt
from repro.fuzzer.rotation import BLOCK, Place, hunt_in_turns, place_of
from repro.fuzzer.sources import Sources
from repro.verdicts.references import OwnOps
from runner.run import Precision
from tests.repro.simulated_delegate import FAULTS, Fault, SimulatedDelegate

NO_LIMIT = float("inf")
PLACES = [Place(f"gpu:lavapipe@{name}", precision) for name in ("a", "b", "c") for precision in Precision]


@given(st.integers(0, 50), st.integers(0, 20))
def test_every_place_has_its_turn_once_before_any_has_its_second(seed: int, turn: int):
    first = turn * len(PLACES) * BLOCK
    blocks = [place_of(PLACES, seed, first + block * BLOCK) for block in range(len(PLACES))]
    assert Counter(blocks) == Counter(PLACES)
    assert {place_of(PLACES, seed, first + inside) for inside in (0, 1, BLOCK - 1)} == {blocks[0]}


def test_the_order_is_the_seeds_and_differs_between_turns_and_seeds():
    orders = {
        (seed, turn): tuple(place_of(PLACES, seed, (turn * len(PLACES) + n) * BLOCK) for n in range(len(PLACES)))
        for seed in range(3)
        for turn in range(3)
    }
    assert len(set(orders.values())) > 6
    assert place_of(PLACES, 1, 5 * BLOCK) == place_of(list(PLACES), 1, 5 * BLOCK + 7)


def hunted(folder: Path, faults: dict[str, Fault], graphs: int, unfit: str = "") -> tuple[dict, list[Bug], Corpus]:
    bugs: list[Bug] = []
    store = Corpus(folder, 3, "in turns")
    places = [Place(name, Precision.FP32) for name in ("one", "two", "three")]

    @contextlib.contextmanager
    def open_round(place: Place) -> Iterator[Hunt | None]:
        target = SimulatedDelegate(*([faults[place.target]] if place.target in faults else []))
        target.name = place.target
        reference = OwnOps(SimulatedDelegate, strict_shapes=True)
        hunt = Hunt(
            target, place.precision, reference, Sources(block=0), store, {}, on_bug=bugs.append, lint=lambda graph: ()
        )
        hunt.in_turns = True
        yield None if place.target == unfit else hunt

    return hunt_in_turns(places, store.state, open_round, NO_LIMIT, graphs, ROUND), bugs, store


@pytest.mark.slow
def test_a_hunt_in_turns_finds_what_shows_in_one_place_only_and_says_where(tmp_path: Path):
    fault = FAULTS[0]
    summary, bugs, _ = hunted(tmp_path, {"two": fault}, 9 * ROUND)
    assert bugs
    assert {bug.place for bug in bugs} == {"two fp32"}
    assert summary["new"] == len(bugs)
    assert set(summary["places"]) >= {"one fp32", "two fp32", "three fp32"}
    assert sum(summary["places"].values()) == summary["graphs"] >= 9 * ROUND


@pytest.mark.slow
def test_what_is_found_in_two_places_is_one_bug(tmp_path: Path):
    fault = FAULTS[0]
    _, bugs, store = hunted(tmp_path, dict.fromkeys(("one", "two", "three"), fault), 9 * ROUND)
    assert bugs
    assert len({(bug.signature, bug.pattern) for bug in bugs}) == len(bugs)
    assert store.state.next_index > 2 * ROUND


def test_a_place_that_fails_its_controls_is_passed_over_and_the_hunt_goes_on(tmp_path: Path):
    summary, _, store = hunted(tmp_path, {}, 2 * ROUND - 20, unfit="two")
    assert set(summary["places"]) == {"one fp32", "three fp32"}
    assert store.state.next_index == 3 * ROUND


def test_where_no_place_counts_the_hunt_ends(tmp_path: Path):
    store = Corpus(tmp_path, 3, "nowhere")

    @contextlib.contextmanager
    def open_round(place: Place) -> Iterator[None]:
        yield None

    summary = hunt_in_turns(PLACES, store.state, open_round, NO_LIMIT)
    assert (summary["graphs"], summary["judged"], summary["places"]) == (0, 0, {})
