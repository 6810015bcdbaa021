"""What others reported of a device, held against what was measured on one like it. Pure.

Key insight: a claim was made by somebody with a device, so only such a device can confirm or refute it; whatever did
not run, or ended without a verdict, leaves it open.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass

from repro.campaigns.campaign import CaseResult
from repro.campaigns.expectations import ANY, Expectation, Expectations, expected_text
from repro.verdicts.verdict import Status, Verdict
from runner.run import Precision
from runner.runtime_version import spoken


class Answer(enum.StrEnum):
    """What a measurement says of a claim."""

    CONFIRMED = "confirmed"
    REFUTED = "not confirmed"
    OPEN = "no verdict"


@dataclass(frozen=True)
class ClaimAnswer:
    """One claim in one precision, and what was found. said: the verdict in words, or why there is none."""

    claim: Expectation
    precision: str
    answer: Answer
    said: str

    def text(self) -> str:
        """One line."""
        claim = self.claim
        what = f"{claim.case} output {claim.output} {self.precision}: {expected_text(claim)} (reported: {claim.link})"
        return f"{what}: {self.answer}: {self.said}"


def answer_to(claim: Expectation, verdict: Verdict, runtime: str) -> tuple[Answer, str]:
    """What one verdict says of a claim."""
    said = f"{verdict.status} {verdict.signature}".strip()
    if verdict.status is Status.PASS:
        return Answer.REFUTED, f"passes here with {spoken(runtime)}"
    if verdict.status is claim.status:
        return Answer.CONFIRMED, f"{said} with {spoken(runtime)}"
    return Answer.OPEN, said


def answers(known: Expectations, results: Iterable[CaseResult]) -> tuple[ClaimAnswer, ...]:
    """One answer per claim and precision, in the order of the file."""
    found = {
        (result.case, result.precision, verdict.output): (verdict, result.runtime)
        for result in results
        for verdict in result.verdicts
    }
    answered = []
    for claim in known.entries.values():
        if claim.origin != "reported":
            continue
        for precision in map(str, Precision) if claim.precision == ANY else (claim.precision,):
            got = found.get((claim.case, precision, claim.output)) or found.get((claim.case, precision, -1))
            answer, said = answer_to(claim, *got) if got else (Answer.OPEN, "did not run")
            answered.append(ClaimAnswer(claim, precision, answer, said))
    return tuple(answered)
