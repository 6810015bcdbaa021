"""The page of a check: what is wrong first, with the graph, the notes and the command that repeats it."""

from __future__ import annotations

from pathlib import Path

from repro.campaigns.expectations import Comparison, Standing
from repro.display.check_report import Shown
from repro.pages.of_check import check_page
from repro.pages.page import Command, Drawing, HeatMap, Table, Text
from repro.records.lines import Tone
from tests.repro.pages.samples import checked


def test_what_is_wrong_comes_first_with_its_map_and_its_command():
    page = check_page([Shown(Path("m.tflite"), checked(), None, "repro check again")], "repro check m.tflite")
    assert page.answers[0] == Text("1 of 2 outputs not right", Tone.BAD)
    table = page.sections[0].blocks[0]
    assert isinstance(table, Table)
    assert [row.tags[0] for row in table.rows] == ["FAIL", "PASS"]
    details = table.rows[0].details
    assert [type(block) for block in details[-2:]] == [HeatMap, Command]
    assert details[-1] == Command("again:", "repro check again")
    assert table.rows[1].details == ()


def test_the_graph_is_drawn_with_what_is_wrong():
    page = check_page([Shown(Path("m.tflite"), checked(), None, "")], "repro check")
    (drawing,) = page.sections[1].blocks
    assert isinstance(drawing, Drawing)
    assert "culprit: MEAN" in drawing.caption


def test_what_is_expected_is_not_counted_as_wrong():
    known, passed = Comparison(Standing.KNOWN, "FAIL alias(x)"), Comparison(Standing.PASSED, "PASS")
    page = check_page([Shown(Path("m.tflite"), checked(), [known, passed], "")], "repro check")
    assert page.answers[0] == Text("Every output is as expected", Tone.GOOD)
