"""The page of a matrix: a line per output and place, a column per runtime, what is not fixed first."""

from __future__ import annotations

from repro.matrix.rows import rows_of
from repro.pages.of_matrix import matrix_page
from repro.pages.page import Table, Text
from repro.records.lines import Tone
from tests.repro.matrix.cells import record

VERDICTS = {"fixed": ("FAIL", "PASS"), "whole": ("PASS", "PASS"), "open": ("FAIL", "FAIL")}
RECORDS = [
    record(case, runtime, verdict)
    for case, verdicts in VERDICTS.items()
    for runtime, verdict in zip(("2.1.3", "2.3.0"), verdicts, strict=True)
]
KEYS = ("target", "runtime", "adapter", "driver", "libraries", "device")
ENVIRONMENTS = [{key: one[key] for key in KEYS} for one in RECORDS[:2]]


def test_a_line_per_output_and_place_and_a_column_per_runtime():
    page = matrix_page(rows_of(RECORDS), RECORDS, ENVIRONMENTS, [], "repro matrix")
    assert page.answers[0] == Text("2 of 3 outputs wrong somewhere in 2 environments", Tone.BAD)
    table = page.sections[0].blocks[0]
    assert isinstance(table, Table)
    assert table.columns == ("case", "output", "where", "2.1.3", "2.3.0", "answer")
    assert [[cell.text for cell in row.cells[:5]] for row in table.rows] == [
        ["open", "0 y", "gpu:a fp32", "FAIL stale", "FAIL stale"],
        ["fixed", "0 y", "gpu:a fp32", "FAIL stale", "pass"],
        ["whole", "all", "gpu:a fp32", "pass", "pass"],
    ]
    assert [row.tags[1] for row in table.rows] == ["fails", "fails", "passes"]
    environments = page.sections[1].blocks[0]
    assert isinstance(environments, Table)
    assert len(environments.rows) == 2


def test_what_was_not_measured_and_what_was_not_there_are_said():
    gone = [{"target": "gpu:b", "runtime": "2.1.3", "reason": "no driver"}]
    rows = rows_of([*RECORDS, record("open", "2.1.3", "FAIL", target="gpu:b")])
    page = matrix_page(rows, RECORDS, ENVIRONMENTS, gone, "repro matrix")
    assert page.answers[-1] == Text("not available: gpu:b with LiteRT 2.1.3: no driver", Tone.WARN)
    table = page.sections[0].blocks[0]
    assert isinstance(table, Table)
    assert "not measured" in [cell.text for row in table.rows for cell in row.cells]
