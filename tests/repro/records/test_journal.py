"""The journal keeps what was added, whatever ends its process, and begins anew beside what cannot be read."""

from __future__ import annotations

import json
import math
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repro.records.journal import APPLICATION, VERSION, Journal
from runner.errors import BadInput

ROOT = Path(__file__).resolve().parents[3]
RECORDS = {f"key-{n}": {"case": f"case/{n}", "target": "cpu", "n": n, "log": "x" * 300} for n in range(60)}


def filled(path: Path) -> Path:
    with Journal(path) as journal:
        for key, record in RECORDS.items():
            journal.add(key, record)
    return path


def readable(path: Path, said: list[str]) -> dict[str, dict]:
    with Journal(path, said.append) as journal:
        return {key: dict(record) for key in journal if (record := journal.get(key)) is not None}


# --- what it is for ------------------------------------------------------------------------------------


def test_what_was_added_is_there_after_opening_again(tmp_path: Path):
    said: list[str] = []
    assert readable(filled(tmp_path / "deep" / "j.sqlite"), said) == RECORDS
    assert said == []


def test_an_absent_journal_is_empty(tmp_path: Path):
    with Journal(tmp_path / "j.sqlite") as journal:
        assert (len(journal), list(journal), journal.get("k"), "k" in journal) == (0, [], None, False)


def test_a_later_record_replaces_an_earlier_one(tmp_path: Path):
    with Journal(tmp_path / "j.sqlite") as journal:
        journal.add("k", {"v": 1})
        journal.add("k", {"v": 2})
        assert (journal.get("k"), len(journal)) == ({"v": 2}, 1)


def test_numbers_that_are_none_and_any_text_come_back(tmp_path: Path):
    record = {"rmse": math.inf, "log": "\x00 \udc80 ü \u2028", "none": None}
    with Journal(tmp_path / "j.sqlite") as journal:
        journal.add("k", record)
        assert journal.get("k") == record
        journal.add("n", {"pearson": math.nan})
        assert math.isnan((journal.get("n") or {})["pearson"])


def test_a_record_can_be_found_by_what_it_is_about(tmp_path: Path):
    filled(tmp_path / "j.sqlite")
    database = sqlite3.connect(tmp_path / "j.sqlite")
    rows = database.execute("""SELECT key, written FROM records WHERE "case" = 'case/7'""").fetchall()
    database.close()
    assert [key for key, _ in rows] == ["key-7"]
    assert rows[0][1].endswith("+00:00")


def test_it_is_used_in_a_with_block(tmp_path: Path):
    with pytest.raises(RuntimeError, match="with"):
        Journal(tmp_path / "j.sqlite").add("k", {})


def test_a_second_process_that_has_it_open_sees_what_the_first_one_adds(tmp_path: Path):
    with Journal(tmp_path / "j.sqlite") as first, Journal(tmp_path / "j.sqlite") as second:
        first.add("k", {"v": 1})
        assert second.get("k") == {"v": 1}


# --- several processes, and the end of one at any moment -----------------------------------------------

WRITER = """
import sys
from pathlib import Path
from repro.records.journal import Journal
path, name, count, visits = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
for visit in range(visits):
    with Journal(path) as journal:
        for n in range(visit, count, visits):
            journal.add(f"{name}-{n}", {"case": name, "n": n, "log": "x" * 2000})
            print(f"{name}-{n}", flush=True)
"""


def writer(path: Path, name: str, count: int, visits: int) -> subprocess.Popen:
    command = [sys.executable, "-c", WRITER, str(path), name, str(count), str(visits)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")


@pytest.mark.parametrize("damaged", [False, True], ids=["a new file", "a damaged file"])
def test_four_processes_that_open_and_add_at_once_lose_nothing(tmp_path: Path, damaged: bool):
    path = tmp_path / "j.sqlite"
    if damaged:
        path.write_bytes(b"this was something else\n" * 99)
    writers = [writer(path, name, 100, 10) for name in "abcd"]
    said = [process.communicate(timeout=120)[1] for process in writers]
    assert [process.returncode for process in writers] == [0, 0, 0, 0], said
    # One of them sets it aside, and says so.
    assert sum("is damaged or no database" in text for text in said) == damaged
    with Journal(path) as journal:
        assert {(journal.get(f"{name}-{n}") or {})["n"] for name in "abcd" for n in range(100)} == set(range(100))
        assert len(journal) == 400
    assert len(list(tmp_path.glob("*.aside-*"))) == damaged


@pytest.mark.parametrize("seed", range(6))
def test_what_was_reported_as_added_survives_a_kill_at_any_moment(tmp_path: Path, seed: int):
    rng = random.Random(seed)
    path = tmp_path / "j.sqlite"
    reported: list[str] = []
    for name in ("first", "second"):  # the second one finds what the first one's end left behind
        process = writer(path, name, 100_000, 1)
        assert process.stdout is not None
        reported.append(process.stdout.readline().strip())
        time.sleep(rng.uniform(0, 0.25))
        process.send_signal(signal.SIGKILL)
        # Not `communicate`, which passes over what the line above has read ahead; and the last line may be cut short.
        reported += process.stdout.read().split("\n")[:-1]
        process.communicate(timeout=60)
    said: list[str] = []
    with Journal(path, said.append) as journal:
        assert [key for key in reported if key not in journal] == []
    assert said == []
    assert len(reported) > 2


def test_it_can_be_added_to_after_a_kill(tmp_path: Path):
    process = writer(tmp_path / "j.sqlite", "a", 100_000, 1)
    assert process.stdout is not None
    process.stdout.readline()
    process.kill()
    process.communicate(timeout=60)
    with Journal(tmp_path / "j.sqlite") as journal:
        journal.add("k", {"v": 1})
        assert journal.get("k") == {"v": 1}


# --- damage --------------------------------------------------------------------------------------------


def in_database(*statements: str) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        database = sqlite3.connect(path)
        for statement in statements:
            database.execute(statement)
        database.commit()
        database.close()

    return spoil


def bytes_of(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    return lambda path: (path.write_bytes(change(path.read_bytes())), None)[1]


def another_database(path: Path) -> None:
    path.unlink()
    in_database("CREATE TABLE bookmarks (url TEXT)", "PRAGMA user_version = 1")(path)


def former_kind(path: Path) -> None:
    path.write_text(
        "".join(json.dumps({"key": key, **record}) + "\n" for key, record in RECORDS.items()), encoding="utf-8"
    )


WHOLE_FILE = {
    "text": bytes_of(lambda _: b"not a database at all\n" * 40),
    "a journal of the former kind": former_kind,
    "zeros": bytes_of(lambda data: bytes(len(data))),
    "a header without its pages": bytes_of(lambda data: data[:100]),
    "half of its pages": bytes_of(lambda data: data[: len(data) // 2]),
    "a page of noise": bytes_of(lambda data: data[:4096] + random.Random(0).randbytes(4096) + data[8192:]),
    "a schema that is no text": bytes_of(lambda data: data.replace(b"CREATE TABLE", b"CREATE \x80ABLE")),
    "a key that its index has not": bytes_of(lambda data: data.replace(b"key-30", b"kez-30", 1)),
    "another magic number": bytes_of(lambda data: b"X" + data[1:]),
    "a format of the future": bytes_of(lambda data: data[:44] + b"\x00\x00\x00\x09" + data[48:]),
    "another program's database": another_database,
    "another version": in_database(f"PRAGMA user_version = {VERSION + 1}"),
    "no table": in_database("DROP TABLE records"),
    "another table": in_database("DROP TABLE records", "CREATE TABLE records (a TEXT PRIMARY KEY)"),
    "a column less": in_database("ALTER TABLE records DROP COLUMN runtime"),
}
RECORD = {
    "JSON cut short": """UPDATE records SET record = substr(record, 1, 9) WHERE key = 'key-3'""",
    "no JSON": """UPDATE records SET record = 'hello' WHERE key = 'key-3'""",
    "no object": """UPDATE records SET record = '[1, 2]' WHERE key = 'key-3'""",
    "a number": """UPDATE records SET record = 7 WHERE key = 'key-3'""",
    "nothing": """UPDATE records SET record = '' WHERE key = 'key-3'""",
    "bytes": """UPDATE records SET record = x'00ff80' WHERE key = 'key-3'""",
    "no UTF-8": """UPDATE records SET record = CAST(x'7b22ff223a317d' AS TEXT) || ',' WHERE key = 'key-3'""",
    "nested without end": """UPDATE records SET record = replace(hex(zeroblob(9999)), '00', '[') WHERE key = 'key-3'""",
}


@pytest.mark.parametrize("spoil", WHOLE_FILE.values(), ids=WHOLE_FILE)
def test_a_file_that_is_no_sound_journal_is_set_aside_and_begun_anew(tmp_path: Path, spoil):
    path = filled(tmp_path / "j.sqlite")
    spoil(path)
    was = path.read_bytes()
    said: list[str] = []
    with Journal(path, said.append) as journal:
        assert len(journal) == 0
        journal.add("k", {"v": 1})
    (line,) = said
    assert line.startswith(f"journal {path} ")
    assert line.endswith("kept as j.sqlite.aside-1; what it held is measured again")
    assert "\n" not in line
    assert (tmp_path / "j.sqlite.aside-1").read_bytes() == was
    assert readable(path, said) == {"k": {"v": 1}}
    assert len(said) == 1


@pytest.mark.parametrize("statement", RECORD.values(), ids=RECORD)
def test_a_record_that_cannot_be_read_back_counts_as_not_there(tmp_path: Path, statement: str):
    path = filled(tmp_path / "j.sqlite")
    in_database(statement)(path)
    said: list[str] = []
    with Journal(path, said.append) as journal:
        assert (journal.get("key-3"), "key-3" in journal) == (None, False)
        assert journal.get("key-4") == RECORDS["key-4"]
        journal.add("key-3", RECORDS["key-3"])
    assert readable(path, said) == RECORDS
    assert said == []


def test_an_empty_file_is_an_empty_journal(tmp_path: Path):
    path = tmp_path / "j.sqlite"
    path.touch()
    said: list[str] = []
    assert readable(path, said) == {}
    assert said == []


def test_a_folder_in_its_place_is_set_aside(tmp_path: Path):
    path = tmp_path / "j.sqlite"
    (path / "deep").mkdir(parents=True)
    said: list[str] = []
    assert readable(path, said) == {}
    assert said == [f"journal {path} is a folder: kept as j.sqlite.aside-1; what it held is measured again"]
    assert (tmp_path / "j.sqlite.aside-1" / "deep").is_dir()


def test_a_second_file_is_set_aside_beside_the_first(tmp_path: Path):
    path = tmp_path / "j.sqlite"
    for text in ("one", "two"):
        path.write_text(text * 99, encoding="utf-8")
        readable(path, [])
    assert (tmp_path / "j.sqlite.aside-1").read_text(encoding="utf-8") == "one" * 99
    assert (tmp_path / "j.sqlite.aside-2").read_text(encoding="utf-8") == "two" * 99


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_bytes_changed_or_lost_anywhere_cost_records_and_never_a_traceback(data):
    with tempfile.TemporaryDirectory() as folder:
        path = filled(Path(folder) / "j.sqlite")
        damaged = bytearray(path.read_bytes())
        for _ in range(data.draw(st.integers(1, 4))):
            start = data.draw(st.integers(0, len(damaged) - 1))
            noise = data.draw(st.binary(min_size=1, max_size=64))
            damaged[start : start + len(noise)] = noise
        path.write_bytes(damaged[: data.draw(st.integers(0, len(damaged)) | st.just(len(damaged)))])
        if data.draw(st.booleans()):
            path.with_name("j.sqlite-wal").write_bytes(data.draw(st.binary(max_size=200)))
        refusal = ""
        try:
            with Journal(path, lambda line: None) as journal:
                for key in list(journal):
                    record = journal.get(key)
                    assert record is None or isinstance(record, dict)
                journal.add("k", {"v": 1})
                assert journal.get("k") == {"v": 1}
        except BadInput as error:
            refusal = str(error)
        assert "\n" not in refusal


# --- what cannot be written ----------------------------------------------------------------------------


def refused(path: Path) -> str:
    with pytest.raises(BadInput) as caught:
        filled(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_file_in_its_folders_place_is_one_line(tmp_path: Path):
    (tmp_path / "file").touch()
    assert "File exists" in refused(tmp_path / "file" / "j.sqlite")


@pytest.fixture
def nobody(tmp_path: Path):
    """A folder that this process may read and not write, also where the tests run as root."""
    folder = Path(tempfile.mkdtemp(prefix="read-only-"))
    filled(folder / "j.sqlite")
    folder.chmod(0o555)
    (folder / "j.sqlite").chmod(0o444)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    yield folder
    if root:
        os.seteuid(0)
    folder.chmod(0o755)
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()


def test_a_folder_that_may_not_be_written_is_one_line(nobody: Path):
    assert "cannot be used (" in refused(nobody / "j.sqlite")
    assert "cannot be written (Permission denied)" in refused(nobody / "deeper" / "j.sqlite")


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from repro.records.journal import Journal
from runner.errors import BadInput
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with Journal(Path(sys.argv[1])) as journal:
    journal.add("before", {"v": 1})
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
    try:
        for n in range(999):
            journal.add(f"key-{n}", {"log": "x" * 5000})
            print(f"key-{n}", flush=True)
    except BadInput as error:
        print(error, file=sys.stderr)
"""


def test_no_room_is_one_line_and_what_was_added_before_is_kept(tmp_path: Path):
    path = tmp_path / "j.sqlite"
    command = [sys.executable, "-c", FULL_DISK, str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", timeout=60, check=True)
    added = ["before", *done.stdout.split()]
    assert 2 < len(added) < 999
    assert done.stderr.startswith(f"journal {path} cannot be used (")
    assert done.stderr.count("\n") == 1
    said: list[str] = []
    with Journal(path, said.append) as journal:
        assert [key for key in added if key not in journal] == []
    assert said == []


def test_a_journal_that_another_program_holds_is_one_line(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("repro.records.journal.WAIT_S", 0.05)
    path = filled(tmp_path / "j.sqlite")
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    assert "database is locked" in refused(path)
    holder.close()


def test_the_numbers_that_say_what_the_file_is_are_in_its_header(tmp_path: Path):
    header = filled(tmp_path / "j.sqlite").read_bytes()[:100]
    assert int.from_bytes(header[60:64]) == VERSION
    assert int.from_bytes(header[68:72]) == APPLICATION
