"""What is stored of a matrix, and reading it back. Pure.

Key insight: nearly all outputs of nearly all cells pass, so only what does not pass is written out;
everything that is the same for all cells of a model or of an environment is written once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from repro.matrix.record import CellRecord, EnvironmentRecord, OutputRecord
from repro.verdicts.verdict import Status

FORMAT = 1


def to_document(
    records: Sequence[CellRecord],
    environments: Sequence[EnvironmentRecord],
    unavailable: Sequence[Mapping[str, str]],
) -> dict[str, Any]:
    """Plain data for `repro.records.canonical_json.canonical`; `from_document` gives the records back."""
    models: dict[str, dict[str, Any]] = {}
    for record in records:
        names = [o["name"] for o in record["outputs"] if o["output"] >= 0]
        of_model = {"control_of": record["control_of"], "model_sha256": record["model_sha256"], "outputs": names}
        known = models.setdefault(record["case"], of_model)
        if len(names) > len(known["outputs"]):
            known["outputs"] = names
    return {
        "format": FORMAT,
        "environments": sorted(environments, key=lambda e: (e["target"], e["runtime"])),
        "unavailable": sorted(unavailable, key=lambda e: (e["target"], e["runtime"])),
        "models": models,
        "cells": [_cell(record) for record in records],
    }


def _cell(record: CellRecord) -> dict[str, Any]:
    bad = [{k: v for k, v in o.items() if v != ""} for o in record["outputs"] if o["verdict"] != Status.PASS]
    kept = {
        "case": record["case"],
        "runtime": record["runtime"],
        "target": record["target"],
        "precision": record["precision"],
        "fully_accelerated": record["fully_accelerated"],
    }
    return {**kept, "bad": bad} if bad else kept


def from_document(document: Mapping[str, Any]) -> list[CellRecord]:
    """The records of a stored matrix, as `repro.matrix.measure` gave them. Raises KeyError for another format."""
    environments = {(e["target"], e["runtime"]): e for e in document["environments"]}
    records: list[CellRecord] = []
    for cell in document["cells"]:
        model = document["models"][cell["case"]]
        bad: dict[int, OutputRecord] = {o["output"]: _whole(o) for o in cell.get("bad", [])}
        outputs = [bad[-1]] if -1 in bad else [bad.get(i, _passed(i, n)) for i, n in enumerate(model["outputs"])]
        environment = environments[cell["target"], cell["runtime"]]
        records.append(
            {
                "case": cell["case"],
                "control_of": model["control_of"],
                "runtime": cell["runtime"],
                "target": cell["target"],
                "adapter": environment["adapter"],
                "driver": environment["driver"],
                "libraries": environment["libraries"],
                "device": environment["device"],
                "precision": cell["precision"],
                "model_sha256": model["model_sha256"],
                "fully_accelerated": cell["fully_accelerated"],
                "outputs": outputs,
            }
        )
    return records


def _passed(index: int, name: str) -> OutputRecord:
    return {"output": index, "name": name, "verdict": Status.PASS, "signature": "", "holds": "", "reason": ""}


def _whole(written: Mapping[str, Any]) -> OutputRecord:
    """An output that did not pass, with the empty fields that are not written out."""
    return cast(OutputRecord, {"name": "", "signature": "", "holds": "", "reason": "", **written})
