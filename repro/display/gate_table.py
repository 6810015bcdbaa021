"""A gate's report for people (a table), for programs (JSON lines) and for CI (JUnit rows)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from repro.display.junit import TestRow
from repro.layouts.result import GateAnswer, Report
from repro.records.canonical_json import finite_or_none

_COLOURS = {GateAnswer.PASS: "green", GateAnswer.REFUSED: "red", GateAnswer.NOTE: "yellow"}


def show(console: Console, report: Report) -> None:
    """One table a report, then one line that says it all."""
    fingerprint = report.fingerprint
    head = f"{report.layout} on {report.target} {report.precision}"
    if report.size is not None:
        head += f" at {report.size}"
    if fingerprint is not None:
        head += f"  LiteRT {fingerprint.runtime}  {fingerprint.adapter} {fingerprint.driver}".rstrip()
    console.print(f"[bold]{escape(head)}[/]" + (f"  {escape(report.used)}" if report.used else ""), highlight=False)
    table = Table("check", "part", "tensor", "answer", "reason", box=None, pad_edge=False, header_style="dim")
    table.columns[4].ratio = 1
    for check in report.checks:
        answer = f"[{_COLOURS[check.answer]}]{check.answer}[/]"
        table.add_row(check.kind, escape(check.part), escape(check.tensor), answer, escape(check.reason))
    console.print(table)
    timing = f"{report.seconds:.1f} s, of which the target {report.target_seconds:.1f} s"
    if report.passed:
        console.print(f"[green]PASSED[/] ({timing})", highlight=False)
        return
    refusals = report.refusals
    tensors = ", ".join(dict.fromkeys(check.tensor for check in refusals if check.tensor))
    about = f" about {tensors}" if tensors else ""
    count = f"{len(refusals)} reason{'s' if len(refusals) > 1 else ''}"
    console.print(f"[red]REFUSED[/] for {count}{escape(about)} ({timing})", highlight=False)


def json_objects(report: Report) -> Iterator[dict[str, Any]]:
    """One object a check, then one summary object with `passed`."""
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
            "numbers": {name: finite_or_none(value) for name, value in check.numbers.items()},
        }
    yield {
        **common,
        "check": "summary",
        "passed": report.passed,
        "refusals": len(report.refusals),
        "seconds": round(report.seconds, 3),
        "target_seconds": round(report.target_seconds, 3),
        "used": report.used,
    }


def junit_rows(report: Report) -> Iterator[TestRow]:
    """One row a check; notes are skips."""
    size = f" {report.size}" if report.size is not None else ""
    suite = f"gate {report.layout} {report.target} {report.precision}{size}"
    for check in report.checks:
        name = " ".join(filter(None, (check.kind, check.part, check.tensor, *check.numbers)))
        yield TestRow(
            suite,
            name,
            failure=check.reason if check.answer is GateAnswer.REFUSED else "",
            skipped=check.reason if check.answer is GateAnswer.NOTE else "",
        )
