"""Changes as lines, JSON objects and JUnit rows: each output once, the last line counts."""

from __future__ import annotations

from hypothesis import assume, given

from repro.changes.changes import Kind, compare_sides
from repro.display.change_lines import SHOWN, conclusion, json_objects, junit_rows, lines
from repro.verdicts.verdict import Status
from runner.errors import BadInput
from tests.repro.changes.sides import answer, side, sides


def test_the_lines_say_the_sides_the_changes_and_the_count():
    a = side(answer("f/a"), answer("f/b", status=Status.FAIL), answer("f/c"), source="before")
    b = side(answer("f/a", status=Status.FAIL, signature="alias(x)", holds="input 0 'x'"), answer("f/b"), answer("f/d"))
    said = [one.text for one in lines(compare_sides(a, b))]
    assert said == [
        "A  before (answers made up): 3 outputs of 3 cases on gpu:a LiteRT 2.3.0",
        "B  somewhere (answers made up): 3 outputs of 3 cases on gpu:a LiteRT 2.3.0",
        "new: 1 output",
        "  f/a fp32 output 0 'y0'  PASS -> FAIL alias(x): input 0 'x'",
        "gone: 1 output",
        "  f/b fp32 output 0 'y0'  FAIL stale -> PASS",
        "only in A: 1 output (1 PASS) of f/c",
        "only in B: 1 output (1 PASS) of f/d",
        "2 outputs compared: 1 worse; 1 new, 1 gone, 1 only in A, 1 only in B",
    ]


def test_numbers_and_other_models_are_said():
    a = side(answer("f/a", numbers={"max_abs": 1.0}), answer("f/b"))
    b = side(answer("f/a", numbers={"max_abs": 3.0}), answer("f/b", model_sha256="x" * 64))
    said = [one.text for one in lines(compare_sides(a, b))]
    assert "  f/a fp32 output 0 'y0'  PASS: max_abs 1 -> 3" in said
    assert any("another model under this name (f/bf/b and xxxxxxxxxxxx): not compared" in text for text in said)
    assert said[-1] == "1 output compared: nothing is worse; 1 other model, 1 numbers moved"


def test_a_long_list_is_cut_and_says_so():
    cases = [f"f/{n}" for n in range(SHOWN + 5)]
    compared = compare_sides(side(*map(answer, cases)), side(*(answer(case, status=Status.FAIL) for case in cases)))
    assert "  and 5 more (-v shows them)" in [one.text for one in lines(compared)]
    assert sum("PASS -> FAIL" in one.text for one in lines(compared, verbose=True)) == SHOWN + 5


@given(sides, sides)
def test_every_output_is_counted_once_in_all_three_forms(a, b):
    try:
        compared = compare_sides(a, b)
    except BadInput:
        assume(False)
        return
    *objects, summary = json_objects(compared)
    rows = list(junit_rows(compared))
    assert len(rows) == len(compared.changes) == len(objects) + summary["counts"][Kind.SAME]
    assert sum(summary["counts"].values()) == len(rows)
    assert sum(bool(row.failure) for row in rows) == summary["worse"] == sum(o["worse"] for o in objects)
    assert conclusion(compared).text.startswith(f"{summary['compared']} output")
