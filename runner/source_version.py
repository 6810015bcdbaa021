"""A version of code that nobody has to remember to raise: the hash of its sources and of what they import.

Key insight: what was computed is kept under a key, and the key has to change when the code that computes changes.
A list of files by hand forgets some; the import statements do not. So the version of a module is the hash of its
source and of every module of this project that it imports, however far, wherever in the file the import stands.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("repro", "cases", "models", "runner")
_PARSING = threading.Lock()
"""Python 3.11 parses in one thread at a time: in two it may raise SystemError."""


@functools.cache
def source_version(*names: str) -> str:
    """Hash of the named modules' sources and of all of this project's modules that they import.

    names: dotted names; a package stands for all modules in its folder. Raises ValueError for a name that is none
    of this project's. Read once per process: a file that is edited later is not what this process computes with.
    """
    digest = hashlib.sha256()
    with _PARSING:
        paths = closure(*names)
    for path in paths:
        digest.update(path.relative_to(ROOT).as_posix().encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def closure(*names: str, root: Path = ROOT) -> list[Path]:
    """The files behind `source_version`, sorted by path."""
    waiting = [path for name in names for path in _files_of(name, root)]
    reached: set[Path] = set()
    while waiting:
        path = waiting.pop()
        if path not in reached:
            reached.add(path)
            waiting += _imported(path, root)
    return sorted(reached)


def _files_of(name: str, root: Path) -> list[Path]:
    place = root.joinpath(*name.split("."))
    if place.is_dir():
        return sorted(place.rglob("*.py"))
    if place.with_suffix(".py").is_file():
        return [place.with_suffix(".py")]
    raise ValueError(f"'{name}' is no module of this project")


@functools.cache
def _imported(path: Path, root: Path) -> tuple[Path, ...]:
    """This project's files that one file imports, each with the __init__ of the packages on its way."""
    found: set[Path] = set()
    for name in imported_names(path):
        parts = name.split(".")
        if parts[0] in PACKAGES:
            place = root
            for part in parts:
                place = place / part
                found |= {p for p in (place / "__init__.py", place.with_suffix(".py")) if p.is_file()}
    return tuple(sorted(found - {path}))


def imported_names(path: Path) -> Iterator[str]:
    """Dotted names of everything imported, as far as it may be a module: `from a import b` names a and a.b."""
    waiting: list[ast.AST] = [ast.parse(path.read_bytes())]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            waiting += node.orelse  # what stands under it is never run
        else:
            waiting += ast.iter_child_nodes(node)
