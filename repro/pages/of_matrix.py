"""The page of `repro matrix`: in which runtimes, on which drivers, in which precision each output fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from repro.matrix.record import CellRecord, EnvironmentRecord, RowCell
from repro.matrix.record import Row as MatrixRow
from repro.matrix.rows import PASSES, UNCLEAR, version_order
from repro.pages.page import Command, Page, Row, Section, Table, Text
from repro.records.lines import Tone, counted
from runner.runtime_version import spoken


def matrix_page(
    rows: Sequence[MatrixRow],
    records: Sequence[CellRecord],
    environments: Sequence[EnvironmentRecord],
    unavailable: Sequence[Mapping[str, str]],
    command: str,
) -> Page:
    """rows: of `rows_of(records)`."""
    showing = [row for row in rows if row["since"]]
    unclear = sum(bool(row["unclear"]) for row in rows)
    order = sorted({record["runtime"] for record in records}, key=version_order)
    where = counted(len(environments), "environment")
    said = f"{len(showing)} of {counted(len(rows), 'output')} wrong somewhere in {where}"
    answers = [Text(said, Tone.BAD if showing else Tone.GOOD)]
    if unclear:
        answers.append(Text(f"{unclear} have cells that cannot tell: a control fails there too", Tone.WARN))
    answers += [
        Text(f"not available: {gone['target']} with {spoken(gone['runtime'])}: {gone['reason']}", Tone.WARN)
        for gone in unavailable
    ]
    # Those that show in the newest runtime first: they are not fixed.
    ordered = sorted(rows, key=lambda row: (not row["since"], bool(row["fixed_in"])))
    table = Table(
        "Outputs by target and precision, over the runtimes; what is not fixed first",
        ("case", "output", "where", *order, "answer"),
        tuple(line for row in ordered for line in _lines(row, order)),
        ("case", "state", "target", "precision"),
    )
    sections = [
        Section("Cells", (table,)),
        Section("Environments", (environments_table(environments),)),
        Section("Again", (Command("This page is made by", command),)),
    ]
    return Page("repro matrix", answers, sections)


def environments_table(environments: Sequence[EnvironmentRecord]) -> Table:
    """What each environment really was."""
    rows = (
        Row(
            (
                Text(e["target"]),
                Text(e["runtime"]),
                Text(e["adapter"] or "none"),
                Text(e["driver"] or "none"),
                Text(", ".join(f"{name} {digest[:16]}" for name, digest in sorted(e["libraries"].items()))),
                Text(", ".join(f"{name} {what}" for name, what in sorted(e["device"].items())) or "this host"),
            )
        )
        for e in environments
    )
    columns = ("target", "LiteRT", "adapter", "driver", "libraries (sha256)", "device")
    return Table("Environments, as they were found", columns, tuple(rows))


def _lines(row: MatrixRow, order: Sequence[str]) -> list[Row]:
    places: dict[tuple[str, str], dict[str, RowCell]] = {}
    for cell in row["cells"]:
        places.setdefault((cell["target"], cell["precision"]), {})[cell["runtime"]] = cell
    output = f"{row['output']} {row['name']}" if row["output"] is not None and row["output"] >= 0 else "all"
    lines = []
    for (target, precision), cells in places.items():
        marks = tuple(_mark(cells.get(version)) for version in order)
        state = "fails" if any(c["state"] not in (PASSES, UNCLEAR) for c in cells.values()) else "passes"
        if any(c["state"] == UNCLEAR for c in cells.values()):
            state = "cannot tell"
        cells_of_row = (Text(row["case"]), Text(output), Text(f"{target} {precision}"), *marks, Text(row["sentence"]))
        lines.append(Row(cells_of_row, (row["case"], state, target, precision)))
    return lines


def _mark(cell: RowCell | None) -> Text:
    if cell is None:
        return Text("not measured", Tone.ASIDE)
    if cell["state"] == PASSES:
        return Text("pass", Tone.GOOD)
    if cell["state"] == UNCLEAR:
        return Text("unclear", Tone.WARN)
    return Text(cell["said"], Tone.BAD)
