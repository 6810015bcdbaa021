"""Which place is held against which: the same one where there is one, and never a guess."""

from __future__ import annotations

import dataclasses

import pytest

from repro.changes.answer import Place, Side
from repro.changes.pairing import chosen, paired_places
from runner.errors import BadInput
from tests.repro.changes.sides import answer, side


def at(*places: str) -> Side:
    """A side with an answer in each `target runtime`."""
    pairs = [text.split() for text in places]
    return side(*(dataclasses.replace(answer(), target=target, runtime=runtime) for target, runtime in pairs))


def pairs(a: Side, b: Side) -> list[str]:
    return [f"{left.target} {left.runtime} - {right.target} {right.runtime}" for left, right in paired_places(a, b)]


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (["g 1", "h 1"], ["g 1"], ["g 1 - g 1"]),
        (["g 1", "g 2"], ["g 2", "g 3"], ["g 2 - g 2"]),
        (["g 1", "h 1"], ["g 2", "h 2"], ["g 1 - g 2", "h 1 - h 2"]),
        (["g 1", "g 2"], ["h 1", "h 2"], ["g 1 - h 1", "g 2 - h 2"]),
        (["g 1"], ["h 2"], ["g 1 - h 2"]),
    ],
)
def test_the_same_place_first_then_the_same_target_then_the_same_runtime_then_the_only_two(a, b, expected):
    assert pairs(at(*a), at(*b)) == expected


@pytest.mark.parametrize(("a", "b"), [(["g 1", "g 2"], ["g 3"]), (["g 1", "h 2"], ["i 3", "k 4"])])
def test_where_more_than_one_pairing_is_possible_the_user_is_asked(a, b):
    with pytest.raises(BadInput, match=r"which is compared with which\? .* choose with --a and --b"):
        paired_places(at(*a), at(*b))


def test_words_choose_targets_and_runtimes():
    whole = at("g 1", "g 2", "h 1", "h 2")
    assert chosen(whole, [], "--a") is not None
    assert chosen(whole, ["1"], "--a").places == (Place("g", "1"), Place("h", "1"))
    assert chosen(whole, ["g"], "--a").places == (Place("g", "1"), Place("g", "2"))
    assert chosen(whole, ["h", "2"], "--a").places == (Place("h", "2"),)
    assert chosen(whole, ["g", "h", "2"], "--a").places == (Place("g", "2"), Place("h", "2"))


def test_a_word_that_is_nowhere_is_refused_with_what_there_is():
    with pytest.raises(BadInput, match="--b 3: somewhere has no such target or runtime; it has g LiteRT 1"):
        chosen(at("g 1"), ["3"], "--b")
    with pytest.raises(BadInput, match="--b g 2: somewhere has no such pair"):
        chosen(at("g 1", "h 2"), ["g", "2"], "--b")
