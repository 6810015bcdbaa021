"""Reading a TOML document strictly: what does not fit is one line that says where, what, and what to write instead.

A misspelt key that is silently ignored is a threshold that is never compared, so an unknown key is an error, and so is
everything else that the document's type (`repro.records.strict`) does not allow.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from repro.records.strict import Misfit, Mistake, Schema, fitted
from runner.encoding import one_line
from runner.errors import BadInput

MAX_BYTES = 1 << 20
"""Fourteen times the largest document of this project. Parsing more would keep a user waiting for the wrong file."""

MAX_LINE = 600
"""Characters of a line that quotes a document."""


def read_toml(path: Path, schema: type[Schema], label: str, context: dict[str, Any] | None = None) -> Schema:
    """The document as an instance of the dataclass `schema`. context: what its validators may look up.

    label: begins the error's line and says which document, for example `layout 'split.toml'`. Raises BadInput.
    """
    document = _document(path, label)
    try:
        return fitted(schema, document, context)
    except Misfit as misfit:
        first, *others = misfit.mistakes
        more = f" (and {len(others)} more)" if others else ""
        raise BadInput(one_line(f"{label}: {_line(first, document)}{more}", MAX_LINE)) from misfit


def _document(path: Path, label: str) -> Mapping[str, Any]:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise BadInput(f"{label}: no such file") from None
    except IsADirectoryError:
        raise BadInput(f"{label} is a folder; name the .toml file in it") from None
    except OSError as error:
        raise BadInput(f"{label}: cannot be read ({error.strerror})") from error
    if len(data) > MAX_BYTES:
        raise BadInput(f"{label}: is larger than {MAX_BYTES >> 20} MiB, so it is no such document; name another file")
    try:
        return tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise BadInput(f"{label}: not readable TOML (byte {error.start} is not UTF-8); save it as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"{label}: not readable TOML ({error}); mend it") from error
    except RecursionError as error:
        raise BadInput(f"{label}: not readable TOML (nested too deeply); mend it") from error


def _line(mistake: Mistake, document: Mapping[str, Any]) -> str:
    """`[graph 2 'head'] outputs: must be ...`: the table as TOML writes it, then the key."""
    if not mistake.place:
        return mistake.problem
    *tables, key = _names(mistake.place, document)
    return f"[{'.'.join(tables)}] {key}: {mistake.problem}" if tables else f"{key}: {mistake.problem}"


def _names(place: Sequence[str | int], document: Any) -> list[str]:
    """One name per key; a position joins the name before it and counts from 1, with what the entry calls itself."""
    names: list[str] = []
    for index, part in enumerate(place):
        if isinstance(part, int):
            entry = _at(place[: index + 1], document)
            called = (entry.get("name") or entry.get("case")) if isinstance(entry, dict) else None
            names[-1] += f" {part + 1}" + (f" '{called}'" if called and isinstance(called, str) else "")
        else:
            names.append(part)
    return names


def _at(place: Sequence[str | int], document: Any) -> Any:
    for part in place:
        try:
            document = document[part]
        except (KeyError, IndexError, TypeError):
            return None
    return document
