"""The table of rules: complete, documented, and each with what to do about it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro.delegate.replay import EFFECTS_OF_PARSING, replay
from repro.fixes.workarounds import WORKAROUNDS
from repro.hazards.hazard import Level, Rule
from repro.hazards.rules import RULES
from repro.selftest.draws.draw import draw

ROOT = Path(__file__).resolve().parents[3]
WORDS = ("tensor", "producer", "consumer", "detail")
by_id = pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.id)


@by_id
def test_a_rule_says_what_it_is_and_what_to_do(rule: Rule):
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", rule.id)
    assert rule.pattern
    filled = [text.format(**dict.fromkeys(WORDS, "X")) for text in (rule.message, rule.advice)]
    assert all(text and "{" not in text for text in filled)


@by_id
def test_the_advice_names_repro_fix_just_where_it_has_a_workaround(rule: Rule):
    assert rule.workaround in (*WORKAROUNDS, "")
    assert "repro fix" not in rule.fix
    command = "`repro fix`" if rule.level is Level.HAZARD else f"`repro fix --also {rule.id}`"
    assert (f"{command} does it" in rule.advice) == bool(rule.workaround)
    assert rule.advice.startswith(rule.fix)


UNCLAIMED = {
    "arg-max-truths": "LiteRT 2.1.3 takes no bytes as inputs, so that no control holds in every release",
    "constant-data-aborts": "a converter computes what depends on constants alone; measured in LiteRT 2.3.0",
}
"""Rules that no finding claims, and why."""


@by_id
def test_a_hazard_has_its_finding_and_a_finding_its_folder(rule: Rule):
    assert rule.finding or rule.level is Level.RISKY or rule.id in UNCLAIMED
    assert not rule.finding or (ROOT / "findings" / rule.finding / "finding.toml").is_file()


@by_id
def test_the_documentation_lists_every_rule(rule: Rule):
    text = (ROOT / "docs" / "lint.md").read_text(encoding="utf-8")
    row = re.search(rf"^\| `{rule.id}`.*$", text, re.M)
    if rule.level is Level.HAZARD:
        assert row
        assert row.group().split("|")[2].strip() == rule.pattern
        assert bool(row.group().split("|")[4].strip()) == bool(rule.workaround)
    else:
        assert f"`{rule.id}`" in text


def test_every_workaround_is_some_rules():
    assert set(WORKAROUNDS) == {rule.workaround for rule in RULES.values()} - {""}


def test_a_level_is_written_as_its_word():
    assert json.dumps([rule.level for rule in (RULES["add-reduce"], RULES["op-refused"])]) == '["hazard", "risky"]'
    assert {str(rule.level) for rule in RULES.values()} == {"hazard", "risky"}


def test_every_effect_of_parsing_is_a_rules():
    assert set(EFFECTS_OF_PARSING) <= set(RULES)


@given(st.integers(0, 5000))
def test_every_event_of_the_replay_is_a_rules(index):
    assert {event.rule for event in replay(draw(8, index).graph).events} <= set(RULES)
