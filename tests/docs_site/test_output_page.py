"""docs/output.md names every field that `--json` writes, and none that nobody writes."""

from __future__ import annotations

import json
import re

import pytest
from click.testing import CliRunner

from repro.cli import main
from repro.records.folders import FINDINGS
from runner.source_version import ROOT

MODEL = str(FINDINGS / "add-output-feeds-reduction" / "models" / "minimal.tflite")
PAGE = (ROOT / "docs" / "output.md").read_text(encoding="utf-8")
MEASURED = {"max_abs", "pearson", "cosine", "psnr", "p99_abs", "rmse", "max_ulp"}
"""Written as `max_abs`, `pearson`, ...: whatever was measured."""


def documented(command: str) -> set[str]:
    """The fields that the page names for a command."""
    heading = next(line for line in PAGE.splitlines() if line.endswith("one object per output.") or command == "lint")
    section = PAGE[PAGE.index("`lint`: one object") :] if command == "lint" else PAGE[PAGE.index(heading) :]
    table = re.search(r"(?:^\|.*\n)+", section, re.M)
    assert table is not None
    rows = [[cell.strip() for cell in line.strip("|\n").split("|")] for line in table[0].splitlines()[2:]]
    mine = [row for row in rows if command == "lint" or row[2] == "all" or f"`{command}`" in row[2]]
    return {name for row in mine for name in re.findall(r"`(\w+)`", row[0])}


@pytest.mark.parametrize(
    "words",
    [
        ["check", MODEL, "--target", "cpu", "--json"],
        ["run", "findings/add-output-feeds-reduction-minimal", "--target", "cpu", "--json"],
        ["lint", MODEL, "--json"],
    ],
    ids=lambda words: words[0],
)
def test_the_page_names_the_fields(words: list[str]):
    result = CliRunner().invoke(main, words, standalone_mode=False)
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert records
    written = {name for record in records for name in record} - MEASURED
    only_partial = {"tensor", "way"} if words[0] == "check" else set()
    assert written == documented(words[0]) - MEASURED - only_partial
