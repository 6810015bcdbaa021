"""A report says in lines what was gated, on what, and which tensors a refusal is about."""

from __future__ import annotations

import time
from dataclasses import replace

from repro.layouts.result import KINDS, TONES, GateAnswer, GateCheck, Report, timed
from repro.records.lines import Tone
from repro.verdicts.fitness import FailedControl, Fitness
from runner.run import Fingerprint

ON = Fingerprint("gpu:a", "2.3.0", {}, "driver 1", "adapter", "fp16", "")
PASS = GateCheck("structure", "encoder", "", GateAnswer.PASS, "4 ops")
NOTE = GateCheck("baseline", "", "", GateAnswer.NOTE, "none recorded")
WRONG = GateCheck("output", "head", "y", GateAnswer.REFUSED, "FAIL stale")


def report(*checks: GateCheck, ran: bool = True) -> Report:
    return Report("split", "gpu:a", "fp16", 640, ON if ran else None, checks, 12.34, 5.0, "weights seed:7")


def test_a_note_refuses_nothing():
    passed = report(PASS, NOTE)
    assert passed.passed
    assert passed.refusals == ()
    assert repr(passed) == "<Report split on gpu:a fp16: passed>"
    assert passed.conclusion().text == "PASSED (12.3 s, of which the target 5.0 s)"


def test_a_refusal_names_its_tensors_once_and_counts_its_reasons():
    again = GateCheck("chain", "chain", "y", GateAnswer.REFUSED, "too noisy")
    refused = report(PASS, WRONG, again, GateCheck("residency", "head", "", GateAnswer.REFUSED, "CRASH"))
    assert refused.refusals == (WRONG, again, refused.checks[3])
    assert refused.conclusion().text.startswith("REFUSED for 3 reasons about y (")
    assert report(WRONG).conclusion().text.startswith("REFUSED for 1 reason about y (")
    assert repr(refused) == "<Report split on gpu:a fp16: refused for 3 reasons>"


def test_the_head_says_where_it_ran_and_with_what():
    assert report().head().text == "split on gpu:a fp16 at 640  LiteRT 2.3.0  adapter driver 1  weights seed:7"
    assert report(ran=False).head().text == "split on gpu:a fp16 at 640  weights seed:7"


def test_the_checks_stand_in_columns_between_head_and_conclusion():
    head, *rows, end = str(report(PASS, WRONG, NOTE)).splitlines()
    assert head.startswith("split on gpu:a")
    assert end.startswith("REFUSED")
    assert rows == [
        "structure  encoder     PASS     4 ops",
        "output     head     y  REFUSED  FAIL stale",
        "baseline               NOTE     none recorded",
    ]


def test_a_report_without_checks_is_lines_too():
    assert len(str(report()).splitlines()) == 2


def test_a_check_is_timed_and_what_its_reader_does_meanwhile_is_not(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])

    def checks():
        clock[0] += 2
        yield PASS
        clock[0] += 3
        yield NOTE

    found = []
    for check in timed(checks()):
        clock[0] += 100
        found.append(check)
    assert [check.seconds for check in found] == [2, 3]
    assert [replace(check, seconds=0.0) for check in found] == [PASS, NOTE]


def test_every_answer_has_a_tone_and_every_kind_its_place():
    assert set(TONES) == set(GateAnswer)
    assert TONES[GateAnswer.REFUSED] is Tone.BAD
    assert {check.kind for check in (PASS, NOTE, WRONG)} <= set(KINDS)


def test_a_target_that_fails_its_controls_neither_passes_nor_refuses():
    unfit = Fitness("gpu:a", "2.3.0", "fp16", 38, (FailedControl("findings/x-control", "FAIL stale"),))
    for checks in ((PASS,), (PASS, WRONG)):
        one = replace(report(*checks), fitness=unfit)
        assert not one.passed
        assert repr(one) == "<Report split on gpu:a fp16: neither passed nor refused>"
        assert one.conclusion().text.startswith("neither passed nor refused: gpu:a is UNFIT in fp16: 1 of 38 controls")
    fit = replace(report(PASS), fitness=Fitness("gpu:a", "2.3.0", "fp16", 38))
    assert fit.passed


def test_an_answer_rests_on_a_failure_where_something_is_refused_or_a_control_came_out_wrong():
    control = GateCheck("control", "naive", "", GateAnswer.PASS, "wrong, as it must be")
    assert report(WRONG).rests_on_a_failure
    assert report(PASS, control).rests_on_a_failure
    assert not report(PASS, NOTE).rests_on_a_failure
    assert not report(PASS, replace(control, answer=GateAnswer.NOTE)).rests_on_a_failure
