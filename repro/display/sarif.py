"""Lint results as SARIF 2.1.0, the format that code-scanning services show beside a change.

Key insight: a .tflite has no lines, so a result points at the file as a whole and names the tensor as
a logical location; line 1 is given because annotators drop results without a region. A test holds the log to
OASIS's schema.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from repro.hazards.hazard import Hazard, Level, Rule
from repro.hazards.rules import RULES
from runner.encoding import sarif_message

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
LEVELS = {Level.HAZARD: "error", Level.RISKY: "warning"}


def sarif_log(results: Iterable[tuple[str, Sequence[Hazard]]], version: str) -> dict[str, Any]:
    """One SARIF log of one run over several models.

    results: (path of the model as given, its hazards and risks). version: of this tool.
    """
    rules = list(RULES.values())
    positions = {rule.id: index for index, rule in enumerate(rules)}
    entries: list[dict[str, Any]] = []
    artifacts: list[dict[str, Any]] = []
    for index, (path, hazards) in enumerate(results):
        artifacts.append({"location": {"uri": _uri(path)}})
        entries += [_result(hazard, path, index, positions[hazard.rule]) for hazard in hazards]
    driver = {
        "name": "mali-delegate-repro lint",
        "version": version,
        "semanticVersion": version,
        "rules": [_rule(rule) for rule in rules],
    }
    run = {"tool": {"driver": driver}, "artifacts": artifacts, "results": entries, "columnKind": "utf16CodeUnits"}
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _uri(path: str) -> str:
    """A relative path as a URI reference, an absolute one as a file URI."""
    pure = PurePath(path)
    return pure.as_uri() if pure.is_absolute() else quote(os.fsencode(pure.as_posix()))


def _rule(rule: Rule) -> dict[str, Any]:
    described: dict[str, Any] = {
        "id": rule.id,
        "name": "".join(word.capitalize() for word in rule.id.split("-")),
        "shortDescription": {"text": rule.pattern},
        "fullDescription": {"text": rule.message.replace("{", "<").replace("}", ">")},
        "help": {"text": rule.advice.replace("{", "<").replace("}", ">")},
        "defaultConfiguration": {"level": LEVELS[rule.level]},
        "properties": {"runtimes": rule.runtimes, "where": rule.where, "finding": rule.finding},
    }
    if rule.upstream:
        described["helpUri"] = rule.upstream
    return described


def _result(hazard: Hazard, path: str, artifact: int, rule: int) -> dict[str, Any]:
    physical = {"artifactLocation": {"uri": _uri(path), "index": artifact}, "region": {"startLine": 1}}
    logical = [{"name": hazard.tensor, "kind": "object", "fullyQualifiedName": f"{path}::{hazard.tensor}"}]
    matched = f"{hazard.rule}\0{hazard.tensor}\0{hazard.consumer}".encode("utf-8", "surrogatepass")
    digest = hashlib.sha256(matched).hexdigest()
    return {
        "ruleId": hazard.rule,
        "ruleIndex": rule,
        "level": LEVELS[hazard.level],
        "message": {"text": sarif_message(f"{hazard.message}. {hazard.fix}")},
        "locations": [{"physicalLocation": physical, "logicalLocations": logical}],
        "partialFingerprints": {"tensorRule/v1": digest},
        "properties": {
            "output": hazard.output,
            "affectedOutputs": list(hazard.affected),
            "producer": hazard.producer,
            "consumer": hazard.consumer,
        },
    }
