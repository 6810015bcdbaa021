"""What a reduction leaves on disk: every accepted step as a folder that can be replayed, and the result.

OUT/reductions/0000/   the original        model.tflite, inputs.npz, verdict.json, replay.sh
OUT/reductions/0001/   the first step      ...
OUT/tried.sqlite       every candidate's answer: what makes a reduction resumable
OUT/reduced.tflite, OUT/inputs.npz, OUT/summary.json
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cases.tflite.write import write_tflite
from repro.reducer.problem import Specimen, op_label
from repro.reducer.search import Reduced, Step
from runner.cache import canonical_json, write_atomically
from runner.encoding import is_inside, shell_command
from runner.npz import packed
from runner.run import Feed, Precision

STEPS = "reductions"
JOURNAL = "tried.sqlite"
MODEL = "reduced.tflite"
INPUTS = "inputs.npz"
SUMMARY = "summary.json"


def replay_command(target: str, precision: Precision, model: str, inputs: Iterable[str]) -> str:
    """The command that shows a step's failure again; it exits 1, because the output is wrong.

    inputs: the .npz of each feed: what an output holds may depend on the feed before.
    """
    fed = [word for name in inputs for word in ("--inputs", name)]
    return shell_command(("repro", "check", model, *fed, "--target", target, "--precision", str(precision)))


def write_step(folder: Path, step: Step, target: str, precision: Precision) -> Path:
    """Write one accepted step; a former one of the same number is replaced. Returns its folder."""
    place = folder / STEPS / f"{step.number:04d}"
    write_specimen(place, step.specimen)
    failure = step.answer.failure
    record = {
        "number": step.number,
        "by": step.specimen.made_by,
        "ops": len(step.specimen.graph.ops),
        "output": step.specimen.output,
        "verdict": step.answer.text,
        "signature": failure.signature if failure else None,
        "role": asdict(failure.role) if failure and failure.role else None,
        "roles_changed": sorted(step.specimen.drift),
        "runs": step.runs,
    }
    write_atomically(place / "verdict.json", canonical_json(record))
    command = replay_command(target, precision, "model.tflite", distinct_feeds(step.specimen))
    write_atomically(place / "replay.sh", f'#!/bin/sh\ncd "$(dirname "$0")" && {command}\n'.encode())
    return place


def write_specimen(place: Path, specimen: Specimen, model: str = "model.tflite") -> None:
    """The model and its distinct feeds: inputs.npz, inputs_2.npz and so on."""
    write_atomically(place / model, write_tflite(specimen.graph))
    for name, feed in distinct_feeds(specimen).items():
        write_atomically(place / name, packed(dict(zip(member_names(specimen.graph.inputs), feed, strict=True))))


def distinct_feeds(specimen: Specimen) -> dict[str, Feed]:
    """The feeds that differ, under the names of their files: inputs.npz, inputs_2.npz and so on."""
    distinct = {id(feed): feed for feed in specimen.feeds}.values()
    return {f"inputs_{k + 1}.npz" if k else INPUTS: feed for k, feed in enumerate(distinct)}


def _inside(folder: Path, specimen: Specimen) -> list[str]:
    return [str(folder / name) for name in distinct_feeds(specimen)]


def member_names(inputs: Sequence[str]) -> list[str]:
    """What the inputs are called in an .npz: by their names, or by place where one of these is no path of a member."""
    if all(map(is_inside, inputs)):
        return list(inputs)
    return [f"arr_{index}" for index in range(len(inputs))]


def summary(reduced: Reduced, target: str, precision: Precision, folder: Path, seed: int) -> dict[str, Any]:
    """The summary object of `--json`: at least ops, runs, signature, model."""
    graph = reduced.specimen.graph
    role = reduced.failure.role
    return {
        "ops": len(graph.ops),
        "runs": reduced.runs,
        "signature": reduced.failure.signature,
        "model": str(folder / MODEL),
        "inputs": str(folder / INPUTS),
        "output": graph.outputs.index(reduced.specimen.output) if reduced.specimen.output else -1,
        "role": asdict(role) if role else None,
        "graph": [op_label(op, graph) for op in graph.ops],
        "outputs": list(graph.outputs),
        "needs": [asdict(need) for need in reduced.needs],
        "steps": reduced.steps,
        "role_steps": reduced.role_steps,
        "complete": reduced.complete,
        "unfit": reduced.fitness.as_json() if reduced.fitness and reduced.fitness.is_unfit else None,
        "target": target,
        "precision": str(precision),
        "seed": seed,
        "replay": replay_command(target, precision, str(folder / MODEL), _inside(folder, reduced.specimen)),
    }


def read_summary(folder: Path) -> dict[str, Any]:
    """The summary object that a finished reduction left."""
    record: dict[str, Any] = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
    return record


def write_result(folder: Path, reduced: Reduced, record: dict[str, Any]) -> None:
    """The result beside its history."""
    write_specimen(folder, reduced.specimen, MODEL)
    write_atomically(folder / SUMMARY, canonical_json(record))
