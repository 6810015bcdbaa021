"""How a catalogue case becomes a test on any target: strict xfail marks, and the one comparison.

A known bug raises KnownBug, and only that is the expected failure: a changed signature or a new
failure is an AssertionError and fails, a vanished bug is an unexpected pass and fails too.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from cases.case import Case
from repro.campaigns import expectations
from repro.campaigns.expectations import Comparison, Expectations, Standing, compare
from repro.verdicts.judge import judge
from repro.verdicts.subject import Subject
from repro.verdicts.verdict import Verdict
from runner.run import Precision, Run


class KnownBug(Exception):
    """The output is wrong exactly as findings/expectations/ says."""


def marks_for(case: Case, precision: Precision, known: Expectations) -> list[pytest.MarkDecorator]:
    """Strict xfail where something is expected of any output; `convert` where torch is needed."""
    marks = []
    reasons = {
        entry.reason
        for (name, _, entry_precision), entry in known.entries.items()
        if name == case.name and entry_precision in (str(precision), expectations.ANY)
    }
    if reasons:
        marks.append(pytest.mark.xfail(strict=True, raises=KnownBug, reason="; ".join(sorted(reasons))))
    if case.module is not None:
        marks.append(pytest.mark.convert)
    return marks


def hold_to_expectations(subject: Subject, run: Run, target: str, known: Expectations) -> list[Comparison]:
    """Judge and compare. Raises AssertionError for news, KnownBug for a bug that is known."""
    verdicts = judge(run, subject)
    comparisons = compare_all(subject, verdicts, run, target, known)
    news = [c.message for c in comparisons if c.standing.is_news]
    assert not news, "\n".join(news)
    bugs = [v for v, c in zip(verdicts, comparisons, strict=True) if c.standing is Standing.KNOWN]
    if bugs:
        raise KnownBug("; ".join(f"output {v.output} '{v.name}': {v.status} {v.signature} {v.holds}" for v in bugs))
    return comparisons


def compare_all(
    subject: Subject, verdicts: Sequence[Verdict], run: Run, target: str, known: Expectations
) -> list[Comparison]:
    """One comparison a verdict."""
    fingerprint = run.fingerprint
    return [compare(v, subject.name, fingerprint.precision, target, fingerprint.runtime, known) for v in verdicts]
