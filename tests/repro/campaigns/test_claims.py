"""A claim that others reported is confirmed, refuted or left open by what a device like theirs did."""

from __future__ import annotations

import pytest

from repro.campaigns.campaign import CaseResult
from repro.campaigns.claims import Answer, answers
from repro.campaigns.expectations import Expectation, Expectations
from repro.verdicts.verdict import Status, Verdict


def expectations(precision: str, origin: str = "reported") -> Expectations:
    claim = Expectation(
        case="a/b", output=1, precision=precision, status=Status.FAIL, signature="wrong", reason="said", origin=origin
    )  # type: ignore[arg-type]
    return Expectations("adb", {("a/b", 1, precision): claim})


def result(status: Status, output: int = 1, precision: str = "fp16") -> CaseResult:
    verdict = Verdict(output, "y", status, "wrong" if status is Status.FAIL else "")
    return CaseResult("a/b", "adb:x", "a phone", "2.3.0", precision, (verdict,), {}, {}, "", False)


@pytest.mark.parametrize(
    ("status", "output", "answer", "said"),
    [
        (Status.FAIL, 1, Answer.CONFIRMED, "FAIL wrong with LiteRT 2.3.0"),
        (Status.PASS, 1, Answer.REFUTED, "passes here with LiteRT 2.3.0"),
        (Status.INVALID, 1, Answer.OPEN, "INVALID"),
        (Status.CRASH, -1, Answer.OPEN, "CRASH"),
        (Status.PASS, 0, Answer.OPEN, "did not run"),
    ],
)
def test_a_verdict_answers_the_claim_of_its_output(status: Status, output: int, answer: Answer, said: str) -> None:
    (found,) = answers(expectations("fp16"), [result(status, output)])
    assert (found.answer, found.said) == (answer, said)
    assert found.text().endswith(f"{answer}: {said}")


def test_a_claim_of_any_precision_has_an_answer_in_each() -> None:
    fp32, fp16 = answers(expectations("any"), [result(Status.FAIL)])
    assert (fp32.precision, fp32.answer) == ("fp32", Answer.OPEN)
    assert (fp16.precision, fp16.answer) == ("fp16", Answer.CONFIRMED)


def test_what_was_measured_here_is_no_claim() -> None:
    assert answers(expectations("fp16", "measured"), [result(Status.FAIL)]) == ()
