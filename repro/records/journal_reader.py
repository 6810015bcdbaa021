"""A journal's records as they are, without becoming its owner: nothing is made, mended or set aside."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from repro.records.journal import APPLICATION, VERSION
from runner.errors import BadInput

SQLITE_HEAD = b"SQLite format 3\0"
"""How every SQLite file begins."""


def read_journal(path: Path) -> list[Mapping[str, Any]]:
    """Every record that can be read back, in the order of writing. Raises BadInput for what is no journal of ours."""
    if not path.exists():
        raise BadInput(f"{path}: no such file; give one that a command of `repro` wrote")
    try:
        # Beside a running writer the write-ahead log is read too, so the file is not opened as immutable.
        with contextlib.closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as database:
            database.text_factory = lambda data: data.decode("utf-8", "replace")
            (application,) = database.execute("PRAGMA application_id").fetchone()
            (version,) = database.execute("PRAGMA user_version").fetchone()
            if (application, version) != (APPLICATION, VERSION):
                raise BadInput(f"{path}: a database that is no journal of this version; give a journal of `repro run`")
            texts = [text for (text,) in database.execute("SELECT record FROM records ORDER BY rowid")]
    except sqlite3.Error as error:
        raise BadInput(f"{path}: cannot be read as a journal ({error}); give one that is whole") from error
    records = (_record(text) for text in texts)
    return [record for record in records if record is not None]


def _record(text: str) -> Mapping[str, Any] | None:
    try:
        record = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return None
    return record if isinstance(record, dict) else None
