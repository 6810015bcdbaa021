"""What a test run asks for: by the project's pytest settings, and over them by options."""

from __future__ import annotations

import fnmatch
import glob
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mali_delegate_repro_pytest.tool import Tool

PRECISIONS = {"fp32": ("fp32",), "fp16": ("fp16",), "both": ("fp32", "fp16")}


@dataclass
class Settings:
    """What a test run asks for.

    models, layouts: the files that are tests, but for those that the command line ignores. lost: patterns that match
    nothing. targets: None where the project names none, so that layouts run where they say themselves. met: files that
    pytest has come across.
    """

    tool: Tool
    models: frozenset[Path]
    layouts: frozenset[Path]
    lost: tuple[str, ...]
    targets: tuple[str, ...] | None
    precision: str | None
    met: set[Path] = field(default_factory=set)

    @property
    def files(self) -> list[Path]:
        """All that are tests."""
        return sorted(self.models | self.layouts)

    def case_of(self, model: Path) -> str:
        """The name of a model in expectations: its file's, or its path where others have the same."""
        same = [path for path in self.models if path.name == model.name]
        return model.name if len(same) < 2 else os.path.relpath(model, self.tool.folder)

    def cells(self) -> Iterator[tuple[str, str]]:
        """(target, precision) of each test of a model."""
        for target in self.targets or ("gpu",):
            for precision in PRECISIONS[self.precision or "fp32"]:
                yield target, precision


SETTINGS = pytest.StashKey[Settings]()


def read_settings(config: pytest.Config) -> Settings:
    """Of the options, else of the settings. Patterns are taken from the root of the project, or are absolute."""
    root, lost = config.rootpath, []
    found: dict[str, list[Path]] = {"repro_models": [], "repro_layouts": []}
    for key, files in found.items():
        for pattern in config.getini(key):
            # Not Path.glob, which raises for an absolute pattern.
            named = glob.glob(pattern, root_dir=root, recursive=True, include_hidden=True)  # noqa: PTH207
            matching = sorted((root / name).resolve() for name in named if (root / name).is_file())
            files += (path for path in matching if not _is_ignored(path, config))
            if not matching:
                lost.append(f"{key}: '{pattern}' matches no file in {root}{_hint(key, pattern, bool(named))}")
    return Settings(
        Tool(root),
        frozenset(found["repro_models"]),
        frozenset(found["repro_layouts"]),
        tuple(lost),
        tuple(config.getoption("--repro-target") or config.getini("repro_targets")) or None,
        config.getoption("--repro-precision") or config.getini("repro_precision") or None,
    )


def _is_ignored(path: Path, config: pytest.Config) -> bool:
    """Whether --ignore or --ignore-glob names a file or a folder around it; pytest asks this of no file by itself."""
    places = [path, *path.parents]
    here = config.invocation_params.dir
    ignored = {(here / one).resolve() for one in config.getoption("ignore") or ()}
    globs = [str(here / one) for one in config.getoption("ignore_glob") or ()]
    return any(place in ignored or any(fnmatch.fnmatch(str(place), glob) for glob in globs) for place in places)


def _hint(key: str, pattern: str, has_folders: bool) -> str:
    """What to write in the place of a pattern that matches no file, where that can be told."""
    if has_folders:
        files = f"{pattern.rstrip('/*')}/*{'.tflite' if key == 'repro_models' else '.toml'}"
        return f", but a folder; name its files: '{files}'"
    return "; one pattern a line" if len(pattern.split()) > 1 else ""
