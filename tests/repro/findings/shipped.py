"""A shipped finding for tests that spoil one."""

from __future__ import annotations

from pathlib import Path

from repro.findings.finding import MANIFEST, Finding
from repro.findings.reader import load

ONE = "add-output-feeds-reduction"


def bounded(copy: Path, limits: str) -> Finding:
    """The shipped finding with a range in its finding.toml."""
    path = copy / ONE / MANIFEST
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("seed = 0", f"seed = 0\n{limits}", 1), encoding="utf-8")
    return load(ONE, copy)
