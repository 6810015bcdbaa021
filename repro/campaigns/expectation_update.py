"""Rewrite an expectations file from results: comments stay, and no new failure is hidden without a reason.

Pure: text and records in, text and a list of changes out. What would hide a failure nobody has
explained is not done but returned as a refusal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import tomlkit
from tomlkit.items import AoT, Table

from repro.campaigns.expectations import ANY
from repro.verdicts.verdict import is_of_memory
from runner.runtime_version import RuntimeVersion

PRECISIONS = ("fp32", "fp16")


@dataclass(frozen=True)
class Reason:
    """Why a failure is expected, and the finding that documents it."""

    text: str
    finding: str = ""
    link: str = ""


@dataclass(frozen=True)
class Update:
    """text: the new file. changes and refusals: one line each, in the order of the records."""

    text: str
    changes: tuple[str, ...]
    refusals: tuple[str, ...]


Explain = Callable[[str, int], Reason | None]
"""(case, output) -> the reason why a failure there is expected, or None where nobody knows."""


REPORTED = "reported, not measured: "
"""How the reason of a claim begins that nobody here has measured."""


def update(
    text: str, records: Sequence[Mapping[str, Any]], explain: Explain, mark: Mapping[str, str] | None = None
) -> Update:
    """Bring one expectations file up to date with `repro run --json` records of one target.

    Same status and signature: `confirmed` becomes the record's runtime. A pass where a failure is
    expected: `fixed_in` is set if the runtime is newer than `confirmed`, else the entry goes. A new
    failure or another signature needs a Reason from `explain`, or it is refused. mark: what every entry that is
    measured now says beside that, such as by whom; a claim that is confirmed so is no longer only reported.
    """
    document = tomlkit.parse(text)
    tables = document.get("expect")
    if not isinstance(tables, AoT):
        tables = tomlkit.aot()
        document["expect"] = tables
    changes: list[str] = []
    refusals: list[str] = []
    grouped: dict[tuple[str, int], dict[str, Mapping[str, Any]]] = {}
    for record in records:
        grouped.setdefault((record["case"], record["output"]), {})[record["precision"]] = record
    for (case, output), by_precision in grouped.items():
        for covered, record in _merged(by_precision):
            entry = _find(tables, case, output, covered)
            if entry is not None and entry["precision"] == ANY and covered != ANY and _differs(entry, record):
                _split(tables, entry)
                entry = _find(tables, case, output, covered)
            _apply(tables, entry, case, output, covered, record, explain, changes, refusals, mark or {})
    return Update(tomlkit.dumps(document), tuple(changes), tuple(refusals))


def _merged(by_precision: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, Mapping[str, Any]]]:
    """One ("any", record) where both precisions say the same, else one pair per precision."""
    said = {(r["verdict"], r["signature"]) for r in by_precision.values()}
    if len(said) == 1 and set(by_precision) >= set(PRECISIONS):
        return [(ANY, by_precision["fp32"])]
    return sorted(by_precision.items())


def _find(tables: AoT, case: str, output: int, precision: str) -> Table | None:
    # What is about some adapters only is nothing that another one's results could change.
    exact = [t for t in tables if (t["case"], t["output"]) == (case, output) and "adapters" not in t]
    for wanted in (precision, ANY):
        for table in exact:
            if table["precision"] == wanted:
                return table
    return None


def _differs(entry: Table, record: Mapping[str, Any]) -> bool:
    if entry["status"] != record["verdict"]:
        return True
    if entry.get("memory", False) and is_of_memory(record["signature"]):
        return False
    return entry.get("signature", "") not in (record["signature"], ANY)


def _split(tables: AoT, entry: Table) -> None:
    """Turn an `any` entry into one entry per precision, so that one of them can change."""
    twin = tomlkit.table()
    for key, value in entry.items():
        twin[key] = value
    entry["precision"], twin["precision"] = PRECISIONS
    tables.append(twin)


def _is_newer(runtime: str, confirmed: str) -> bool:
    return runtime != confirmed and RuntimeVersion.parse(runtime).is_at_least(RuntimeVersion.parse(confirmed))


def _apply(
    tables: AoT,
    entry: Table | None,
    case: str,
    output: int,
    precision: str,
    record: Mapping[str, Any],
    explain: Explain,
    changes: list[str],
    refusals: list[str],
    mark: Mapping[str, str],
) -> None:
    label = f"{case} output {output} {precision}"
    said = f"{record['verdict']} {record['signature']}".strip()
    runtime = record["runtime"]
    if entry is None and record["verdict"] == "PASS":
        return
    if entry is not None and not _differs(entry, record):
        if entry.get("confirmed") != runtime or mark:
            entry["confirmed"] = runtime
            _mark(entry, mark)
            changes.append(f"{label}: confirmed with {runtime}")
        return
    if entry is not None and record["verdict"] == "PASS":
        if entry.get("confirmed") and _is_newer(runtime, entry["confirmed"]):
            entry["fixed_in"] = runtime
            changes.append(f"{label}: fixed in {runtime}")
        else:
            tables.remove(entry)
            changes.append(f"{label}: passes in {runtime}, entry removed")
        return
    reason = explain(case, output)
    if reason is None:
        what = record.get("holds") or record.get("reason") or "no reason recorded"
        was = f" (was {entry['status']} {entry.get('signature', '')})".replace(" )", ")") if entry is not None else ""
        refusals.append(f"{label}: {said}{was}: {what}; give --reason to expect it")
        return
    if entry is None:
        entry = tomlkit.table()
        entry["case"], entry["output"], entry["precision"] = case, output, precision
        tables.append(entry)
        entry = tables[-1]
    entry["status"], entry["signature"] = record["verdict"], record["signature"]
    entry["finding"], entry["reason"] = reason.finding, reason.text
    if reason.link:
        entry["link"] = reason.link
    entry["confirmed"] = runtime
    _mark(entry, mark)
    changes.append(f"{label}: expects {said}")


def _mark(entry: Table, mark: Mapping[str, str]) -> None:
    entry.update(mark)
    if mark and entry.get("origin") == "reported":
        entry["origin"] = "measured"
        entry["reason"] = entry["reason"].replace(REPORTED, "first reported, then measured: ", 1)
