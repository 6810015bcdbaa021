"""A history for people (lines) and for programs (JSON lines)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from repro.changes.history import History, HistoryCell, HistoryRow
from repro.records.lines import Line, Tone, counted, line


def lines(history: History) -> Iterator[Line]:
    """A line per finding or output, a column per run or runtime, and a last line that counts."""
    if history.rows:
        yield from _grid(history)
    yield conclusion(history)


def _grid(history: History) -> Iterator[Line]:
    names = ["finding, or output", *(row.name for row in history.rows)]
    targets = ["target", *(row.target for row in history.rows)]
    name_width, target_width = max(map(len, names)), max(map(len, targets))
    widths = [max(len(column), 7) for column in history.columns]
    heads = "".join(f"  {column:>{width}}" for column, width in zip(history.columns, widths, strict=True))
    yield line((f"{names[0]:{name_width}}  {targets[0]:{target_width}}{heads}", Tone.ASIDE))
    for row in history.rows:
        marks = [(f"  {mark_of(one):>{width}}", tone_of(one)) for one, width in zip(row.cells, widths, strict=True)]
        yield line(f"{row.name:{name_width}}  {row.target:{target_width}}", *marks, f"  {story(row)}")
    if any(history.seconds):
        took = ("-" if one is None else f"{1000 * one:.0f} ms" for one in history.seconds)
        times = "".join(f"  {one:>{width}}" for one, width in zip(took, widths, strict=True))
        yield line((f"{'median time of a case':{name_width}}  {'':{target_width}}{times}", Tone.ASIDE))


def mark_of(one: HistoryCell) -> str:
    """`12/12`: how many of the outputs fail; `ok` where none does, `-` where none was measured."""
    return f"{one.failing}/{one.measured}" if one.failing else "ok" if one.measured else "-"


def tone_of(one: HistoryCell) -> Tone:
    return Tone.BAD if one.failing else Tone.GOOD if one.measured else Tone.ASIDE


def story(row: HistoryRow) -> str:
    """`FAIL stale since 2.1.3`, `gone in 2.1.6`, `flaky, fails in 40 % of repeated runs`."""
    kinds = list(dict.fromkeys(said for one in row.cells for said in one.said))
    words = [", ".join(kinds)]
    words.append(f"since {row.since}" if row.since else f"gone in {row.gone}")
    if row.flaky is not None:
        words.append(f"flaky: fails in {row.flaky:.0%} of repeated runs".replace("%", " %"))
    return "; ".join(words)


def conclusion(history: History) -> Line:
    failing, flaky = len(history.failing_now), len(history.flaky)
    findings = len({row.finding for row in history.failing_now if row.finding})
    unexplained = sum(not row.finding for row in history.failing_now)
    said = f"{counted(len(history.columns), str(history.by))}: "
    verb = "shows" if findings == 1 else "show"
    now = f"{counted(findings, 'finding')} {verb} now, {unexplained} more without a finding"
    gone = len(history.rows) - failing
    return line(said, (now, Tone.BAD if unexplained else Tone.HEAD), f", {gone} gone, {flaky} flaky")


def json_objects(history: History) -> Iterator[Mapping[str, Any]]:
    """One object per row, then a summary."""
    for row in history.rows:
        yield {
            "name": row.name,
            "finding": row.finding,
            "target": row.target,
            "since": row.since,
            "gone": row.gone,
            "flaky": row.flaky,
            "cells": {
                column: {"measured": one.measured, "failing": one.failing, "said": list(one.said)}
                for column, one in zip(history.columns, row.cells, strict=True)
            },
        }
    yield {
        "name": "summary",
        "by": str(history.by),
        "columns": list(history.columns),
        "cases": list(history.cases),
        "seconds": list(history.seconds),
        "failing": len(history.failing_now),
        "flaky": len(history.flaky),
    }
