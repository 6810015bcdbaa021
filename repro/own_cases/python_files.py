"""Own cases that are Python: each file of the folder has a function `cases()`, as the built-in families have.

Key insight: loading one runs it, with all that the user may do. So nothing here is called but for a command that asks
for own Python cases by an option, and files are counted without being loaded.
"""

from __future__ import annotations

from pathlib import Path

from cases.case import Case
from repro.layouts.neighbours import load, with_plain_names
from runner.encoding import one_line
from runner.errors import BadInput, ReproError


def python_files(folder: Path) -> list[Path]:
    """The files that may hold cases, unread: all of the folder, but for those whose names begin with `_`."""
    return sorted(path for path in folder.glob("*.py") if not path.name.startswith("_"))


def python_cases(path: Path) -> list[Case]:
    """Run a file and take its cases. Raises BadInput where it fails or has none, and whatever ReproError it raises."""
    try:
        found = list(load(path.parent, path.stem).cases())
    except ReproError:
        raise
    except (Exception, SystemExit) as error:
        said = with_plain_names(one_line(f"{type(error).__name__}: {error}"))
        raise BadInput(
            f"{path}: cases() gives no cases ({said}); write a function that returns a list of them"
        ) from error
    for case in found:
        if not isinstance(case, Case):
            raise BadInput(f"{path}: cases() returns a {type(case).__name__}; make it a cases.case.Case")
        given = sum(part is not None for part in (case.graph, case.module, case.file))
        if given != 1:
            raise BadInput(f"{path}: {case.name} has {given} of graph, module and file; give one of them")
    return found
