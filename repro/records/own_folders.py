"""A project's own catalogue: the nearest `repro.toml` at or above the current folder, and the folders that it names.

Key insight: a file that is found by walking upwards may be a stranger's. So all that is read because of it is data
(models, findings, expectations); Python beside it runs only where a command asks for it. It may name no folder
outside of its own, so that nothing is written elsewhere; and one that another user put above a folder of yours, as
anybody can in /tmp, is not looked at.
"""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass, fields
from pathlib import Path

from repro.records.strict import Word
from repro.records.strict_toml import read_toml
from runner.errors import BadInput

NAME = "repro.toml"


@dataclass(frozen=True)
class Folders:
    """The table [folders] of a repro.toml: paths relative to it. What is left out has its default."""

    cases: Word = "repro-catalogue/own-cases"
    findings: Word = "repro-catalogue/findings"
    expectations: Word = "repro-catalogue/expectations"
    layouts: Word = "repro-catalogue/layouts"
    reductions: Word = "repro-catalogue/reductions"
    fuzz: Word = "repro-catalogue/fuzz"


@dataclass(frozen=True)
class _Document:
    folders: Folders = Folders()


@dataclass(frozen=True)
class OwnFolders:
    """Where a project keeps what it adds to the built-in catalogue; a folder need not be there yet.

    document: its repro.toml. reductions, fuzz: where `repro reduce` and `repro fuzz` write, unless told.
    """

    document: Path
    cases: Path
    findings: Path
    expectations: Path
    layouts: Path
    reductions: Path
    fuzz: Path

    @property
    def root(self) -> Path:
        """The project's folder."""
        return self.document.parent


def own_folders(start: Path | None = None) -> OwnFolders | None:
    """The own folders of the project that `start` (else the current folder) lies in; None outside of any.

    Raises BadInput for a repro.toml that cannot be read or names a folder outside of its own.
    """
    try:
        here = (start or Path.cwd()).resolve()
    except FileNotFoundError:  # the current folder was removed
        return None
    for folder in (here, *here.parents):
        document = folder / NAME
        if document.is_file() and is_believed(document.stat().st_uid, os.geteuid(), here.stat().st_uid):
            return _read(document, document.stat().st_mtime_ns)
    return None


def is_believed(owner: int, user: int, owner_here: int) -> bool:
    """Whether a repro.toml of one owner is used by a user who stands in a folder of another (all three by number).

    The superuser's is, and in a folder that somebody else made (a container's checkout) theirs is too.
    """
    return owner in (0, user, owner_here)


@functools.lru_cache(maxsize=4)
def _read(document: Path, changed_ns: int) -> OwnFolders:
    """changed_ns: the file's own time, so that a file that is edited is read again."""
    label = f"'{document}'"
    named = read_toml(document, _Document, label).folders
    places: dict[str, Path] = {}
    for one in fields(named):
        given = getattr(named, one.name)
        place = (document.parent / given).resolve()
        if place == document.parent or not place.is_relative_to(document.parent):
            raise BadInput(f"{label}: [folders] {one.name}: '{given}' is no folder below it; name one that is")
        places[one.name] = place
    return OwnFolders(document, **places)
