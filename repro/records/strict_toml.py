"""Reading a TOML document strictly: each key once, of the right type, and nothing that nobody asked for.

A misspelt key that is silently ignored is a threshold that is never compared, so what was not read is an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, overload

from runner.errors import BadInput

_REQUIRED: Any = object()


class Table:
    """One table of a manifest. Call `close` when all keys were asked for: the rest is unknown and raises BadInput."""

    def __init__(self, file: str, where: str, content: Mapping[str, Any], document: str = "layout") -> None:
        self._document = document
        self._file = file
        self._where = where
        self._content = content
        self._asked: list[str] = []

    def error(self, key: str, problem: str) -> BadInput:
        """The error for a key of this table; raise it."""
        place = f"[{self._where}] " if self._where else ""
        return BadInput(f"{self._document} '{self._file}': {place}{key}: {problem}")

    def names(self) -> tuple[str, ...]:
        return tuple(self._content)

    def close(self) -> None:
        """Raise BadInput for a key that nothing asked for."""
        for key in self._content:
            if key not in self._asked:
                near = get_close_matches(key, self._asked, 1)
                hint = f"did you mean '{near[0]}'?" if near else f"known are {', '.join(self._asked)}"
                raise self.error(key, f"unknown key; {hint}")

    def _get(self, key: str, kinds: tuple[type, ...], called: str, default: Any) -> Any:
        self._asked.append(key)
        if key not in self._content:
            if default is _REQUIRED:
                raise self.error(key, f"is missing; it is {called}")
            return default
        value = self._content[key]
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise self.error(key, f"must be {called}, not {value!r}")
        return value

    def text(self, key: str, default: str = _REQUIRED) -> str:
        return self._get(key, (str,), "a string", default)

    def integer(self, key: str, default: int = _REQUIRED) -> int:
        return self._get(key, (int,), "an integer", default)

    def number(self, key: str, default: float = _REQUIRED) -> float:
        return float(self._get(key, (int, float), "a number", default))

    def _list(self, key: str, kind: type, called: str, default: Sequence[Any]) -> tuple[Any, ...]:
        values = self._get(key, (list,), f"a list of {called}s", default)
        for value in values:
            if not isinstance(value, kind) or isinstance(value, bool):
                raise self.error(key, f"must be a list of {called}s, not {values!r}")
        return tuple(values)

    def texts(self, key: str, default: Sequence[str] = _REQUIRED) -> tuple[str, ...]:
        return self._list(key, str, "string", default)

    def integers(self, key: str, default: Sequence[int] = _REQUIRED) -> tuple[int, ...]:
        return self._list(key, int, "integer", default)

    def choices(self, key: str, default: Sequence[str], among: Sequence[str]) -> tuple[str, ...]:
        words = self.texts(key, default)
        for word in words:
            if word not in among:
                raise self.error(key, f"'{word}' is none of {', '.join(among)}")
        if not words:
            raise self.error(key, "the list is empty")
        return words

    def mapping(self, key: str) -> Mapping[str, Any]:
        """A table whose keys are the user's own; empty if absent."""
        return self._get(key, (dict,), "a table", {})

    def shapes(self, key: str) -> Mapping[str, Sequence[int]]:
        """A table of name = [d0, d1, ...]; empty if absent."""
        found = self.mapping(key)
        for name, shape in found.items():
            if not isinstance(shape, list) or not all(type(d) is int and d > 0 for d in shape):
                raise self.error(f"{key}.{name}", f"must be a list of positive integers, not {shape!r}")
        return found

    @overload
    def table(self, key: str, *, missing: str = "") -> Table: ...

    @overload
    def table(self, key: str, *, optional: bool, missing: str = "") -> Table | None: ...

    def table(self, key: str, *, optional: bool = False, missing: str = "") -> Table | None:
        """A nested table. missing: what to say where a required one is not there."""
        called = f"a table: {missing}" if missing else "a table"
        content = self._get(key, (dict,), called, None if optional else _REQUIRED)
        if content is None:
            return None
        return Table(self._file, f"{self._where}.{key}".strip("."), content, self._document)

    def tables(self, key: str) -> Iterator[Table]:
        """Each entry of an array of tables `[[key]]`; none if absent."""
        entries = self._get(key, (list,), f"an array of tables, written [[{key}]]", [])
        for index, entry in enumerate(entries, start=1):
            if not isinstance(entry, dict):
                raise self.error(key, f"must be an array of tables, written [[{key}]]")
            yield Table(self._file, f"{key} {index}", entry, self._document)
