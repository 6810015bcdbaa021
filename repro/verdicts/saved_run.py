"""A run saved so that it can be judged again: the run itself and all that judging needs.

Layout of a folder: what `runner.store` writes (meta.json, arrays.npz), and beside it `feeds.npz` and
`reference.npz` (keys `<feed>_<index>`), `floors.json`, `model.tflite`.
"""

from __future__ import annotations

import dataclasses
import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cases.graph import Graph
from cases.tflite.read import read_tflite
from repro.verdicts.noise_floor import Floor
from runner.cache import canonical_json, write_atomically
from runner.errors import BadInput
from runner.run import Feed, Run
from runner.store import load_run, save_run


@dataclass(frozen=True)
class Judgeable:
    """Everything `judge_run` wants, as it was saved."""

    run: Run
    feeds: tuple[Feed, ...]
    references: tuple[tuple[np.ndarray, ...], ...]
    floors: tuple[Floor, ...]
    graph: Graph


def save_judgeable(
    folder: Path,
    run: Run,
    feeds: Sequence[Feed],
    references: Sequence[Sequence[np.ndarray]],
    floors: Sequence[Floor],
    model: bytes,
) -> None:
    """Write a run and what judges it into `folder`, replacing what was there."""
    save_run(run, folder)
    write_atomically(folder / "feeds.npz", _npz(feeds))
    write_atomically(folder / "reference.npz", _npz(references))
    write_atomically(folder / "floors.json", canonical_json([dataclasses.asdict(f) for f in floors]))
    write_atomically(folder / "model.tflite", model)


def load_judgeable(folder: Path) -> Judgeable:
    """Read back what `save_judgeable` wrote. Raises BadInput, saying which file is missing or damaged."""
    if not folder.is_dir():
        raise BadInput(f"{folder}: no such folder; give a folder that --save wrote")
    run = load_run(folder)
    missing = [n for n in ("feeds.npz", "reference.npz", "floors.json", "model.tflite") if not (folder / n).exists()]
    if missing:
        raise BadInput(f"{folder}: {missing[0]} is missing, so this run cannot be judged; save it again with --save")
    try:
        floors = tuple(
            Floor(
                **{
                    **f,
                    "levels": tuple((m, s) for m, s in f.get("levels", ())),
                    "by_feed": tuple(f.get("by_feed", ())),
                }
            )
            for f in json.loads((folder / "floors.json").read_text(encoding="utf-8"))
        )
        feeds, references = _arrays(folder / "feeds.npz"), _arrays(folder / "reference.npz")
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise BadInput(f"{folder}: a damaged saved run ({error}); save it again with --save") from error
    graph = read_tflite((folder / "model.tflite").read_bytes(), str(folder / "model.tflite"))
    return Judgeable(run, feeds, references, floors, graph)


def _npz(groups: Sequence[Sequence[np.ndarray]]) -> bytes:
    buffer = io.BytesIO()
    named = {f"{k}_{i}": np.asarray(array) for k, group in enumerate(groups) for i, array in enumerate(group)}
    np.savez(buffer, allow_pickle=False, **named)
    return buffer.getvalue()


def _arrays(path: Path) -> tuple[tuple[np.ndarray, ...], ...]:
    with np.load(path, allow_pickle=False) as archive:
        places = sorted(tuple(int(part) for part in key.split("_")) for key in archive.files)
        groups: list[list[np.ndarray]] = [[] for _ in range(1 + max((k for k, _ in places), default=-1))]
        for k, i in places:
            groups[k].append(archive[f"{k}_{i}"])
    return tuple(tuple(group) for group in groups)
