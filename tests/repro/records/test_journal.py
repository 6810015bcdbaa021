"""The journal keeps every whole line, whatever a crash did to the last one."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from repro.records.journal import Journal, read_lines

RECORDS = st.dictionaries(
    st.text(min_size=1, max_size=8),
    st.fixed_dictionaries({"v": st.integers() | st.text(max_size=20)}),
    min_size=1,
    max_size=8,
)


@settings(max_examples=60)
@given(records=RECORDS, data=st.data())
def test_cut_at_any_byte_it_keeps_every_record_that_was_whole(tmp_path_factory, records, data):
    path: Path = tmp_path_factory.mktemp("journal") / "j.jsonl"
    with Journal(path) as journal:
        for key, record in records.items():
            journal.add(key, record)
    whole = path.read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:cut])
    # A record whose line lacks only its newline is whole too.
    kept = [line for line in whole[:cut].split(b"\n") if line and line + b"\n" in whole]
    with Journal(path) as journal:
        assert len(journal) >= sum(line.endswith(b"}") for line in kept[:-1])
        for key, record in records.items():
            if key not in journal:
                journal.add(key, record)
    with Journal(path) as journal:
        assert {key: {"v": journal.get(key)["v"]} for key in records} == records


def test_a_later_line_replaces_an_earlier_one(tmp_path: Path):
    path = tmp_path / "j.jsonl"
    with Journal(path) as journal:
        journal.add("k", {"v": 1})
        journal.add("k", {"v": 2})
    with Journal(path) as journal:
        assert journal.get("k")["v"] == 2


def test_an_absent_journal_is_empty(tmp_path: Path):
    assert list(read_lines(tmp_path / "none.jsonl")) == []
