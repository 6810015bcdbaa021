"""A history in lines: columns that line up, and a last line that counts."""

from __future__ import annotations

from repro.changes.history import history_of
from repro.display.history_lines import lines
from repro.verdicts.verdict import Status
from tests.repro.changes.sides import answer, side


def test_the_columns_line_up_whatever_the_names():
    runs = [
        (name, side(answer("f/a", status=Status.FAIL), answer("f/with-a-long-name", status=Status.FAIL)))
        for name in ("1", "a-run-with-a-long-name")
    ]
    head, *rows, last = [one.text for one in lines(history_of(runs, lambda _: ""))]
    assert len(rows) == 2
    for row in rows:
        for end in (head.index(" 1") + 2, len(head)):
            assert row[:end].endswith("1/1")
    assert last == "2 runs: 0 findings show now, 2 more without a finding, 0 gone, 0 flaky"


def test_where_everything_passes_there_is_one_line():
    assert len(list(lines(history_of([("1", side(answer()))], lambda _: "")))) == 1
