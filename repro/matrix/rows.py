"""The answer of a matrix, row by row: in which cells a failure shows, since when, fixed where. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from repro.matrix.record import CellRecord, Row, RowCell, Story, cell_of
from repro.records.lines import counted
from repro.verdicts.fitness import Fitness
from repro.verdicts.verdict import Status
from runner.runtime_version import Numbering, numbering, version_order

SHOWS = "shows"
PASSES = "passes"
UNCLEAR = "unclear"
"""A control failed in the same cell, or the target fails its own, so the environment may be what is broken."""


def rows_of(
    records: Sequence[CellRecord], unfit: Mapping[tuple[str, str, str], Fitness] = MappingProxyType({})
) -> list[Row]:
    """One row for each output that fails anywhere, or one for the whole model where none does. Controls have none.

    unfit: the cells of targets that fail their controls.
    """
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
            cells = [
                _cell(record, index, controls.get((case, cell_of(record)), []), unfit.get(cell_of(record)))
                for record in members
            ]
            name = "" if index is None else failing[index]
            rows.append({"case": case, "output": index, "name": name, **story(cells)})
    return rows


def _cell(record: CellRecord, index: int | None, controls: Sequence[CellRecord], unfit: Fitness | None) -> RowCell:
    runtime, target, precision = cell_of(record)
    outputs = [o for o in record["outputs"] if index is None or o["output"] in (index, -1)]
    bad = [o for o in outputs if o["verdict"] != Status.PASS]
    sick = [c["case"] for c in controls if any(o["verdict"] != Status.PASS for o in c["outputs"])]
    sick += [one.case for one in unfit.failed if one.case not in sick] if unfit else []
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
    unclear = [c for c in cells if c["state"] == UNCLEAR]
    axes = [_Axis.of(members) for members in _by_numbering(cells)]
    telling = next((axis for axis in axes if axis.showing), axes[0])
    return {
        "cells": list(cells),
        "since": telling.since,
        "since_oldest": bool(telling.showing) and telling.since == telling.order[0],
        "fixed_in": telling.fixed,
        "unclear": len(unclear),
        "sentence": _sentence(cells, axes, unclear),
    }


def _by_numbering(cells: Sequence[RowCell]) -> list[list[RowCell]]:
    """The cells of LiteRT's runtimes, of LiteRT-LM's and of LiteRT.js's: none is older than another's."""
    groups = [[c for c in cells if numbering(c["runtime"]) is one] for one in Numbering]
    return [group for group in groups if group] or [[]]


@dataclass(frozen=True)
class _Axis:
    """The runtimes of one numbering, oldest first: all that were measured, and those in which it shows."""

    order: tuple[str, ...]
    showing: tuple[str, ...]
    fixed: str

    @classmethod
    def of(cls, cells: Sequence[RowCell]) -> _Axis:
        order = sorted({c["runtime"] for c in cells}, key=version_order)
        showing = sorted({c["runtime"] for c in cells if c["state"] == SHOWS}, key=version_order)
        later = order[order.index(showing[-1]) + 1 :] if showing else []
        clean = [v for v in later if all(c["state"] == PASSES for c in cells if c["runtime"] == v)]
        return cls(tuple(order), tuple(showing), clean[0] if clean else "")

    @property
    def since(self) -> str:
        return self.showing[0] if self.showing else ""

    def words(self) -> list[str]:
        """Since when, and fixed where."""
        if not self.showing:
            return [f"in none of {', '.join(self.order)}"]
        first, last = (self.order.index(self.showing[end]) for end in (0, -1))
        every = "every runtime" if self.order[first : last + 1] == self.showing else f"{len(self.showing)} runtimes"
        oldest = " (the oldest measured)" if first == 0 else ""
        fixed = f"fixed in {self.fixed}" if self.fixed else f"not fixed in {self.showing[-1]}"
        return [f"in {every} since {self.since}{oldest}", fixed]


def _sentence(cells: Sequence[RowCell], axes: Sequence[_Axis], unclear: Sequence[RowCell]) -> str:
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
        for axis in axes:
            said += axis.words()
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
