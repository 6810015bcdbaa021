"""An expected failure is met by the signature it expects and by nothing else that may go wrong in its test."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cases.case import Case
from repro.campaigns.expectations import Expectation, Expectations
from repro.verdicts.verdict import Status, Verdict
from runner.run import Precision
from tests import known_bugs
from tests.known_bugs import KnownBug, hold_to_expectations, marks_for

ROOT = Path(__file__).resolve().parent.parent
CASE = Case("family/case", "family", "a test")
ALIAS = Expectation(
    case=CASE.name, output=0, precision="any", status=Status.FAIL, signature="alias(x)", reason="a known bug"
)
KNOWN = Expectations("gpu:lavapipe", {(CASE.name, 0, "any"): ALIAS})


def held(monkeypatch: pytest.MonkeyPatch, *verdicts: Verdict) -> None:
    subject: Any = SimpleNamespace(name=CASE.name)
    run: Any = SimpleNamespace(fingerprint=SimpleNamespace(precision="fp32", runtime="2.3.0"))
    monkeypatch.setattr(known_bugs, "judge", lambda run, subject: verdicts)
    hold_to_expectations(subject, run, "gpu:lavapipe", KNOWN)


def test_the_signature_that_is_expected_is_the_known_bug(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(KnownBug, match=r"output 0 'y': FAIL alias\(x\)"):
        held(monkeypatch, Verdict(0, "y", Status.FAIL, "alias(x)"), Verdict(1, "z", Status.PASS))


@pytest.mark.parametrize(
    ("verdicts", "says"),
    [
        ([Verdict(0, "y", Status.FAIL, "stale")], "changed"),
        ([Verdict(0, "y", Status.FAIL, "alias(z)")], "changed"),
        ([Verdict(0, "y", Status.FAIL)], "changed"),
        ([Verdict(0, "y", Status.PASS)], "fixed"),
        ([Verdict(0, "y", Status.INVALID)], "changed"),
        ([Verdict(0, "y", Status.FAIL, "alias(x)"), Verdict(1, "z", Status.FAIL, "stale")], "new failure"),
        *([([Verdict(-1, "", status)], "new failure") for status in (Status.CRASH, Status.HANG, Status.REFUSED)]),
    ],
)
def test_whatever_else_comes_out_is_a_failure(monkeypatch: pytest.MonkeyPatch, verdicts: list[Verdict], says: str):
    with pytest.raises(AssertionError, match=says):
        held(monkeypatch, *verdicts)


def test_the_mark_is_strict_and_met_by_a_known_bug_only():
    (mark,) = marks_for(CASE, Precision.FP32, KNOWN)
    assert mark.kwargs["raises"] is KnownBug
    assert mark.kwargs["strict"] is True
    assert marks_for(Case("family/other", "family", "a test"), Precision.FP32, KNOWN) == []


ITEMS = """
import pytest
from tests.known_bugs import KnownBug
from tests.test_known_bugs import CASE, KNOWN
from tests.known_bugs import marks_for
from runner.run import Precision

mark = marks_for(CASE, Precision.FP32, KNOWN)[0]

@mark
def test_known(): raise KnownBug("as expected")

@mark
def test_changed(): assert False, "another signature"

@mark
def test_out_of_order(): raise RuntimeError("the run is not there")

@mark
def test_fixed(): pass
"""


@pytest.mark.slow
def test_pytest_reports_every_other_end_as_a_failure(tmp_path: Path):
    (tmp_path / "test_items.py").write_text(ITEMS, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:randomly", "-p", "no:cacheprovider", "-c"]
    done = subprocess.run(
        [*command, "/dev/null", "--rootdir", str(tmp_path), str(tmp_path / "test_items.py")],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 1, done.stdout
    ends = {line.split("::")[1].split()[0]: line.split()[0] for line in done.stdout.splitlines() if "::test_" in line}
    assert ends == {
        "test_known": "XFAIL",
        "test_changed": "FAILED",
        "test_out_of_order": "FAILED",
        "test_fixed": "FAILED",
    }
