"""Canonical JSON for what is kept as evidence: equal results give equal bytes, on any machine.

Key insight: two things break byte-identity without a difference in results: the last digits of a
float (summation order) and numbers that JSON does not have. So floats are cut to a fixed number of
significant digits and a NaN or infinity is refused instead of written as something no parser reads.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

from runner.cache import canonical_json

SIGNIFICANT_DIGITS = 6


def canonical(value: Any, digits: int = SIGNIFICANT_DIGITS) -> bytes:
    """UTF-8 JSON with sorted keys, fixed separators, floats of `digits` significant digits.

    Raises ValueError for NaN or infinity, TypeError for what JSON cannot hold.
    """
    return canonical_json(plain(value, digits))


def plain(value: Any, digits: int = SIGNIFICANT_DIGITS) -> Any:
    """The value as JSON will give it back: dicts with string keys, lists, rounded floats."""
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} has no canonical form; leave it out or write null")
        rounded = float(f"{value:.{digits}g}")
        return 0.0 if rounded == 0 else rounded
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise TypeError("JSON keys are strings")
        return {key: plain(item, digits) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, digits) for item in value]
    raise TypeError(f"{type(value).__name__} has no canonical form")


def finite_or_none(value: float | None) -> float | None:
    """JSON has no NaN and no infinity: null stands for "no number"."""
    if value is None or not math.isfinite(value):
        return None
    return value


def is_canonical(data: bytes) -> bool:
    """Whether these bytes are what `canonical` writes for the value they hold."""
    try:
        return canonical(json.loads(data)) == data
    except (ValueError, TypeError):
        return False


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
