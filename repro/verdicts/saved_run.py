"""A run saved so that it can be judged again: the run itself and all that judging needs.

Layout of a folder: what `runner.store` writes (meta.json, arrays.npz), and beside it `feeds.npz` and
`reference.npz` (keys `<feed>_<index>`), `floors.json`, `model.tflite`.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from cases.inputs import GivenFeeds
from repro.verdicts.noise_floor import floor_from_json
from repro.verdicts.references import Given
from repro.verdicts.subject import Subject, model_subject
from runner import memory
from runner.cache import canonical_json, read_json, write_atomically
from runner.encoding import file_name
from runner.errors import BadInput
from runner.npz import packed_groups, read_groups
from runner.run import Precision, Run
from runner.store import load_run, save_run

BESIDE = ("feeds.npz", "reference.npz", "floors.json", "model.tflite")


def folder_name(subject: Subject, run: Run) -> str:
    """Where a run lies among others: subject, precision and target."""
    target = run.fingerprint.target.replace(":", "-")
    return file_name(f"{subject.name.removesuffix('.tflite')}--{run.fingerprint.precision}--{target}")


def save_judgeable(folder: Path, run: Run, subject: Subject) -> None:
    """Write a run and what judges it into `folder`, replacing what was there."""
    save_run(run, folder)
    floors = subject.floors(Precision(run.fingerprint.precision))
    write_atomically(folder / "feeds.npz", packed_groups(subject.feeds))
    write_atomically(folder / "reference.npz", packed_groups(subject.references))
    write_atomically(folder / "floors.json", canonical_json([dataclasses.asdict(f) for f in floors]))
    write_atomically(folder / "model.tflite", subject.model)


def load_judgeable(folder: Path) -> tuple[Run, Subject]:
    """Read back what `save_judgeable` wrote. Raises BadInput, saying which file is missing or damaged."""
    if not folder.is_dir():
        raise BadInput(f"{folder}: no such folder; give a folder that --save wrote")
    run = load_run(folder)
    missing = [name for name in BESIDE if not (folder / name).exists()]
    if missing:
        raise BadInput(f"{folder}: {missing[0]} is missing, so this run cannot be judged; save it again with --save")
    try:
        memory.require_json(folder / "floors.json")
        records = read_json(folder / "floors.json")
        if not isinstance(records, list):
            raise ValueError("floors.json holds no list")
        floors = tuple(floor_from_json(record) for record in records)
        precision = Precision(run.fingerprint.precision)
        model = memory.read_file(folder / "model.tflite")
        feeds, references = read_groups(folder / "feeds.npz"), read_groups(folder / "reference.npz")
        # Of a model without inputs there are as many feeds as references, each of no array.
        feeds = feeds or ((),) * len(references)
        if len(feeds) != len(references) or any(len(outputs) != len(floors) for outputs in references):
            counts = f"{len(feeds)} feeds, {len(references)} references of {len(floors)} outputs"
            raise ValueError(f"what was fed, what is right and the floors do not belong together: {counts}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{folder}: a damaged saved run ({error}); save it again with --save") from error
    where = str(folder / "model.tflite")
    subject = model_subject(where, model, GivenFeeds(feeds, "saved"), Given(references, "saved"))
    return run, dataclasses.replace(subject, name=run.name, given_floors={precision: floors})
