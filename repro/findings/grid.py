"""All findings over all runtimes and drivers as one grid, out of their sealed evidence. Pure but for reading it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from repro.drawings.grid import Column, Grid, GridRow, Part
from repro.findings.finding import Finding
from repro.findings.reach import Reach
from repro.matrix.record import RowCell
from repro.matrix.rows import PASSES, UNCLEAR, rows_of
from runner.run import Precision
from runner.runtime_version import version_order

MARKS = {
    "unwritten": "U",
    "alias": "A",
    "stale": "S",
    "constant": "C",
    "nonfinite": "N",
    "uncompiled": "X",
    "wrong": "W",
}
"""The letter of each signature."""
LEGEND = {
    "left": "fp32",
    "right": "fp16",
    "U": "never written",
    "A": "another tensor",
    "S": "stale memory",
    "C": "a constant",
    "N": "not finite",
    "X": "a shader did not compile",
    "W": "other wrong values",
    "!": "the process ends",
    "R": "refused aloud",
    "?": "the control fails too",
    "-": "as it should be",
}


PRESENTED = "@NAME"


def findings_grid(reaches: Sequence[Reach]) -> Grid:
    """The findings of root causes, in their order: where the minimal model of each fails, and as what.

    A column is a target with a runtime in which at least half of the findings were measured.
    """
    findings = [finding for reach in reaches for finding in reach.members]
    cells = {finding.slug: _cells(finding) for finding in findings}
    measured = Counter(place for slug in cells for place in {(c["target"], c["runtime"]) for c in cells[slug]})
    places = sorted(
        (place for place, count in measured.items() if 2 * count >= len(findings)),
        key=lambda place: (place[0].startswith("gpu:") and "@" in place[0], place[0], version_order(place[1])),
    )
    rows: list[GridRow] = []
    for reach in reaches:
        for number, finding in enumerate(reach.members):
            filled = tuple(_parts(cells[finding.slug], target, runtime) for target, runtime in places)
            rows.append(GridRow(finding.slug, filled, apart=number == 0 and bool(rows)))
    title = f"{len(findings)} findings by root cause, on each driver with each LiteRT: where the GPU delegate is wrong"
    presented = {PRESENTED: "presented under another name"} if any("@" in target for target, _ in places) else {}
    columns = tuple(Column(runtime, target) for target, runtime in places)
    return Grid(title, columns, tuple(rows), LEGEND | presented, parts=len(Precision))


def _cells(finding: Finding) -> list[RowCell]:
    """Of all outputs of the minimal model what each cell says, a failing one where there is one."""
    on_gpu = [r for r in finding.evidence_records() if not r["target"].startswith("cpu")]
    found: dict[tuple[str, str, str], RowCell] = {}
    for row in rows_of(on_gpu):
        if row["case"] == finding.minimal.name:
            for cell in row["cells"]:
                place = (cell["target"], cell["runtime"], cell["precision"])
                if place not in found or found[place]["state"] == PASSES:
                    found[place] = cell
    return list(found.values())


def _parts(cells: Sequence[RowCell], target: str, runtime: str) -> tuple[Part, ...]:
    here = {c["precision"]: c for c in cells if (c["target"], c["runtime"]) == (target, runtime)}
    return tuple(_part(here[precision]) if precision in here else Part("empty") for precision in Precision if here)


def _part(cell: RowCell) -> Part:
    if cell["state"] == PASSES:
        return Part("good", "-")
    if cell["state"] == UNCLEAR:
        return Part("unclear", "?")
    status, _, signature = cell["said"].partition(" ")
    if status != "FAIL":
        return Part("unclear", "R") if status in ("REFUSED", "NOT_RESIDENT") else Part("loud", "!")
    return Part("bad", MARKS[signature.partition("(")[0]])
