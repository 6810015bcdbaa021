"""A damaged journal costs measuring again: the same run gives the same results and the same exit code."""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from repro.cli import entry
from repro.records.journal import VERSION

pytestmark = pytest.mark.slow
Change = Callable[[Path, random.Random], None]


def noise_somewhere(path: Path, draw: random.Random) -> None:
    data = bytearray(path.read_bytes())
    start = draw.randrange(len(data))
    data[start : start + 600] = draw.randbytes(min(600, len(data) - start))
    path.write_bytes(data)


def zeros_from_somewhere_on(path: Path, draw: random.Random) -> None:
    data = path.read_bytes()
    kept = draw.randrange(len(data))
    path.write_bytes(data[:kept] + bytes(len(data) - kept))


def cut_somewhere(path: Path, draw: random.Random) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: draw.randrange(len(data))])


def another_file(path: Path, draw: random.Random) -> None:
    path.write_bytes(draw.choice([b"", b"{}\n", b"SQLite format 3\0", b"PK\x03\x04", draw.randbytes(9000)]))


def a_folder(path: Path, draw: random.Random) -> None:
    path.unlink()
    path.mkdir()


def a_log_of_another_database(path: Path, draw: random.Random) -> None:
    """What SQLite keeps beside the file, from somewhere else."""
    for end in ("-wal", "-shm"):
        path.with_name(path.name + end).write_bytes(draw.randbytes(40_000))


def statement(path: Path, draw: random.Random) -> None:
    database = sqlite3.connect(path)
    database.execute(
        draw.choice(
            [
                f"PRAGMA user_version = {VERSION + draw.randint(1, 9)}",
                "PRAGMA application_id = 7",
                "DROP TABLE records",
                "ALTER TABLE records DROP COLUMN written",
                "ALTER TABLE records ADD COLUMN colour TEXT",
                "UPDATE records SET record = substr(record, 1, 40)",
                "UPDATE records SET record = NULLIF('', '') || 'x' WHERE 0",
                "UPDATE records SET record = '[]'",
            ]
        )
    )
    database.commit()
    database.close()


def records_of_another_version(path: Path, draw: random.Random) -> None:
    """Every record loses a field, gains one, or has one of another type, here or one level down."""
    database = sqlite3.connect(path)
    for key, text in database.execute("SELECT key, record FROM records").fetchall():
        record = json.loads(text)
        _change(record, draw)
        database.execute("UPDATE records SET record = ? WHERE key = ?", (json.dumps(record), key))
    database.commit()
    database.close()


def _change(record: dict[str, Any], draw: random.Random) -> None:
    inner = [v for v in record.values() if isinstance(v, dict) and v]
    place = draw.choice([record, *[v for v in inner if "target" in v]])
    name = draw.choice(sorted(place))
    what = draw.choice(["less", "more", "another type"])
    if what == "less":
        del place[name]
    elif what == "more":
        place["of a later version"] = 1
    else:
        place[name] = [[place[name]]]


CHANGES: tuple[Change, ...] = (
    noise_somewhere,
    zeros_from_somewhere_on,
    cut_somewhere,
    another_file,
    a_folder,
    a_log_of_another_database,
    statement,
    records_of_another_version,
)
JOURNALS = 20


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache in which one run was measured, by a process of its own."""
    place = tmp_path_factory.mktemp("measured")
    command = [sys.executable, "-m", "repro", *WORDS]
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(command, cwd=root, env=_environment(place), capture_output=True, check=True)
    (place / "lines").write_bytes(done.stdout)
    return place


def _environment(cache: Path) -> dict[str, str]:
    return {**os.environ, "REPRO_CACHE": str(cache)}


WORDS = ("run", "fanout/add-to-2*", "--target", "cpu", "--json")


def results(text: str) -> list[dict[str, Any]]:
    """The lines of `--json` in one order, without what says how long it took and whether it was measured now."""
    left_out = ("cached", "stages", "seconds")
    lines = [{k: v for k, v in json.loads(line).items() if k not in left_out} for line in text.splitlines()]
    return sorted(lines, key=lambda line: (line["case"], line["output"]))


@pytest.mark.parametrize("number", range(JOURNALS))
def test_a_damaged_journal_is_measured_again_with_the_same_result(
    measured: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path, number: int
):
    draw = random.Random(number)
    change = CHANGES[number % len(CHANGES)]
    shutil.copytree(measured, tmp_path, dirs_exist_ok=True)
    change(tmp_path / "journal" / "cpu.sqlite", draw)
    monkeypatch.setenv("REPRO_CACHE", str(tmp_path))
    monkeypatch.setattr("sys.argv", ["repro", *WORDS])
    with pytest.raises(SystemExit) as ended:
        entry()
    out, err = capfd.readouterr()
    assert ended.value.code == 0, err
    assert "Traceback" not in err
    assert results(out) == results((measured / "lines").read_text(encoding="utf-8"))
