"""What is kept of a judged bundle, in a folder: results, matrix, and the expectations of that device.

Key insight: others measured it, so the expectations say who and when, and are a file to be read and moved by hand to
where expectations live: nothing that came from elsewhere changes what this suite expects by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from repro.campaigns import expectations
from repro.campaigns.campaign import CaseResult
from repro.campaigns.expectation_update import Reason, Update, update
from repro.campaigns.expectations import Expectations
from repro.campaigns.parts import new_head, write_part
from repro.ingest.judged import Judged
from repro.matrix.document import to_document
from repro.matrix.measure import cell_record, environment_record
from repro.records.canonical_json import canonical
from repro.records.folders import expectation_folders
from runner.bundle.answered import AnsweredTarget
from runner.cache import write_atomically
from runner.run import Fingerprint

RESULTS, MATRIX = "results.sqlite", "matrix.json"
_HOST_TARGETS = ("gpu:lavapipe", "gpu:pocl")
"""Whose known bugs explain a device's: what the graph code does everywhere, and what it does over OpenCL."""


def keep(
    folder: Path,
    target: AnsweredTarget,
    judged: Judged,
    controls: Mapping[str, str],
    *,
    expected_under: tuple[str, str],
    by: str,
    reason: str | None,
) -> Update:
    """Write all three; returns what became of the expectations.

    controls: case -> of which case it is the control. expected_under: name of its expectations and model of the phone.
    by: who measured. reason: why failures are expected that no known bug of a host explains; None refuses those.
    """
    contents = target.contents
    precisions = tuple(dict.fromkeys(str(run.precision) for run in contents.runs[1:]))
    head = new_head(
        None,
        cases=tuple(dict.fromkeys(run.case for run in contents.runs[1:])),
        precisions={target.name: precisions},
        expectations={target.name: expected_under},
        asked={"inputs": contents.inputs, "seed": seed_text(contents.seed)},
        unfit=judged.unfit,
    )
    write_part(folder / RESULTS, head, judged.results)
    write_atomically(folder / MATRIX, canonical(_matrix(target, judged, controls)))
    changed = _expectations(judged, expected_under, by, target.measured_on, reason)
    write_atomically(folder / f"{file_stem(*expected_under)}.toml", changed.text.encode())
    return changed


def seed_text(seed: int | None) -> str:
    """As `repro run` says it."""
    return "of each case" if seed is None else str(seed)


def file_stem(name: str, device_model: str) -> str:
    """Of the file that a device's expectations are kept in: `adb-pixel-8a`."""
    return expectations.file_stem(f"adb-{device_model}" if device_model else name)


def _matrix(target: AnsweredTarget, judged: Judged, controls: Mapping[str, str]) -> dict[str, Any]:
    resident = {(run.case, str(run.precision)): target.fully_accelerated(run) for run in target.answered}
    records = [
        cell_record(
            result.case,
            controls.get(result.case, ""),
            Fingerprint(**result.fingerprint),
            resident[result.case, result.precision],
            result.verdicts,
        )
        for result in judged.results
    ]
    void = [{"runtime": u.runtime, "target": u.target, "reason": u.reason} for u in judged.unfit]
    return to_document(records, [environment_record(record) for record in records[:1]], void)


def _expectations(
    judged: Judged, expected_under: tuple[str, str], by: str, measured_on: str, reason: str | None
) -> Update:
    """The device's own file as it is here, brought up to date. What an unfit device says changes nothing."""
    name, model = expected_under
    stem = file_stem(name, model)
    paths = [folder / f"{stem}.toml" for folder in expectation_folders()]
    path = next((path for path in reversed(paths) if path.is_file()), None)
    text = path.read_text(encoding="utf-8") if path else f"# What is expected on {model or name}, measured elsewhere.\n"
    void = {one.cell for one in judged.unfit}
    believed = [result for result in judged.results if result.cell not in void]
    records = [record for result in believed for record in _records(result)]
    if not model:
        # What the files of a host's driver say already needs no line in another.
        records = [r for r in records if r["outcome"] not in ("known", "flake")]
    known = [expectations.load(target) for target in _HOST_TARGETS]

    def explain(case: str, output: int) -> Reason | None:
        of_output = (r for r in records if (r["case"], r["output"]) == (case, output))
        found = next(filter(None, (_explained(record, known) for record in of_output)), None)
        if found is not None:
            return found
        return Reason(reason) if reason else None

    mark = {"measured_by": by} | ({"measured_on": measured_on} if measured_on else {})
    return update(text, records, explain, mark)


def _explained(record: Mapping[str, Any], known: Sequence[Expectations]) -> Reason | None:
    for expected in known:
        entry = expected.lookup(record["case"], record["output"], record["precision"])
        if entry is not None and entry.matches(record["verdict"], record["signature"]):
            return Reason(entry.reason, entry.finding, entry.link)
    return None


def _records(result: CaseResult) -> list[dict[str, Any]]:
    """As `repro run --json` says them, as far as expectations ask."""
    return [
        {
            "case": result.case,
            "output": verdict.output,
            "precision": result.precision,
            "verdict": str(verdict.status),
            "signature": verdict.signature,
            "runtime": result.runtime,
            "holds": verdict.holds,
            "reason": verdict.reason,
            "outcome": str(comparison.standing),
        }
        for verdict, comparison in zip(result.verdicts, result.comparisons, strict=True)
    ]
