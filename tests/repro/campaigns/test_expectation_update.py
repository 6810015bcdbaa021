"""Expectations are rewritten from results without losing comments and without hiding a new failure."""

from __future__ import annotations

import tomllib

import pytest

from repro.campaigns.expectation_update import Reason, update

FILE = """# Bugs of the delegate's graph code.

# The public report of this one is LiteRT#8599.
[[expect]]
case = "a/b"
output = 0
precision = "any"
status = "FAIL"
signature = "unwritten"
finding = "f"
reason = "F2: never written"   # keep me
confirmed = "2.2.0"
"""


def record(
    precision: str, verdict: str = "FAIL", signature: str = "unwritten", runtime: str = "2.3.0", case: str = "a/b"
):
    return {
        "case": case,
        "output": 0,
        "precision": precision,
        "verdict": verdict,
        "signature": signature,
        "runtime": runtime,
        "holds": "the sentinel",
    }


def nobody_knows(case: str, output: int) -> Reason | None:
    return None


def test_a_confirmed_bug_only_moves_its_runtime_and_keeps_every_comment():
    result = update(FILE, [record("fp32"), record("fp16")], nobody_knows)
    assert result.text == FILE.replace('"2.2.0"', '"2.3.0"')
    assert result.refusals == ()


def test_a_new_failure_without_a_reason_is_refused_and_not_written():
    result = update(FILE, [record("fp32", case="new/one"), record("fp16", case="new/one")], nobody_knows)
    assert "new/one" not in result.text
    assert result.refusals == ("new/one output 0 any: FAIL unwritten: the sentinel; give --reason to expect it",)


def test_a_new_failure_with_a_reason_becomes_one_entry_for_both_precisions():
    records = [record("fp32", case="new/one"), record("fp16", case="new/one")]
    result = update(FILE, records, lambda case, output: Reason("because", "slug"))
    entries = tomllib.loads(result.text)["expect"]
    assert [(e["case"], e["precision"], e["reason"]) for e in entries][1:] == [("new/one", "any", "because")]


@pytest.mark.parametrize("signature", ["stale", "alias(x)"])
def test_a_changed_signature_is_refused_and_names_what_it_was(signature: str):
    result = update(FILE, [record("fp32", signature=signature), record("fp16", signature=signature)], nobody_knows)
    assert result.text == FILE
    assert "was FAIL unwritten" in result.refusals[0]


def test_a_bug_that_a_newer_runtime_fixed_keeps_its_history():
    result = update(FILE, [record("fp32", "PASS", ""), record("fp16", "PASS", "")], nobody_knows)
    assert tomllib.loads(result.text)["expect"][0]["fixed_in"] == "2.3.0"


def test_a_pass_on_the_runtime_that_confirmed_it_removes_the_entry():
    records = [record("fp32", "PASS", "", "2.2.0"), record("fp16", "PASS", "", "2.2.0")]
    result = update(FILE, records, nobody_knows)
    assert tomllib.loads(result.text).get("expect", []) == []
    assert result.changes == ("a/b output 0 any: passes in 2.2.0, entry removed",)


def test_one_precision_that_is_fixed_splits_the_entry():
    result = update(FILE, [record("fp32"), record("fp16", "PASS", "")], nobody_knows)
    by_precision = {e["precision"]: e for e in tomllib.loads(result.text)["expect"]}
    assert by_precision["fp16"]["fixed_in"] == "2.3.0"
    assert "fixed_in" not in by_precision["fp32"]


def test_what_others_measured_says_by_whom_and_a_claim_is_reported_no_longer():
    claim = FILE.replace('"2.2.0"', '""') + 'origin = "reported"\n'
    claim = claim.replace("F2: never written", "reported, not measured: F2: never written")
    mark = {"measured_by": "A. Colleague", "measured_on": "2026-01-31"}
    result = update(claim, [record("fp32"), record("fp16")], nobody_knows, mark)
    (entry,) = tomllib.loads(result.text)["expect"]
    assert mark.items() <= entry.items()
    assert (entry["origin"], entry["confirmed"]) == ("measured", "2.3.0")
    assert entry["reason"] == "first reported, then measured: F2: never written"
    again = update(result.text, [record("fp32"), record("fp16")], nobody_knows)
    assert again.text == result.text
