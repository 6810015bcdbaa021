"""The picture of all findings is what the evidence says, and the README's is today's."""

from __future__ import annotations

from pathlib import Path

import pytest

from repro.drawings.grid import grid_svg
from repro.findings.grid import findings_grid
from repro.findings.reader import load, slugs
from repro.findings.report_facts import mark
from repro.findings.upstream import host_expectations, reaches_of
from repro.records.folders import FINDINGS
from runner.runtime_version import version_order

README = FINDINGS.parent / "README.md"
PICTURE = FINDINGS.parent / "docs" / "pictures" / "findings.svg"


@pytest.fixture(scope="module")
def grid():
    return findings_grid(reaches_of([load(slug) for slug in slugs()], host_expectations()))


def test_the_picture_in_the_readme_is_what_the_command_draws_today(grid):
    assert f"]({PICTURE.relative_to(README.parent)})" in README.read_text(encoding="utf-8")
    assert PICTURE.read_text(encoding="utf-8") == grid_svg(grid), (
        f"draw it anew: repro finding grid --svg {PICTURE.relative_to(Path(FINDINGS).parent)}"
    )


def test_every_finding_has_a_row_and_every_runtime_of_the_host_its_columns_oldest_first(grid):
    assert sorted(row.name for row in grid.rows) == slugs()
    lavapipe = [column.name for column in grid.columns if column.group == "gpu:lavapipe"]
    assert lavapipe == sorted(lavapipe, key=version_order)
    assert len(lavapipe) > 1
    assert {len(row.cells) for row in grid.rows} == {len(grid.columns)}


@pytest.mark.parametrize("slug", ["add-output-feeds-reduction", "same-operand-aborts", "output-before-elementwise"])
def test_a_cell_is_red_where_the_minimal_model_fails_and_green_where_it_passes(grid, slug):
    finding = load(slug)
    row = next(row for row in grid.rows if row.name == slug)
    for column, cell in zip(grid.columns, row.cells, strict=True):
        marks = [
            mark(record)
            for precision in ("fp32", "fp16")
            for record in finding.evidence_records()
            if (record["case"], record["target"], record["runtime"], record["precision"])
            == (finding.minimal.name, column.group, column.name, precision)
        ]
        expected = ["good" if said == "ok" else "loud" if said == "CRASH" else "bad" for said in marks]
        assert [part.kind for part in cell if part.kind != "empty"] == expected  # PoCL has no fp16
