"""The page of `repro history`: what failed in which run or runtime, since when."""

from __future__ import annotations

from repro.changes.history import History, HistoryRow
from repro.display.history_lines import conclusion, story, tone_of
from repro.pages.page import Command, Page, Row, Section, Table, Text
from repro.records.lines import Tone

MOST_ROWS = 4000


def history_page(history: History, sources: list[str], command: str) -> Page:
    """sources: what was read, and what was left out."""
    answers = [Text(conclusion(history).text, Tone.BAD if history.failing_now else Tone.GOOD)]
    answers += [Text(source, Tone.ASIDE) for source in sources]
    left_out = len(history.rows) - MOST_ROWS
    table = Table(
        "What is not right somewhere; what still fails first"
        + (f"; {left_out} more not listed" if left_out > 0 else ""),
        ("finding, or output", "target", *history.columns, "said"),
        tuple(_row(row) for row in history.rows[:MOST_ROWS]),
        ("finding", "state", "target"),
    )
    runs = Table(
        "The columns",
        (str(history.by), "cases", "median time of a case"),
        tuple(
            Row((Text(name), Text(str(cases)), Text("not kept" if took is None else f"{1000 * took:.0f} ms")))
            for name, cases, took in zip(history.columns, history.cases, history.seconds, strict=True)
        ),
    )
    sections = [
        Section("History", (table,) if history.rows else (Text("Everything passes everywhere."),)),
        Section("Columns", (runs,)),
        Section("Again", (Command("This page is made by", command),)),
    ]
    return Page("repro history", answers, sections)


def _row(row: HistoryRow) -> Row:
    state = "flaky" if row.flaky is not None else "fails now" if row.since else "gone"
    cells = tuple(Text(one.words, tone_of(one)) for one in row.cells)
    texts = (Text(row.name), Text(row.target), *cells, Text(story(row)))
    return Row(texts, (row.finding or "none", state, row.target))
