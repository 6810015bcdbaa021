"""Results as they come, one JSON line each, so that an interrupted campaign loses nothing.

A journal is append-only. A line that a crash cut short is dropped when the journal is read; the
result it would have held is measured again. Keys decide everything: same key, same result.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any

KEY = "key"


class Journal:
    """A keyed, append-only store of JSON objects in one file. Use it as a context manager.

    Reading tolerates a torn last line; a later line with the same key replaces an earlier one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._records: dict[str, dict[str, Any]] = {}
        self._file: IO[str] | None = None

    def __enter__(self) -> Journal:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._records = {record[KEY]: record for record in read_lines(self.path)}
        self._file = self.path.open("a", encoding="utf-8")
        if self._file.tell() and not _ends_with_newline(self.path):
            self._file.write("\n")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def __contains__(self, key: str) -> bool:
        return key in self._records

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[str]:
        """Every key, oldest first."""
        return iter(tuple(self._records))

    def get(self, key: str) -> Mapping[str, Any] | None:
        return self._records.get(key)

    def add(self, key: str, record: Mapping[str, Any]) -> None:
        """Append one record and hand it to the operating system at once."""
        if self._file is None:
            raise RuntimeError("the journal is not open; use it in a `with` block")
        line = {KEY: key, **record}
        self._file.write(json.dumps(line, sort_keys=True, allow_nan=True) + "\n")
        self._file.flush()
        self._records[key] = line


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Every whole record of a journal file, oldest first; nothing where the file is absent."""
    if not path.exists():
        return
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            try:
                record = json.loads(line)
            except json.JSONDecodeError:
                continue  # torn by a crash while it was written; its result is simply measured again
            if isinstance(record, dict) and isinstance(record.get(KEY), str):
                yield record


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
