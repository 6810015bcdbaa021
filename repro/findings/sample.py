"""One run of a finding's minimal model in numbers: what people quote, and what a maintainer compares first.

Key insight: the run is taken where the bug is claimed to show. Where it was measured over OpenCL as well, a second run
is taken there, with the newest of LiteRT-LM's releases: what shows over one backend may be refused, or right, over the
other.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from typing import Any

import numpy as np

from repro.findings.finding import Finding
from repro.findings.subject import subject
from repro.matrix.measure import Measured
from repro.matrix.record import EnvironmentRecord
from repro.records.canonical_json import finite_or_none
from repro.verdicts.judge import judge
from runner import targets
from runner.opencl.android_runtime import is_android
from runner.run import Outcome, Precision, Run, unwritten_mask
from runner.runtime_version import Numbering, is_release, numbering, version_order

SHOWN_VALUES = 6


def sample_of(finding: Finding, measured: Measured) -> dict[str, Any]:
    """The minimal model's run where the bug is claimed to show; in fp32 unless the bug is claimed for fp16 only.

    `over_opencl` of it: the same of a run over OpenCL, where there is one and the first is not.
    """
    on_gpu = [e for e in measured.environments if e["target"].startswith("gpu")]
    over_opencl = [e for e in on_gpu if is_android(e["runtime"])]
    first = _shown_in(finding, measured, sorted(on_gpu, key=lambda e: list(Numbering).index(numbering(e["runtime"]))))
    one = _run_in(finding, first)
    if not over_opencl or first in over_opencl:
        return one
    return {**one, "over_opencl": _run_in(finding, _shown_in(finding, measured, over_opencl))}


def _shown_in(finding: Finding, measured: Measured, environments: Sequence[EnvironmentRecord]) -> EnvironmentRecord:
    """The first target on which the minimal model is claimed to show, with the newest release in which it does.

    A nightly only where no release shows it, since a reader installs a release.
    """
    cells = {
        (r["target"], r["runtime"])
        for r in measured.records
        if r["case"] == finding.minimal.name and finding.minimal.where.covers(r) and finding.minimal.claimed(r)
    }
    showing = [e for e in environments if (e["target"], e["runtime"]) in cells] or environments
    return max(
        (e for e in showing if e["target"] == showing[0]["target"]),
        key=lambda e: (is_release(e["runtime"]), version_order(e["runtime"])),
    )


def host_line() -> str:
    """What a report may say of the machine: kind of system, processor and Python; nothing that tells machines apart."""
    try:
        system = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        system = platform.system()
    return f"{system}, {platform.machine()}, Python {platform.python_version()}"


def _run_in(finding: Finding, environment: EnvironmentRecord) -> dict[str, Any]:
    graph = finding.graph(finding.minimal)
    chosen = subject(finding, finding.minimal)
    possible = targets.precisions_for(environment["target"], "both")
    precision = Precision(finding.precision) if finding.precision in possible else Precision.FP32
    with targets.open_target(environment["target"], runtime=environment["runtime"]) as target:
        run = target.run(chosen.job(precision))
    with targets.open_target("cpu", runtime=environment["runtime"]) as cpu:
        healthy = cpu.run(chosen.job(Precision.FP32))
    expected = finding.arrays(finding.minimal, "expected")
    verdicts = {v.output: v for v in judge(run, chosen)}
    outputs = [
        _sample_output(index, name, expected[index], run, healthy, verdicts.get(index, verdicts.get(-1)))
        for index, name in enumerate(graph.outputs)
    ]
    return {
        "target": environment["target"],
        "runtime": environment["runtime"],
        "driver": environment["driver"],
        "precision": str(precision),
        "host": host_line(),
        "outcome": str(run.outcome),
        "message": run.message,
        "outputs": outputs,
    }


def _sample_output(index: int, name: str, expected: np.ndarray, run: Run, healthy: Run, verdict: Any) -> dict[str, Any]:
    """One output in numbers; `actual` is None where the run ended without outputs."""
    actual = run.outputs[0][index] if run.outcome is Outcome.OK else None
    unwritten = int(unwritten_mask(actual).sum()) if actual is not None else 0
    return {
        "output": index,
        "name": name,
        "shape": list(expected.shape),
        "verdict": str(verdict.status),
        "signature": verdict.signature,
        "holds": verdict.holds,
        "expected": _first(expected),
        "actual": _first(actual) if actual is not None else None,
        "cpu": _first(healthy.outputs[0][index]) if healthy.outcome is Outcome.OK else None,
        "elements": int(expected.size),
        "unwritten": unwritten,
        "pearson": finite_or_none(verdict.metrics.get("pearson")),
        "max_abs": finite_or_none(verdict.metrics.get("max_abs")) if not unwritten else None,
    }


def _first(array: np.ndarray) -> list[float | None]:
    return [finite_or_none(float(v)) for v in array.ravel()[:SHOWN_VALUES]]
