"""Reading a journal without becoming its owner."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from repro.records.journal import Journal
from repro.records.journal_reader import SQLITE_HEAD, read_journal
from runner.errors import BadInput


def test_records_come_in_the_order_of_writing_and_damaged_ones_are_left_out(tmp_path: Path):
    path = tmp_path / "j#1?.sqlite"
    with Journal(path) as journal:
        for key in "abc":
            journal.add(key, {"n": key})
        journal.add("a", {"n": "later"})
        journal._execute("UPDATE records SET record = '{' WHERE key = 'b'")
        # While its owner has it open.
        assert [r["n"] for r in read_journal(path)] == ["c", "later"]
    assert [r["n"] for r in read_journal(path)] == ["c", "later"]
    assert path.read_bytes().startswith(SQLITE_HEAD)


def test_another_programs_database_is_refused_and_left_alone(tmp_path: Path):
    path = tmp_path / "other.sqlite"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE t (x)")
    database.close()
    before = path.read_bytes()
    with pytest.raises(BadInput, match="no journal of this version"):
        read_journal(path)
    assert path.read_bytes() == before


def test_nothing_is_made_where_nothing_is(tmp_path: Path):
    with pytest.raises(BadInput, match="no such file"):
        read_journal(tmp_path / "none.sqlite")
    assert list(tmp_path.iterdir()) == []
