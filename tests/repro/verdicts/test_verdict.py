"""A verdict in words: short where it passes, what the output holds where that is known, no number in a signature."""

from __future__ import annotations

import pytest

from repro.records.lines import Tone
from repro.verdicts.verdict import Status, Verdict

ALIAS = Verdict(1, "acc", Status.FAIL, "alias(x)", "RMS error 3", "input 0 'x' (bit-exact, 256/256)")


def worded(verdict: Verdict) -> list[str]:
    return [line.text for line in verdict.lines()]


def test_a_pass_says_what_it_would_have_noticed():
    assert worded(Verdict(0, "y", Status.PASS, power=0.0123)) == [
        "output 0 'y' PASS an error of 0.012 RMS would have been noticed"
    ]


def test_a_failure_says_what_the_output_holds_and_then_why_that_is_wrong():
    first, second = worded(ALIAS)
    assert first == "output 1 'acc' FAIL alias(x): holds input 0 'x' (bit-exact, 256/256)"
    assert second.strip() == "RMS error 3"


def test_a_failure_that_nothing_explains_says_which_limit_was_broken():
    assert worded(Verdict(0, "y", Status.FAIL, "wrong", "RMS error 3")) == ["output 0 'y' FAIL wrong: RMS error 3"]


def test_nothing_is_not_held():
    unwritten = Verdict(0, "y", Status.FAIL, "unwritten", "why", "nothing wrote it (the sentinel survives, 4/4)")
    assert unwritten.held == "nothing wrote it (the sentinel survives, 4/4)"


def test_a_run_without_outputs_is_one_verdict_without_a_place():
    refused = Verdict(-1, "", Status.REFUSED, reason="GATHER is not supported")
    assert worded(refused) == ["no output REFUSED: GATHER is not supported"]


@pytest.mark.parametrize("status", list(Status))
def test_the_tone_of_what_is_not_a_pass_is_the_readers_choice(status: Status):
    tones = {tone for line in Verdict(0, "y", status).lines(Tone.WARN) for _, tone in line.spans}
    assert (Tone.WARN in tones) is (status is not Status.PASS)
    assert (Tone.GOOD in tones) is (status is Status.PASS)


def test_what_is_said_of_a_status_without_a_signature_has_no_trailing_space():
    assert [Verdict(0, "y", Status.CRASH).said, ALIAS.said] == ["CRASH", "FAIL alias(x)"]
