"""What a command writes is never what it reads, and has a place, which is asked before anything runs.

Key insight: the same file has many names (a link, `./`, a folder above), so names are not compared: files are.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from runner.errors import BadInput


def keep_apart(outputs: Mapping[str, Path | None], inputs: Iterable[Path | None] = ()) -> None:
    """Raise BadInput where an output is an input, lies in or holds one, is another output too, or has no place.

    outputs: option -> what was given for it. A folder counts with all that is in it.
    """
    given = [(option, path) for option, path in outputs.items() if path is not None]
    read = [path for path in inputs if path is not None]
    for number, (option, path) in enumerate(given):
        _require_place(option, path)
        for other, earlier in given[:number]:
            if _is_same(path, earlier):
                raise BadInput(f"{other} and {option} both write '{path}'; give each a file of its own")
        for source in read:
            if _is_same(path, source) or _holds(path, source) or _holds(source, path):
                raise BadInput(f"{option} '{path}' would write into '{source}', which is read; name another place")


def _require_place(option: str, path: Path) -> None:
    """What is found out after an hour of measuring is found out too late."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        return  # a device, which is written as it is
    folder = path if path.is_dir() else path.absolute().parent
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir():
        raise BadInput(f"{option} '{path}' cannot be written: '{folder}' is a file; name another place")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise BadInput(f"{option} '{path}' cannot be written: nothing may be written in '{folder}'; name another place")


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:  # one of them is not there yet
        return one.resolve() == other.resolve()


def _holds(folder: Path, path: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())
