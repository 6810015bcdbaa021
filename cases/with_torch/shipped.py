"""Conversions of the catalogue's torch cases that travel with a wheel, so that a run of it needs no torch.

Key insight: what a conversion is made from (the case's name, seed, shapes and source) is known without the converter,
so an installed wheel finds its own conversions by that, and a changed case finds none. `make dist` writes them with
`python -m cases.shipping`; git knows nothing of them.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from cases.case import Case

FOLDER = Path(__file__).resolve().parents[1] / "shipped"


def shipped_path(case: Case, parts: tuple[str, ...], folder: Path = FOLDER) -> Path:
    """Where a shipped conversion of this case lies. parts: what it is made from, as text."""
    key = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]
    return folder / f"{case.name.replace('/', '--')}-{key}.tflite"
