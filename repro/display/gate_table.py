"""A gate's report for people (a table), for programs (JSON lines) and for CI (JUnit rows)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.table import Table

from repro.display.console import Screen, cell, print_lines
from repro.display.junit import TestRow
from repro.layouts.result import TONES, GateAnswer, Report
from repro.records.canonical_json import finite_or_none


def show(console: Screen, report: Report, verbose: bool = False) -> None:
    """One table per report, then one line that says it all. verbose: with the precise numbers behind each reason."""
    print_lines(console, [report.head()])
    table = Table("check", "part", "tensor", "answer", "reason", box=None, pad_edge=False, header_style="dim")
    table.columns[4].ratio = 1
    for check in report.checks:
        reason = f"{check.reason} [{check.detail}]" if verbose and check.detail else check.reason
        table.add_row(check.kind, check.part, check.tensor, cell(check.answer, TONES[check.answer]), cell(reason))
    console.print(table)
    print_lines(console, [report.conclusion()])


def json_objects(report: Report) -> Iterator[dict[str, Any]]:
    """One object per check, then one summary object with `passed`."""
    fingerprint = report.fingerprint
    common = {
        "layout": report.layout,
        "size": report.size,
        "target": report.target,
        "adapter": fingerprint.adapter if fingerprint else "",
        "driver": fingerprint.driver if fingerprint else "",
        "runtime": fingerprint.runtime if fingerprint else "",
        "precision": report.precision,
    }
    for check in report.checks:
        yield {
            **common,
            "check": check.kind,
            "part": check.part,
            "tensor": check.tensor,
            "answer": str(check.answer),
            "reason": check.reason,
            "detail": check.detail,
            "numbers": {name: finite_or_none(value) for name, value in check.numbers.items()},
        }
    yield {
        **common,
        "check": "summary",
        "passed": report.passed,
        "unfit": report.fitness.as_json() if report.fitness and report.fitness.is_unfit else None,
        "refusals": len(report.refusals),
        "seconds": round(report.seconds, 3),
        "target_seconds": round(report.target_seconds, 3),
        "used": report.used,
        "missing": None,
    }


def missing_json(layout: str, target: str, why: str) -> dict[str, Any]:
    """The summary object of a target on which nothing could be gated."""
    return {"layout": layout, "target": target, "check": "summary", "passed": False, "missing": why}


def missing_row(layout: str, target: str, why: str) -> TestRow:
    """The JUnit row of a target on which nothing could be gated: an error, which is no pass."""
    return TestRow(f"gate {layout} {target}", "target", error=why)


def junit_rows(report: Report) -> Iterator[TestRow]:
    """One row per check; notes are skips, and so are the refusals of a target that fails its controls."""
    size = f" {report.size}" if report.size is not None else ""
    suite = f"gate {report.layout} {report.target} {report.precision}{size}"
    if report.fitness is not None and report.fitness.is_unfit:
        yield TestRow(suite, "controls of the target", failure=report.fitness.line().text)
    for check in report.checks:
        name = " ".join(filter(None, (check.kind, check.part, check.tensor, *check.numbers)))
        refused = check.answer is GateAnswer.REFUSED
        yield TestRow(
            suite,
            name,
            seconds=check.seconds,
            log=check.detail,
            failure=check.reason if refused and not report.is_unfit else "",
            skipped=check.reason if check.answer is GateAnswer.NOTE or (refused and report.is_unfit) else "",
        )
