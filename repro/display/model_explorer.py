"""Errors and hazards per tensor as custom node data of Model Explorer, which draws them onto the graph.

Key insight: its node data is keyed by the name of any output tensor of a node, and a .tflite has the very names that
we judge by. A number says how large the error is, and the colour what the judge says of it, since one limit for all
tensors would say neither. The format is that of the package's node_data_builder; a .tflite's first graph is `main`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from repro.hazards.hazard import Hazard, Level
from repro.trials.taps import TapReport
from repro.verdicts.verdict import Status, Verdict
from runner.cache import write_atomically
from runner.encoding import json_text

GRAPH = "main"
GOOD, BAD, UNCLEAR, NOTHING = "#b4e6c1", "#ff9c94", "#ffdf8a", "#d8dee4"
TEXT = "#1f2328"
NOT_FINITE = 3.4e38
"""Stands for an error that is not finite: JSON has no such number."""


def errors(verdicts: Iterable[Verdict], taps: TapReport | None, name: str) -> dict[str, Any]:
    """Node data of a check: the largest error of each output, and of each tensor that was exposed.

    A tensor whose exposure hid the failure is grey: what it was then says nothing of what it is.
    """
    results: dict[str, Any] = {}
    for tap in taps.taps if taps is not None else ():
        results[tap.name] = _result(_number(tap.max_abs), _colour(tap.status) if tap.survived else NOTHING)
    for verdict in verdicts:
        if verdict.output >= 0:
            results[verdict.name] = _result(_number(verdict.metrics.get("max_abs")), _colour(verdict.status))
    return {GRAPH: {"name": name, "results": results}}


def hazards(found: Iterable[Hazard], name: str) -> dict[str, Any]:
    """Node data of a lint: the rule of each tensor that one matches; of several the hazard before the risk."""
    results: dict[str, Any] = {}
    for hazard in sorted(found, key=lambda each: each.level is not Level.HAZARD):
        colour = BAD if hazard.level is Level.HAZARD else UNCLEAR
        results.setdefault(hazard.tensor, _result(f"{hazard.level} {hazard.rule}", colour))
    return {GRAPH: {"name": name, "results": results, "showExpandedSummaryOnGroupNode": True}}


def write_node_data(path: Path, data: Mapping[str, Any]) -> None:
    """Write what Model Explorer reads as node data. Raises Unwritable."""
    write_atomically(path, (json_text(data, indent=1) + "\n").encode())


def _result(value: float | str, colour: str) -> Mapping[str, Any]:
    return {"value": value, "bgColor": colour, "textColor": TEXT}


def _number(error: float | None) -> float:
    return error if error is not None and math.isfinite(error) else NOT_FINITE


def _colour(status: Status) -> str:
    return {Status.PASS: GOOD, Status.INVALID: UNCLEAR}.get(status, BAD)
