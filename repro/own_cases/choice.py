"""Cases by name, of the catalogue and of the project that a command runs in.

Key insight: what is found by walking upwards may be a stranger's, so a command without `--mine` takes only what is data
of it, and says how many Python files it left alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from cases import catalogue
from cases.case import Case
from repro.own_cases.model_files import model_cases
from repro.own_cases.python_files import python_cases, python_files
from repro.records.lines import counted
from repro.records.own_folders import OwnFolders, own_folders
from runner.errors import BadInput, NothingRan

_NAME = re.compile(r"[a-z0-9][\w.-]*(/(?!\.)[\w.-]+)+", re.ASCII)
_NO_PROJECT = "--mine is about own cases, and there is no repro.toml here or above; `repro init` writes one"


@dataclass(frozen=True)
class Mine:
    """What of the project's own cases a command takes. only: `--mine`: them alone, Python among them. no_python: refuse
    Python instead of running it."""

    only: bool = False
    no_python: bool = False


BUILT_IN_AND_DATA = Mine()
"""The built-in cases, and own ones that are no Python: what a command takes that asks for nothing."""


def select(patterns: Sequence[str], family: str | None = None, mine: Mine = BUILT_IN_AND_DATA) -> tuple[Case, ...]:
    """As `cases.catalogue.select`, of the built-in cases and the project's own ones.

    Without `mine.only` own Python files are not run, and their cases not known. Raises BadInput, and NothingRan where
    there is no own case.
    """
    own = own_folders()
    if not mine.only:
        return catalogue.select(patterns, family, (*catalogue.catalogue(), *(own_cases(own) if own else ())))
    if own is None:
        raise BadInput(_NO_PROJECT)
    cases = own_cases(own, python=True, no_python=mine.no_python)
    if not cases:
        raise NothingRan(f"{own.cases} holds no case; put a .tflite with a .toml there, or a .py with cases()")
    return catalogue.select(patterns, family, cases)


def own_cases(own: OwnFolders, *, python: bool = False, no_python: bool = False) -> tuple[Case, ...]:
    """The project's own cases. python: also those that are Python, which is run.

    Raises BadInput for Python with no_python, a case that cannot be read, a name that is taken or that is no name, a
    family that is built in, and a control of nothing.
    """
    cases = model_cases(own.cases)
    files = python_files(own.cases) if python else []
    if files and no_python:
        more = f", and {len(files) - 1} more like it" if len(files) > 1 else ""
        raise BadInput(f"{files[0]} is Python{more}, and --no-python runs none; leave it out if you trust them")
    for path in files:
        cases += python_cases(path)
    built_in, names = set(catalogue.families()), [case.name for case in cases]
    known = {*names, *(case.name for case in catalogue.catalogue())}
    for case in cases:
        if not _NAME.fullmatch(case.name) or case.name.partition("/")[0] != case.family:
            raise BadInput(
                f"own case '{case.name}' of family '{case.family}': call it {case.family}/what-it-is, of the"
                " letters a to z, digits, '-', '_' and '.'"
            )
        if case.family in built_in:
            raise BadInput(f"own case '{case.name}': the family '{case.family}' is built in; choose another, as `mine`")
        if names.count(case.name) > 1:
            raise BadInput(f"two own cases are called {case.name}; rename one")
        if case.control_of and case.control_of not in known:
            raise BadInput(f"own case '{case.name}' is the control of '{case.control_of}', which is no case")
    return tuple(cases)


def notice(mine: Mine | None = None) -> str:
    """What a command says of the project that it runs in: one line, empty outside of any. mine: if it takes cases."""
    own = own_folders()
    if own is None:
        return ""
    left = 0 if mine is None or mine.only else len(python_files(own.cases))
    files = f"; {counted(left, 'Python file')} of cases not run, --mine runs Python of that folder" if left else ""
    return f"own catalogue: {own.document}{files}"
