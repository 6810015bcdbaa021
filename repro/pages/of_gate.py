"""The page of `repro gate`: passed or refused, each check with its reason, refusals first."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from repro.layouts.result import TONES, GateAnswer, GateCheck, Report
from repro.pages.of_run import fingerprints
from repro.pages.page import Block, Command, Facts, HeatMap, Page, Row, Section, Table, Text
from repro.records.lines import Tone

_ORDER = [GateAnswer.REFUSED, GateAnswer.NOTE, GateAnswer.PASS]


def gate_page(reports: Sequence[Report], command: str, missing: Mapping[str, str] | None = None) -> Page:
    """The page of one layout on all targets, precisions and sizes that were gated.

    missing: target on which nothing could be gated -> why.
    """
    absent = missing or {}
    passed = not absent and all(report.passed for report in reports)
    refused = any(not report.passed for report in reports if not report.is_unfit)
    said = "PASSED" if passed else "REFUSED" if refused else "NOT GATED EVERYWHERE" if absent else "UNFIT"
    answers = [Text(f"{said}: {reports[0].layout}", Tone.GOOD if passed else Tone.BAD)]
    answers += [Text(f"{_where(report)}: {report.conclusion().text}") for report in reports]
    answers += [Text(f"{target}: not gated: {why}", Tone.BAD) for target, why in absent.items()]
    checks = [(report, check) for report in reports for check in report.checks]
    checks.sort(key=lambda one: _ORDER.index(one[1].answer))
    table = Table(
        "Checks, refusals first",
        ("check", "answer", "part", "tensor", "target", "reason"),
        tuple(_row(*one) for one in checks),
        ("check", "answer", "part", "target"),
    )
    ran = {r.target: r.fingerprint for r in reports if r.fingerprint is not None}
    sections = [
        Section("Checks", (table,)),
        Section("Where it ran", tuple(fingerprints(f.target, f.runtime, f.adapter, _plain(f)) for f in ran.values())),
        Section("Again", (Command("This page is made by", command),)),
    ]
    return Page(f"repro gate: {reports[0].layout}", answers, sections)


def _plain(fingerprint: object) -> dict[str, object]:
    # The sha256 of one model says nothing of a split.
    return {k: v for k, v in dataclasses.asdict(fingerprint).items() if k != "model_sha256"}  # type: ignore[call-overload]


def _where(report: Report) -> str:
    size = f" at {report.size}" if report.size is not None else ""
    return f"{report.target} {report.precision}{size}"


def _row(report: Report, check: GateCheck) -> Row:
    details: list[Block] = []
    if check.error_map is not None:
        details.append(HeatMap(check.error_map))
    if check.detail:
        details.append(Text(check.detail))
    if check.numbers:
        details.append(Facts(tuple((name, f"{value:.6g}") for name, value in check.numbers.items())))
    where = _where(report)
    cells = (
        Text(check.kind),
        Text(str(check.answer), TONES[check.answer]),
        Text(check.part),
        Text(check.tensor),
        Text(where),
        Text(check.reason),
    )
    return Row(cells, (check.kind, str(check.answer), check.part, where), tuple(details))
