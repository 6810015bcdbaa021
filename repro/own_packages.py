"""In this process `cases`, `models` and `runner` are this project's packages, wherever Python was started.

Key insight: the names are common ones, `sys.path` gives a name to the first folder that has it, and in a user's
repository that is theirs. A process holds one module per name, so a name is claimed before anything is imported under
it: from then on it is looked for beside `repro` and nowhere else. `import repro` claims `cases` and `runner`, without
which nothing works; `models` is claimed by what needs it (the command line, detections of a gate), because most users
have a `models` of their own. Where theirs came first, or is asked for afterwards, that is one line: a NameClash.

Part of `import repro`: standard library only, nothing heavy, and nothing out of the packages that may be hidden.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import PathFinder

TYPE_CHECKING = False  # what type checkers take for true: `typing` costs more than all of this
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

NAMES = ("cases", "models", "runner")
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 - so does pathlib
"""The folder that holds `repro` and its three neighbours."""

_INSTEAD = "run the `repro` command in its place, or use repro in a process that does not import yours"


class _OwnPackages:
    """The import system's first finder: it answers for the claimed names, and for no other."""

    def __init__(self) -> None:
        self.claimed: set[str] = set()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        name = fullname.partition(".")[0]
        if name not in self.claimed:
            return None
        spec = PathFinder.find_spec(fullname, [ROOT] if path is None else path, target)
        if spec is None:
            hidden = _hidden(fullname)
            if hidden is not None:
                raise _name_clash(
                    f"'{fullname}' is looked for in mali-delegate-repro's own '{name}' ({_folder(name)}), which hides"
                    f" yours ({hidden}): one process can hold only one of the two; {_INSTEAD}"
                )
        return spec


_FINDER = _OwnPackages()


def claim(*names: str) -> None:
    """Let these names (of NAMES) be our packages from now on. Raises NameClash where one is already another's."""
    for name in names:
        other = sys.modules.get(name)
        if other is not None and not _is_own(name, other):
            raise _name_clash(
                f"'{name}' of mali-delegate-repro is needed, but this process has already imported another '{name}'"
                f" ({_place(other)}), and it can hold only one of the two; {_INSTEAD}"
            )
    _FINDER.claimed.update(names)
    if _FINDER not in sys.meta_path:
        sys.meta_path.insert(0, _FINDER)


def _folder(name: str) -> str:
    return os.path.join(ROOT, name)  # noqa: PTH118


def _is_own(name: str, module: ModuleType) -> bool:
    return _same_file(getattr(module, "__file__", None), os.path.join(_folder(name), "__init__.py"))  # noqa: PTH118


def _same_file(one: str | None, other: str) -> bool:
    return one is not None and (one == other or os.path.realpath(one) == os.path.realpath(other))


def _place(module: ModuleType) -> str:
    """Where a module lies: its file, or the first folder of a package without one."""
    return getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", ())), "built in")


def _hidden(fullname: str) -> str | None:
    """Where `sys.path` holds another package that may have this module; None where there is none."""
    name, _, rest = fullname.partition(".")
    elsewhere = [entry for entry in sys.path if not _same_file(entry or os.getcwd(), ROOT)]  # noqa: PTH109
    spec = PathFinder.find_spec(name, elsewhere)
    if spec is None or _same_file(spec.origin, os.path.join(_folder(name), "__init__.py")):  # noqa: PTH118
        return None
    if spec.origin is not None:
        return spec.origin  # what its code defines is not known without running it
    # A plain folder holds nothing but its files.
    folders = list(spec.submodule_search_locations or ())
    inside = PathFinder.find_spec(f"{name}.{rest.partition('.')[0]}", folders)
    return None if inside is None else folders[0]


def _name_clash(line: str) -> Exception:
    """The class that callers catch, where it is loaded; else read from its file, for its name may be hidden."""
    errors = sys.modules.get("runner.errors")
    path = os.path.join(_folder("runner"), "errors.py")  # noqa: PTH118
    if errors is None or not _same_file(errors.__file__, path):
        from importlib.util import module_from_spec, spec_from_file_location

        spec = spec_from_file_location("repro.own_errors", path)
        assert spec is not None
        assert spec.loader is not None
        errors = module_from_spec(spec)
        spec.loader.exec_module(errors)
    clash: Exception = errors.NameClash(line)
    return clash
