"""The page of a comparison: what became worse first, both sides of each change."""

from __future__ import annotations

from repro.changes.changes import compare_sides
from repro.pages.of_compare import compare_page
from repro.pages.page import Table, Text
from repro.records.lines import Tone
from repro.verdicts.verdict import Status
from tests.repro.changes.sides import answer, side


def test_what_is_worse_comes_first_and_what_is_the_same_is_left_out():
    before = side(answer("f/a"), answer("f/b", status=Status.FAIL), answer("f/c", numbers={"max_abs": 1.0}))
    after = side(
        answer("f/a", status=Status.FAIL, holds="zeros"), answer("f/b"), answer("f/c", numbers={"max_abs": 9.0})
    )
    page = compare_page(compare_sides(before, after), "repro compare a b")
    assert page.answers[0] == Text("Worse in B: 1 output", Tone.BAD)
    table = page.sections[0].blocks[0]
    assert isinstance(table, Table)
    assert [(r.cells[0].text, r.cells[1].text, r.cells[5].text, r.cells[6].text) for r in table.rows] == [
        ("f/a", "new", "PASS", "FAIL stale: zeros"),
        ("f/b", "gone", "FAIL stale", "PASS"),
        ("f/c", "numbers moved", "PASS", "PASS: max_abs 1 -> 9"),
    ]
    assert [row.tags[2] for row in table.rows] == ["yes", "no", "no"]


def test_two_equal_runs_have_a_page_without_a_table():
    page = compare_page(compare_sides(side(answer()), side(answer())), "repro compare a b")
    assert page.answers[0] == Text("Nothing is worse in B", Tone.GOOD)
    assert page.sections[0].blocks == (Text("Both say the same of every output."),)
