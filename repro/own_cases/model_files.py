"""Own cases that are data: a .tflite, and beside it a .toml of the same name that says why it is there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cases.case import Case
from repro.records.strict import Said
from repro.records.strict_toml import read_toml
from runner.errors import BadInput

FAMILY = "mine"


@dataclass(frozen=True)
class _About:
    """The keys of the .toml: those of a Case that a file does not say itself."""

    reason: Said
    control_of: str = ""
    link: str = ""
    inputs: Literal["gaussian", "watermark"] = "gaussian"
    seed: int = 0


def model_cases(folder: Path) -> list[Case]:
    """A case `mine/a/b` for each `a/b.tflite` below the folder, in the order of their names.

    Raises BadInput for a model without its .toml, a .toml without its model, and one that does not say what it must.
    """
    models = sorted(folder.rglob("*.tflite"))
    for lost in sorted(set(folder.rglob("*.toml")) - {path.with_suffix(".toml") for path in models}):
        raise BadInput(f"{lost}: there is no {lost.with_suffix('.tflite').name} beside it, which it would be about")
    return [_case(folder, path) for path in models]


def _case(folder: Path, model: Path) -> Case:
    document = model.with_suffix(".toml")
    if not document.is_file():
        raise BadInput(f'{model}: an own case needs {document.name} beside it, with at least: reason = "..."')
    about = read_toml(document, _About, f"'{document}'")
    name = model.relative_to(folder).with_suffix("").as_posix()
    return Case(
        f"{FAMILY}/{name}",
        FAMILY,
        about.reason,
        file=model,
        control_of=about.control_of,
        link=about.link,
        inputs=about.inputs,
        seed=about.seed,
    )
