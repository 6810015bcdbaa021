"""Gating the worked example, whole or broken in one place."""

from __future__ import annotations

from pathlib import Path

from repro.layouts.gate import chosen_size, gate
from repro.layouts.layout import Layout
from repro.layouts.reader import read_layout
from repro.layouts.result import Report
from runner.run import Precision

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "two_graphs"


def run_gate(folder: Path, target, name: str = "split.toml") -> Report:
    layout = read_layout(folder / name)
    return gate(layout, target, Precision.FP32, chosen_size(layout, None), lambda text: None)


def refusals(report: Report) -> list[tuple[str, str, str]]:
    return [(check.kind, check.part, check.tensor) for check in report.refusals]


def replace_in(folder: Path, file: str, old: str, new: str) -> None:
    text = (folder / file).read_text(encoding="utf-8")
    assert old in text
    (folder / file).write_text(text.replace(old, new), encoding="utf-8")


def layout_of(folder: Path = EXAMPLE, name: str = "split.toml") -> Layout:
    return read_layout(folder / name)
