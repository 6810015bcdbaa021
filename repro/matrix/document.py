"""What is stored of a matrix, and reading it back. Pure.

Key insight: nearly all outputs of nearly all cells pass, so only what does not pass is written out;
everything that is the same for all cells of a model or of an environment is written once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from repro.verdicts.verdict import Status

Record = Mapping[str, Any]
FORMAT = 1
_OF_MODEL = ("control_of", "model_sha256")
_OF_ENVIRONMENT = ("adapter", "driver", "libraries", "device")


def to_document(
    records: Sequence[Record],
    environments: Sequence[Mapping[str, Any]],
    unavailable: Sequence[Mapping[str, str]],
) -> dict[str, Any]:
    """Plain data for `repro.canonical.canonical`; `from_document` gives the records back."""
    models: dict[str, dict[str, Any]] = {}
    for record in records:
        names = [o["name"] for o in record["outputs"] if o["output"] >= 0]
        known = models.setdefault(record["case"], {**{k: record[k] for k in _OF_MODEL}, "outputs": names})
        if len(names) > len(known["outputs"]):
            known["outputs"] = names
    return {
        "format": FORMAT,
        "environments": sorted(environments, key=lambda e: (e["target"], e["runtime"])),
        "unavailable": sorted(unavailable, key=lambda e: (e["target"], e["runtime"])),
        "models": models,
        "cells": [_cell(record) for record in records],
    }


def _cell(record: Record) -> dict[str, Any]:
    bad = [{k: v for k, v in o.items() if v != ""} for o in record["outputs"] if o["verdict"] != Status.PASS]
    kept = {k: record[k] for k in ("case", "runtime", "target", "precision", "fully_accelerated")}
    return {**kept, "bad": bad} if bad else kept


def from_document(document: Mapping[str, Any]) -> list[Record]:
    """The records of a stored matrix, as `repro.matrix.measure` gave them. Raises KeyError for another format."""
    environments = {(e["target"], e["runtime"]): e for e in document["environments"]}
    records: list[Record] = []
    for cell in document["cells"]:
        model = document["models"][cell["case"]]
        bad = {o["output"]: {"name": "", "signature": "", "holds": "", "reason": "", **o} for o in cell.get("bad", [])}
        outputs = [bad[-1]] if -1 in bad else [bad.get(i, _passed(i, n)) for i, n in enumerate(model["outputs"])]
        environment = environments[cell["target"], cell["runtime"]]
        records.append(
            {
                **{k: v for k, v in cell.items() if k != "bad"},
                **{k: model[k] for k in _OF_MODEL},
                **{k: environment[k] for k in _OF_ENVIRONMENT},
                "outputs": outputs,
            }
        )
    return records


def _passed(index: int, name: str) -> dict[str, Any]:
    return {"output": index, "name": name, "verdict": str(Status.PASS), "signature": "", "holds": "", "reason": ""}
