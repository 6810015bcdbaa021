"""The table of what is covered: made by the command, of what the delegate takes, without a gap."""

from __future__ import annotations

from pathlib import Path

import pytest

from repro.selftest.answers import Answer, Answers, known_answers
from repro.selftest.coverage import COMMAND, Coverage, coverage, table
from repro.selftest.judge_table import marks

ROOT = Path(__file__).resolve().parents[3]


def test_a_cell_says_what_is_covered_or_why_it_is_refused():
    cells = {
        ("ADD", "float32"): Answer(True),
        ("ADD", "bool"): Answer(False, "no | bool"),
        ("NEG", "bool"): Answer(True),
    }
    lines = list(table(Coverage(Answers("LiteRT 9, here", cells), {("ADD", "float32"): "EDC", ("NEG", "bool"): ""})))
    assert lines[0] == "LiteRT 9, here: 2 of 3 cells are taken. Of these are"
    assert "| ADD | EDC |  |  |  |  |  |  |  | [1] |" in lines
    assert "| NEG |  |  |  |  |  |  |  |  | - |" in lines
    assert lines[-1] == "- [1] no / bool"


@pytest.mark.slow
def test_the_document_is_what_the_command_makes_and_all_that_is_taken_is_evaluated_drawn_and_in_the_catalogue():
    covered = coverage(known_answers())
    assert covered.gaps == {"E": (), "D": (), "C": ()}
    begin, end = marks(COMMAND)
    document = (ROOT / "docs" / "coverage.md").read_text(encoding="utf-8")
    kept = document.partition(begin)[2].partition(end)[0].strip()
    assert kept == "\n".join(table(covered)), f"make it again: {COMMAND}"
