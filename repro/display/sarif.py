"""SARIF 2.1.0, the format that code-scanning services show beside a change: what any of our commands puts into a log.

Key insight: a .tflite has no lines, so a result points at the file as a whole and names the tensor as
a logical location; line 1 is given because annotators drop results without a region. A service places a file by its
path from the root of the repository, so that is what a URI says, with a base that is named and not told: where the
repository lay on the machine that ran it is nobody's business. A test holds the log to OASIS's schema.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from runner.encoding import sarif_message
from runner.installation import DISTRIBUTION, own_version

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
BASE = "%SRCROOT%"
"""Stands for the root of the repository in each URI."""


def repository_root(start: Path) -> Path:
    """The nearest folder upwards with a `.git`; where there is none, the folder itself."""
    start = start.absolute()
    return next((one for one in (start, *start.parents) if (one / ".git").exists()), start)


def log_of(
    command: str,
    rules: Sequence[dict[str, Any]],
    models: Sequence[Path],
    results: Sequence[dict[str, Any]],
    *,
    root: Path | None = None,
) -> dict[str, Any]:
    """One SARIF log of one run of a command.

    rules: SARIF's reportingDescriptors. results: what `result` makes, each for a place in `models`. root: of the
    repository, by default that of the working directory.
    """
    root = root if root is not None else repository_root(Path.cwd())
    locations = [_artifact_location(path, root) for path in models]
    for one in results:
        for location in one["locations"]:
            place = location["physicalLocation"]["artifactLocation"]
            place |= locations[place["index"]]
            for logical in location.get("logicalLocations", ()):
                logical["fullyQualifiedName"] = f"{place['uri']}::{logical['name']}"
    driver = {
        "name": f"{DISTRIBUTION} {command}",
        "version": own_version(),
        "semanticVersion": own_version(),
        "rules": list(rules),
    }
    run: dict[str, Any] = {
        "tool": {"driver": driver},
        "artifacts": [{"location": location} for location in locations],
        "results": list(results),
        "columnKind": "utf16CodeUnits",
    }
    if any("uriBaseId" in location for location in locations):
        run["originalUriBaseIds"] = {BASE: {"description": {"text": "The root of the repository."}}}
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def result(
    rule: str,
    rule_index: int,
    level: str,
    message: str,
    *,
    model: int,
    tensor: str,
    matched: Sequence[str],
    properties: dict[str, Any],
) -> dict[str, Any]:
    """One result.

    model: place of its file among the log's. tensor: empty where the whole model is meant. matched: what makes the
    same result of two runs the same.
    """
    location: dict[str, Any] = {
        "physicalLocation": {"artifactLocation": {"index": model}, "region": {"startLine": 1}},
    }
    if tensor:
        location["logicalLocations"] = [{"name": tensor, "kind": "object"}]
    digest = hashlib.sha256("\0".join(matched).encode("utf-8", "surrogatepass")).hexdigest()
    return {
        "ruleId": rule,
        "ruleIndex": rule_index,
        "level": level,
        "message": {"text": sarif_message(message)},
        "locations": [location],
        "partialFingerprints": {"tensorRule/v1": digest},
        "properties": properties,
    }


def rule_name(identifier: str) -> str:
    """SARIF's name of a rule: `wrong-output` as `WrongOutput`."""
    return "".join(word.capitalize() for word in identifier.split("-"))


def _artifact_location(path: Path, root: Path) -> dict[str, Any]:
    """Relative to the root of the repository where the file is in it, else a file URI."""
    absolute = PurePosixPath(os.path.normpath(path.absolute()))
    if absolute.is_relative_to(root):
        return {"uri": quote(os.fsencode(absolute.relative_to(root).as_posix())), "uriBaseId": BASE}
    return {"uri": absolute.as_uri()}
