"""Python modules that lie beside a layout: found by path, loaded under names of their own.

Key insight: Python keeps one module per name, but two layouts may each have a `post.py`, and a user's repository may
have a `models/` as this project has. So the folder in which a module is found becomes a package of its own, with a
name made from the folder's path; the modules in it are ordinary submodules, and one file is one module. Their import
statements are resolved where they stand: each of these modules has builtins whose `__import__` looks beside it first.
"""

from __future__ import annotations

import builtins
import hashlib
import importlib
import re
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader, all_suffixes
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from repro import own_packages

PREFIX = "beside_"
OWN_ROOT = Path(own_packages.ROOT).resolve()
_ROOT_MARKS = (".git", "pyproject.toml")
_INSTALLED = ("site-packages", "dist-packages")


def search_folders(folder: Path) -> list[Path]:
    """A folder and its parents up to the root of its repository, in the order in which they are searched.

    Outside a repository: up to the current folder, where that lies above. What is installed is imported by name.
    """
    folder = folder.resolve()
    chain = [folder, *folder.parents]
    for mark in _ROOT_MARKS:
        roots = [place for place in chain if (place / mark).exists()]
        if roots:
            break
    else:
        roots = [place for place in chain if place == Path.cwd()] or [folder]
    chain = chain[: chain.index(roots[0]) + 1]
    installed = next((i for i, place in enumerate(chain) if place.name in _INSTALLED), len(chain))
    return chain[:installed]


def holds(folder: Path, module: str) -> bool:
    """Whether a folder has the file of `package.module`. Plain folders count as packages on the way to it."""
    path = folder.joinpath(*module.split("."))
    places = (path.parent / f"{path.name}{suffix}" for suffix in all_suffixes())
    return any(place.is_file() for place in places) or any(
        (path / f"__init__{suffix}").is_file() for suffix in all_suffixes()
    )


def find_beside(folder: Path, module: str) -> Path | None:
    """The nearest of `search_folders` that holds a module. None: there is none, or it lies beside our own packages."""
    place = next((place for place in search_folders(folder) if holds(place, module)), None)
    return None if place == OWN_ROOT else place


def load(folder: Path, module: str) -> ModuleType:
    """The module of a folder that holds it, once per file. Raises whatever the module raises."""
    name = f"{_package_of(folder)}.{module}"
    if name not in sys.modules:
        importlib.invalidate_caches()  # the file may be younger than the last look into its folder
    return importlib.import_module(name)


def with_plain_names(text: str) -> str:
    """A message without the names that modules were loaded under: as their author knows them."""
    return re.sub(rf"\b{PREFIX}\w+_[0-9a-f]{{12}}\.", "", text)


def _package_of(folder: Path) -> str:
    """The package whose modules are a folder's files."""
    path = str(folder.resolve())
    digest = hashlib.sha256(path.encode()).hexdigest()[:12]
    word = re.sub(r"\W", "_", folder.name)
    name = f"{PREFIX}{word}_{digest}"
    if name not in sys.modules:
        package = ModuleType(name, f"The modules in {path}.")
        package.__path__ = [path]
        package.__spec__ = ModuleSpec(name, None, is_package=True)
        package.__spec__.submodule_search_locations = [path]
        sys.modules[name] = package
    if _Finder not in sys.meta_path:
        sys.meta_path.insert(0, _Finder)
    return name


class _Finder:
    """Finds the modules of these packages as Python would, and lets `_Loader` run their source."""

    @classmethod
    def find_spec(
        cls, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if path is None or not fullname.startswith(PREFIX):
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(fullname, spec.loader.path)
        return spec


class _Loader(SourceFileLoader):
    """Runs a module with builtins of its own: an import statement calls the `__import__` that it finds there."""

    def exec_module(self, module: ModuleType) -> None:
        (folder,) = sys.modules[module.__name__.partition(".")[0]].__path__
        module.__dict__["__builtins__"] = {**vars(builtins), "__import__": partial(_import_beside, Path(folder))}
        super().exec_module(module)


def _import_beside(
    folder: Path,
    name: str,
    globals: Mapping[str, Any] | None = None,
    locals: Mapping[str, Any] | None = None,
    fromlist: Sequence[str] | None = (),
    level: int = 0,
) -> ModuleType:
    """`__import__` for the modules in a folder. A relative import needs no help: their packages are real ones."""
    place = _place_of_import(folder, name, fromlist or ()) if level == 0 else None
    if place is None:
        if level == 0 and name.partition(".")[0] in own_packages.NAMES:
            own_packages.claim(name.partition(".")[0])
        return builtins.__import__(name, globals, locals, fromlist, level)
    package = _package_of(place)
    module = builtins.__import__(f"{package}.{name}", globals, locals, fromlist, 0)
    # Without names to import from it, the statement binds the first package of the dotted name.
    return module if fromlist else sys.modules[f"{package}.{name.partition('.')[0]}"]


def _place_of_import(folder: Path, name: str, fromlist: Sequence[str]) -> Path | None:
    """Where an absolute import in a module of a folder leads; None: to what is imported by name, as everywhere.

    Beside the module first, as for a script. Further up only what would not be found otherwise, or would be ours: a
    stray `random.py` in the root of a repository must not be taken for Python's.
    """
    top = name.partition(".")[0]
    if top in sys.builtin_module_names or top.startswith(PREFIX):
        return None
    above = top in own_packages.NAMES or (top not in sys.modules and find_spec(top) is None)
    for place in search_folders(folder) if above else [folder]:
        if holds(place, name) or any(holds(place, f"{name}.{item}") for item in fromlist if item != "*"):
            return None if place == OWN_ROOT else place
    return None
