"""The order in which root causes are worth mending."""

from __future__ import annotations

from dataclasses import replace

from repro.campaigns.expectations import Expectation
from repro.findings.finding import FindingStatus
from repro.findings.reach import in_order_of_reach
from repro.findings.reader import load
from repro.findings.root_causes import RootCause
from repro.verdicts.verdict import Status

SILENT = load("add-output-feeds-reduction")
FACE = load("scaled-output-feeds-conv")
LOUD = load("same-operand-aborts")
FINDINGS = {"silent": SILENT, "face": FACE, "loud": LOUD, "closed": replace(SILENT, status=FindingStatus.FIXED)}
FINDINGS = {slug: replace(finding, folder=finding.folder.with_name(slug)) for slug, finding in FINDINGS.items()}


def expected(*slugs: str) -> list[Expectation]:
    return [
        Expectation(case=f"family/{i}", output=0, precision="any", status=Status.FAIL, finding=slug, reason="known")
        for i, slug in enumerate(slugs)
    ]


def cause(*slugs: str) -> RootCause:
    return RootCause(name="-and-".join(slugs), title="T", summary="S", findings=slugs)


def order(causes, expectations=()):
    return [r.cause.name for r in in_order_of_reach(causes, FINDINGS, expectations, lambda finding: True)]


def test_open_comes_before_closed_silent_before_loud_and_real_models_before_cases():
    many = expected("loud", "loud", "closed", "closed", "silent")
    assert order([cause("closed"), cause("loud"), cause("silent"), cause("face")], many) == [
        *("face", "silent", "loud", "closed")
    ]


def test_what_hits_more_cases_comes_first_and_the_sentence_counts_them():
    more = FINDINGS | {"other": replace(FINDINGS["silent"], folder=SILENT.folder.with_name("other"))}
    reaches = in_order_of_reach(
        [cause("silent"), cause("other")], more, expected("other", "other", "silent", "other"), lambda finding: True
    )
    assert [r.cause.name for r in reaches][:1] == ["face"]  # named by no root cause, so it is one of its own
    assert [r.sentence for r in reaches if r.cause.name in ("silent", "other")] == [
        *("silent; 0 real models, 3 cases", "silent; 0 real models, 1 case")
    ]


def test_members_that_still_show_come_first_and_a_case_counts_once():
    both = Expectation(case="family/0", output=1, precision="any", status=Status.FAIL, finding="loud", reason="known")
    (reach,) = in_order_of_reach(
        [cause("closed", "loud", "silent", "face")], FINDINGS, [*expected("silent", "silent"), both], lambda f: True
    )
    assert [member.slug for member in reach.members] == ["face", "silent", "loud", "closed"]
    assert (reach.cases, reach.silent, reach.open) == (2, True, True)
