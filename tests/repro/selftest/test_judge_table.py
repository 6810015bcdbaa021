"""The oracle's table: shares are cut, the document's part is replaced, and it has the kinds that the code has."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from repro.selftest.faults import FAULTS
from repro.selftest.injection import PEERS, Tally
from repro.selftest.judge_table import BEGIN, COLUMNS, END, markdown, share, write_into
from runner.errors import BadInput
from runner.run import Precision
from runner.source_version import ROOT

DOCUMENT = ROOT / "docs" / "judge.md"
SEEN = Tally(injected=4, noticed=4, peers=Counter({"allclose": 4}))
UNSEEN = Tally(injected=4, noticed=1, within_noise=3)


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(1, 1, "100 %"), (1999, 2000, "99.9 %"), (9999, 10000, "99.9 %"), (0, 3, "0 %"), (2, 3, "66.6 %"), (0, 0, "-")],
)
def test_a_share_is_cut_so_that_all_is_all(part: int, whole: int, text: str):
    assert share(part, whole) == text


def test_a_row_says_what_is_seen_in_each_precision_and_what_was_noise():
    text = markdown({"doubled": {Precision.FP32: SEEN, Precision.FP16: UNSEEN}}, ["measured once"])
    assert text.splitlines()[0] == "measured once"
    wanted = ["doubled", "8", "100 %", "25 %", "0/3", *("50 %" if peer == "allclose" else "0 %" for peer in PEERS)]
    assert f"| {' | '.join(wanted)} |" in text.splitlines()
    assert f"| {' | '.join(['all', *wanted[1:]])} |" in text.splitlines()


def test_only_the_part_between_the_marks_is_replaced(tmp_path: Path):
    path = tmp_path / "judge.md"
    path.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    for text in ("new", "newer \\1"):
        write_into(path, text)
        assert path.read_text(encoding="utf-8") == f"before\n{BEGIN}\n{text}\n{END}\nafter\n"


def test_a_document_without_the_marks_is_one_line_and_left_alone(tmp_path: Path):
    path = tmp_path / "other.md"
    with pytest.raises(BadInput, match="cannot be read"):
        write_into(path, "new")
    path.write_text("text\n", encoding="utf-8")
    with pytest.raises(BadInput, match="lacks the lines"):
        write_into(path, "new")
    assert path.read_text(encoding="utf-8") == "text\n"


def test_the_document_has_the_kinds_of_the_code_and_the_columns_of_the_table():
    part = DOCUMENT.read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines() if line[:2] == "| "]
    assert rows[0] == list(COLUMNS)
    assert [row[0] for row in rows[1:]] == [*(fault.name for fault in FAULTS), "all"]
    assert "0 false alarms" in part
