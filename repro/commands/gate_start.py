"""`repro gate --init`: the files of a layout to start from, beside nothing that is there already."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from cases.graph import Graph
from cases.tflite.read import read_tflite
from repro.layouts.start import Model, control_file, plain_name, start
from repro.trials.load import read_bytes
from runner.cache import write_atomically
from runner.encoding import shell_command
from runner.errors import BadInput


def write_start(graphs: Sequence[Path], whole: Path | None, out: Path) -> Iterator[str]:
    """Write `out`, and a control beside it where one can be made. Yields what to say, one line per file.

    Raises BadInput for a file that is no model, for two graphs of one name, and for a file that is there already.
    """
    names = [plain_name(path.stem) for path in graphs]
    for name in names:
        if names.count(name) > 1:
            raise BadInput(f"two of the graphs are called '{name}'; rename one of the files")
    folder = out.parent
    models = [Model(name, _from(folder, path), _read(path)) for name, path in zip(names, graphs, strict=True)]
    if whole is not None:
        _read(whole)
    if out.suffix != ".toml":
        raise BadInput(f"--out '{out}': a layout is a .toml file; name it so")
    made = start(out.stem, models, "" if whole is None else _from(folder, whole))
    files = dict(made.control_models)
    if made.control:
        files[control_file(out.stem)] = made.control.encode()
    files[out.name] = made.layout.encode()
    for file in files:
        if (folder / file).exists():
            raise BadInput(f"'{folder / file}' is there already; remove it, or name another place with --out")
    for file, data in files.items():
        write_atomically(folder / file, data)
        yield f"wrote {folder / file}"
    for name in made.apart:
        yield (
            f"graph {name} reads nothing that a graph before it gives: name the graphs in the order in which they run, "
            f"or wire it in {out}"
        )
    yield f"look at what is called a guess in {out}, then: {shell_command(['repro', 'gate', str(out)])}"


def _read(path: Path) -> Graph:
    return read_tflite(read_bytes(path, "a .tflite model"), where=str(path))


def _from(folder: Path, path: Path) -> str:
    """The path as a layout in `folder` names it."""
    return os.path.relpath(path, folder)
