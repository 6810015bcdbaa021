"""The `--json` form of verdicts: one object per line, with the fields that design and docs name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from repro.campaigns.campaign import CaseResult
from repro.campaigns.expectations import Comparison
from repro.records.canonical_json import finite_or_none
from repro.verdicts.fitness import Fitness
from repro.verdicts.verdict import Verdict
from runner.encoding import json_text


def verdict_fields(verdict: Verdict) -> dict[str, Any]:
    """The part of a line that is about one verdict, shared by run, check, judge and gate."""
    return {
        "output": verdict.output,
        "name": verdict.name,
        "verdict": str(verdict.status),
        "signature": verdict.signature,
        "holds": verdict.holds,
        "reason": verdict.reason,
        "detail": verdict.detail,
        "pearson": finite_or_none(verdict.metrics.get("pearson")),
        "max_abs": finite_or_none(verdict.metrics.get("max_abs")),
        "floor": verdict.floor,
        "power": finite_or_none(verdict.power),
    }


def result_objects(result: CaseResult) -> Iterator[dict[str, Any]]:
    """One object per output of a CaseResult, with its expectation and fingerprint."""
    comparisons: tuple[Comparison | None, ...] = result.comparisons or (None,) * len(result.verdicts)
    for verdict, comparison in zip(result.verdicts, comparisons, strict=True):
        expectation = comparison.expectation if comparison else None
        yield {
            "case": result.case,
            "target": result.target,
            "adapter": result.adapter,
            "runtime": result.runtime,
            "precision": result.precision,
            **verdict_fields(verdict),
            "expected": comparison.expected if comparison else None,
            "outcome": str(comparison.standing) if comparison else None,
            "finding": expectation.finding if expectation else "",
            "inputs": result.inputs,
            "model_sha256": result.fingerprint["model_sha256"],
            "driver": result.fingerprint["driver"],
            "stages": dict(result.stages),
            "cached": result.cached,
        }


def unfit_object(fitness: Fitness) -> dict[str, Any]:
    """The object behind the lines of a target that fails its controls: which of those lines count for nothing."""
    runtime, target, precision = fitness.cell
    return {"target": target, "runtime": runtime, "precision": precision, "unfit": fitness.as_json()}


def dump(record: Mapping[str, Any]) -> str:
    """One line of printable ASCII, which every parser reads whatever the names in it hold."""
    return json_text(record, sort_keys=True)
