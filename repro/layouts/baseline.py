"""Check 6: nothing got worse than what was recorded for this target, runtime, precision and size.

Thresholds say what is good enough; the baseline says what it was. A runtime update that halves the accuracy inside
the thresholds is worth knowing before it is shipped.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from repro.layouts.chain import HIGHER_IS_BETTER
from repro.layouts.layout import Layout
from repro.layouts.result import GateAnswer, GateCheck, Report
from repro.records.strict import fitted_or_none
from runner.cache import canonical_json, read_json, write_atomically
from runner.encoding import file_name
from runner.errors import BadInput
from runner.run import Fingerprint
from runner.runtime_version import spoken

ERROR_GROWTH = 1.25
"""An RMS error may grow by a quarter: another machine's summation order moves it by a few percent."""
SHARE_DROP = 0.005
"""Overlaps and shares may drop by this much: one flip among some hundred tokens."""
SNR_DROP_DB = 2.0
"""The same quarter in dB."""


@dataclass(frozen=True)
class _Baseline:
    """What is recorded of one target, runtime, precision and size."""

    numbers: Mapping[str, float]
    parameters: Mapping[str, Any]
    adapter: str
    driver: str
    libraries: Mapping[str, str]


def baseline_path(layout: Layout, fingerprint: Fingerprint, size: int | None) -> Path:
    """One file per target, settings, presented name, runtime, precision and size, in a folder of the layout's name."""
    target = fingerprint.target.replace(":", "-")
    words = [target, f"litert-{fingerprint.runtime}", fingerprint.precision, *([str(size)] if size else [])]
    return layout.baselines / file_name(layout.name) / file_name("--".join(words) + ".json")


def all_numbers(checks: Sequence[GateCheck]) -> dict[str, float]:
    """The numbers of all checks, as `part.tensor.name`; what is not finite is left out, it was refused already."""
    return {
        ".".join(filter(None, (check.part, check.tensor if check.kind == "output" else "", name))): value
        for check in checks
        if check.kind in ("output", "chain")
        for name, value in check.numbers.items()
        if math.isfinite(value)
    }


def baseline_check(
    layout: Layout, fingerprint: Fingerprint, size: int | None, checks: Sequence[GateCheck]
) -> GateCheck:
    """Compare with the recorded numbers; a note where there are none to compare with."""
    path = baseline_path(layout, fingerprint, size)
    where = f"{fingerprint.target} {spoken(fingerprint.runtime)} {fingerprint.precision}"
    if not path.exists():
        return _note(f"none recorded for {where}; `repro gate --update-baseline` records it")
    recorded = fitted_or_none(_Baseline, read_json(path))
    if recorded is None:
        raise BadInput(f"baseline '{path}' is not one; remove it, or record it again with --update-baseline")
    if recorded.parameters != dict(layout.parameters):
        return _note(f"recorded with other parameters ({recorded.parameters}); not compared")
    numbers = all_numbers(checks)
    worse = [text for name, old in recorded.numbers.items() if (text := _worse(name, old, numbers.get(name)))]
    if worse:
        return GateCheck("baseline", "", "", GateAnswer.REFUSED, f"worse than recorded for {where}: {'; '.join(worse)}")
    return GateCheck("baseline", "", "", GateAnswer.PASS, f"{len(recorded.numbers)} numbers no worse than recorded")


def _worse(name: str, old: float, new: float | None) -> str:
    if new is None:
        return f"{name} was {old:.4g} and is not measured now"
    key = name.rpartition(".")[2]
    if key == "chain_snr_db":
        bad = not new >= old - SNR_DROP_DB
    elif key in HIGHER_IS_BETTER:
        bad = not new >= old - SHARE_DROP
    else:
        bad = not new <= old * ERROR_GROWTH
    return f"{name} was {old:.4g}, is {new:.4g}" if bad else ""


def _note(text: str) -> GateCheck:
    return GateCheck("baseline", "", "", GateAnswer.NOTE, text)


def record_baseline(layout: Layout, report: Report) -> Path:
    """Write the numbers of a report as the new baseline. Raises BadInput for a layout that was refused otherwise."""
    refused = [check for check in report.refusals if check.kind != "baseline"]
    if refused or report.fingerprint is None:
        raise BadInput(
            f"no baseline recorded for {report.target} {report.precision}: the layout is refused there"
            f" ({refused[0].reason if refused else 'it did not run'})"
        )
    path = baseline_path(layout, report.fingerprint, report.size)
    fingerprint, numbers = report.fingerprint, all_numbers(report.checks)
    recorded = _Baseline(
        {name: float(f"{value:.6g}") for name, value in numbers.items()},
        dict(layout.parameters),
        fingerprint.adapter,
        fingerprint.driver,
        dict(fingerprint.libraries),
    )
    write_atomically(path, canonical_json(asdict(recorded)))
    return path
