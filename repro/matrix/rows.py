"""The answer of a matrix, row by row: in which cells a failure shows, since when, fixed where. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from repro.matrix.record import CellRecord, Row, RowCell, Story
from repro.records.lines import counted
from repro.verdicts.verdict import Status
from runner.runtime_version import version_order

SHOWS = "shows"
PASSES = "passes"
UNCLEAR = "unclear"
"""A control failed in the same cell, so the environment may be what is broken."""


def rows_of(records: Sequence[CellRecord]) -> list[Row]:
    """One row for each output that fails anywhere, or one for the whole model where none does. Controls have none."""
    by_case: dict[str, list[CellRecord]] = {}
    controls: dict[tuple[str, tuple[str, str, str]], list[CellRecord]] = {}
    for record in records:
        if record["control_of"]:
            controls.setdefault((record["control_of"], cell_of(record)), []).append(record)
        else:
            by_case.setdefault(record["case"], []).append(record)
    rows: list[Row] = []
    for case, members in by_case.items():
        failing: dict[int, str] = {}
        for record in members:
            for output in record["outputs"]:
                if output["verdict"] != Status.PASS:
                    failing.setdefault(output["output"], output["name"])
        chosen: list[int | None] = [*sorted(failing)] or [None]
        for index in chosen:
            cells = [_cell(record, index, controls.get((case, cell_of(record)), [])) for record in members]
            name = "" if index is None else failing[index]
            rows.append({"case": case, "output": index, "name": name, **story(cells)})
    return rows


def cell_of(record: CellRecord) -> tuple[str, str, str]:
    return (record["runtime"], record["target"], record["precision"])


def _cell(record: CellRecord, index: int | None, controls: Sequence[CellRecord]) -> RowCell:
    runtime, target, precision = cell_of(record)
    outputs = [o for o in record["outputs"] if index is None or o["output"] in (index, -1)]
    bad = [o for o in outputs if o["verdict"] != Status.PASS]
    sick = [c["case"] for c in controls if any(o["verdict"] != Status.PASS for o in c["outputs"])]
    state = PASSES
    if bad:
        state = UNCLEAR if sick else SHOWS
    return {
        "runtime": runtime,
        "target": target,
        "precision": precision,
        "state": state,
        "said": f"{bad[0]['verdict']} {bad[0]['signature']}".strip() if bad else "PASS",
        "controls": len(controls),
        "failing_controls": sick,
    }


def story(cells: Sequence[RowCell]) -> Story:
    """The cells with what they say together."""
    order = sorted({c["runtime"] for c in cells}, key=version_order)
    showing = sorted({c["runtime"] for c in cells if c["state"] == SHOWS}, key=version_order)
    unclear = [c for c in cells if c["state"] == UNCLEAR]
    since = showing[0] if showing else ""
    fixed = ""
    if showing:
        later = order[order.index(showing[-1]) + 1 :]
        clean = [v for v in later if all(c["state"] == PASSES for c in cells if c["runtime"] == v)]
        fixed = clean[0] if clean else ""
    return {
        "cells": list(cells),
        "since": since,
        "since_oldest": bool(showing) and since == order[0],
        "fixed_in": fixed,
        "unclear": len(unclear),
        "sentence": _sentence(cells, order, showing, fixed, unclear),
    }


def _sentence(
    cells: Sequence[RowCell],
    order: Sequence[str],
    showing: Sequence[str],
    fixed: str,
    unclear: Sequence[RowCell],
) -> str:
    said: list[str] = []
    shown = [c for c in cells if c["state"] == SHOWS]
    if not shown:
        passing = f"passes in all {counted(len(cells), 'cell')}"
        said.append(passing if not unclear else "shows in no cell whose controls pass")
    else:
        said.append(f"shows in {len(shown)} of {counted(len(cells), 'cell')}")
        whole = _differs(cells, shown)
        if whole:
            said.append(whole)
        gaps = [v for v in order if order.index(showing[0]) <= order.index(v) <= order.index(showing[-1])]
        every = "every runtime" if gaps == list(showing) else counted(len(showing), "runtime")
        oldest = " (the oldest measured)" if showing[0] == order[0] else ""
        said.append(f"in {every} since {showing[0]}{oldest}")
        said.append(f"fixed in {fixed}" if fixed else f"not fixed in {showing[-1]}")
    if unclear:
        where = ", ".join(sorted({f"{c['runtime']} {c['target']}" for c in unclear}))
        said.append(f"{counted(len(unclear), 'cell')} cannot tell, a control fails there too ({where})")
    return "; ".join(said)


def _differs(cells: Sequence[RowCell], shown: Sequence[RowCell]) -> str:
    """Which target or precision decides, where one does: `only on gpu:lavapipe`, `only in fp16`."""
    only: list[str] = []
    for word, everywhere, here in (
        ("on", {c["target"] for c in cells}, {c["target"] for c in shown}),
        ("in", {c["precision"] for c in cells}, {c["precision"] for c in shown}),
    ):
        if here != everywhere:
            only.append(f"only {word} {', '.join(sorted(here))}")
    return " ".join(only)


def has_unclear(rows: Iterable[Row]) -> bool:
    return any(row["unclear"] for row in rows)
