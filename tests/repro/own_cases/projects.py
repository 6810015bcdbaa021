"""A project of a user's, with own cases, for tests."""

from __future__ import annotations

from pathlib import Path

from cases.findings.add_output_feeds_reduction import add_reduce
from cases.tflite.write import write_tflite
from repro.records.own_folders import NAME, Folders

LOST = write_tflite(add_reduce())
RIGHT = write_tflite(add_reduce(first="SUB"))

IN_PYTHON = """\
from pathlib import Path

from cases.builder import GraphBuilder
from cases.case import Case

Path(__file__).with_name("it-ran").touch()


def doubled():
    g = GraphBuilder()
    x = g.input("x", (1, 4, 8))
    return g.build(outputs=[g.add(x, x, name="y")])


def cases():
    return [Case("mine/doubled", "mine", "adds an input to itself", graph=doubled)]
"""


def project(root: Path, files: dict[str, str | bytes] | None = None) -> Path:
    """A repro.toml, and files in the folder of own cases; returns that folder."""
    folder = root / Folders.cases
    folder.mkdir(parents=True)
    (root / NAME).write_text("", encoding="utf-8")
    for name, data in (files or {}).items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data if isinstance(data, bytes) else data.encode())
    return folder
