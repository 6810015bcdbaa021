"""A rule and its match: the words are filled in, and the advice says whether `repro fix` does it."""

from __future__ import annotations

import dataclasses
import json

from repro.delegate.sighting import Effect
from repro.hazards.hazard import Level, Rule, match_of

RULE = Rule("a-rule", "A -> B", "'{tensor}' is lost between {producer} and {consumer}: {detail}", "emit '{tensor}'")


def test_a_match_has_the_words_of_its_rule_filled_in():
    hazard = match_of(RULE, "y", 1, "ADD", "SUM", Effect.LOST, (1,), "only here")
    assert hazard.message == "'y' is lost between ADD and SUM: only here"
    assert hazard.fix == "emit 'y'"
    assert (hazard.rule, hazard.level, hazard.output, hazard.affected) == ("a-rule", Level.HAZARD, 1, (1,))


def test_a_name_with_braces_is_filled_in_as_it_is():
    assert match_of(RULE, "{detail}", None, "", "", Effect.WRONG, ()).fix == "emit '{detail}'"


def test_the_advice_says_who_does_it():
    assert RULE.advice == RULE.fix
    mended = dataclasses.replace(RULE, workaround="emit")
    assert mended.advice == "emit '{tensor}': `repro fix` does it and proves it"
    risk = dataclasses.replace(mended, level=Level.RISKY)
    assert risk.advice == "emit '{tensor}': `repro fix --also a-rule` does it and proves it"


def test_two_matches_are_equal_whichever_ops_they_point_at():
    one, other = (match_of(RULE, "y", 1, "ADD", "SUM", Effect.LOST, (1,)) for _ in range(2))
    assert one == other
    assert len({one, other}) == 1


def test_a_level_is_written_as_its_word():
    assert json.dumps([*Level]) == '["hazard", "risky"]'
