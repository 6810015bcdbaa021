"""Results as they come, kept by key in an SQLite file, so that an interrupted campaign loses nothing.

Key insight: what was added must be there after a kill at any moment, for every process that shares the file, and
whatever is not there is simply measured again. So SQLite does the writing (one transaction per record, in a
write-ahead log), and whatever cannot be read back, a record or a whole file, counts as not there. A power cut may
cost the last few records, never the file: they are handed to the operating system, not forced onto the disk.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sqlite3
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from runner.cache import make_folder
from runner.encoding import one_line
from runner.errors import BadInput

APPLICATION = 0x4D444A52
"""SQLite's application_id of a journal: another program's database is not taken for one."""

VERSION = 1
"""SQLite's user_version; a change of SCHEMA changes it."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS records (
    key TEXT PRIMARY KEY,                 -- hash of all that decides the result
    record TEXT NOT NULL,                 -- JSON
    written TEXT NOT NULL,                -- UTC
    "case" TEXT, target TEXT, runtime TEXT, precision TEXT  -- of the record, where it has them: for merging, by hand
)
"""
MERGE_BY = ("case", "target", "runtime", "precision")
WAIT_S = 60.0
"""How long a writer waits for others; one transaction takes less than a millisecond."""


class Journal:
    """A keyed store of JSON objects in one file, for any number of processes at once. Use it as a context manager.

    A later record of a key replaces the earlier one. A file that is no journal of this version, or is damaged, is set
    aside under another name and begun anew; `say` is told so, by default on stderr. Opening, reading and adding raise
    BadInput where the file cannot be used at all: no permission, no room, held by another program.
    """

    def __init__(self, path: Path, say: Callable[[str], None] | None = None) -> None:
        self.path = path
        self._say = say or (lambda line: print(one_line(line), file=sys.stderr, flush=True))
        self._database: sqlite3.Connection | None = None

    def __enter__(self) -> Journal:
        with self._one_line():
            make_folder(self.path.parent)
            with _alone_in(self.path.parent):
                try:
                    self._database = _opened(self.path)
                except _NoJournal as why:
                    aside = _set_aside(self.path)
                    self._say(f"journal {self.path} {_flat(why)}: kept as {aside.name}; what it held is measured again")
                    self._database = _opened(self.path)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    def __contains__(self, key: str) -> bool:
        return self.get(key) is not None

    def __len__(self) -> int:
        with self._one_line():
            return self._execute("SELECT count(*) FROM records").fetchone()[0]

    def __iter__(self) -> Iterator[str]:
        """Every key, in the order of writing."""
        with self._one_line():
            return iter([key for (key,) in self._execute("SELECT key FROM records ORDER BY rowid").fetchall()])

    def get(self, key: str) -> Mapping[str, Any] | None:
        """The record of a key; None where there is none, or none that can be read back."""
        with self._one_line():
            try:
                row = self._execute("SELECT record FROM records WHERE key = ?", key).fetchone()
                record = json.loads(row[0]) if row is not None else None
            except (ValueError, TypeError, RecursionError):
                return None
            except sqlite3.DatabaseError as error:
                if not _is_damage(error):
                    raise
                return None
        return record if isinstance(record, dict) else None

    def add(self, key: str, record: Mapping[str, Any]) -> None:
        """Keep one record. When this returns, it survives the end of this process, whatever ends it."""
        merge_by = [value if isinstance(value := record.get(name), str) else None for name in MERGE_BY]
        written = datetime.now(UTC).isoformat(timespec="seconds")
        with self._one_line():
            text = json.dumps(record, sort_keys=True)
            self._execute("INSERT OR REPLACE INTO records VALUES (?, ?, ?, ?, ?, ?, ?)", key, text, written, *merge_by)

    def _execute(self, statement: str, *values: str | None) -> sqlite3.Cursor:
        if self._database is None:
            raise RuntimeError("the journal is not open; use it in a `with` block")
        return self._database.execute(statement, values)

    @contextlib.contextmanager
    def _one_line(self) -> Iterator[None]:
        """What the file system or SQLite refuses, as one line."""
        try:
            yield
        except (OSError, sqlite3.Error, UnicodeDecodeError) as error:  # the last one: SQLite quoting damaged bytes
            why = error.strerror if isinstance(error, OSError) and error.strerror else error
            raise BadInput(
                f"journal {self.path} cannot be used ({_flat(why)}); make room, or give a folder that can be written "
                f"($REPRO_CACHE); what it holds is kept"
            ) from error


def _flat(problem: object) -> str:
    """On one line, whatever SQLite quotes."""
    return " ".join(str(problem).split())


class _NoJournal(Exception):
    """The file is there and cannot be a journal; its text completes `journal PATH ...`."""


def _opened(path: Path) -> sqlite3.Connection:
    if path.is_dir():
        raise _NoJournal("is a folder")
    database = sqlite3.connect(path, timeout=WAIT_S, isolation_level=None)
    try:
        # Bytes that are no UTF-8 any more make JSON that cannot be read, and no error of SQLite's.
        database.text_factory = lambda data: data.decode("utf-8", "replace")
        _require_journal(database)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        database.close()
        if isinstance(error, sqlite3.DatabaseError) and not _is_damage(error):
            raise
        raise _NoJournal(f"is damaged or no database ({error})") from error
    except BaseException:
        database.close()
        raise
    return database


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    """Whether the bytes of the file are at fault, and not a permission, room or another process."""
    return error.sqlite_errorcode & 0xFF in (
        sqlite3.SQLITE_ERROR,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FORMAT,
        sqlite3.SQLITE_NOTADB,
    )


def _require_journal(database: sqlite3.Connection) -> None:
    """Make an empty file a journal; raise _NoJournal for one that is something else, or that has damaged pages."""
    (application,) = database.execute("PRAGMA application_id").fetchone()
    (version,) = database.execute("PRAGMA user_version").fetchone()
    (tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if (application, version, tables) == (0, 0, 0):
        database.executescript(
            f"BEGIN IMMEDIATE; {SCHEMA}; PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION}; COMMIT"
        )
    elif application != APPLICATION:
        raise _NoJournal("is a database of another program")
    elif version != VERSION:
        raise _NoJournal(f"is of version {version}, and this is version {VERSION}")
    elif tables != 2 or [name for _, name, *_ in database.execute("PRAGMA table_info(records)")] != [
        "key",
        "record",
        "written",
        *MERGE_BY,
    ]:
        raise _NoJournal("lacks its table")
    elif (problem := database.execute("PRAGMA integrity_check(1)").fetchone()[0]) != "ok":
        raise _NoJournal(f"is damaged ({problem})")


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """One process at a time opens journals of a folder: two that find a damaged one must not both set it aside."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # a file system without locks: then the two are merely very unlikely
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _set_aside(path: Path) -> Path:
    """Rename a file, with SQLite's files beside it, to a name that is free. Returns it."""
    number = 1
    while (aside := path.with_name(f"{path.name}.aside-{number}")).exists():
        number += 1
    path.rename(aside)
    for beside in ("-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + beside).rename(aside.with_name(aside.name + beside))
    return aside
