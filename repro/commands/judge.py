"""`repro judge`: saved runs or bare arrays, judged again, possibly under another table of thresholds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np

from repro.commands import options
from repro.display import json_lines
from repro.display.console import Screen, print_lines
from repro.records.canonical_json import finite_or_none
from repro.records.lines import Line, indented, line
from repro.records.strict import near_one
from repro.verdicts.judge import DEFAULT_DEPTH, judge, judge_arrays
from repro.verdicts.noise_floor import Floor
from repro.verdicts.saved_run import load_judgeable
from repro.verdicts.threshold_reader import load_thresholds
from repro.verdicts.thresholds import DEFAULT, Thresholds
from repro.verdicts.verdict import Status, Verdict
from runner.errors import BadInput, NothingRan
from runner.npz import UnreadableArrays, read_arrays
from runner.run import Outcome, Precision


@click.command()
@click.argument("runs", nargs=-1, type=click.Path(path_type=Path))
@click.option("--reference", type=click.Path(path_type=Path), help=".npz with the right outputs (float64 best).")
@click.option("--actual", type=click.Path(path_type=Path), help=".npz with the outputs to judge; keys pair by name.")
@click.option(
    "--floor",
    "floor_file",
    type=click.Path(path_type=Path),
    help=".npz with what healthy arithmetic gives: an emulation's outputs, or one number (RMSE) per output.",
)
@options.one_precision
@click.option(
    "--depth",
    type=click.IntRange(1),
    default=DEFAULT_DEPTH,
    show_default=True,
    help="Accumulations behind each output, where there is no --floor.",
)
@click.option(
    "--thresholds",
    "table_file",
    type=click.Path(path_type=Path),
    help="TOML with other thresholds, each with its reason.",
)
@options.json_per_output
@click.option("-v", "--verbose", is_flag=True, help="Also the judge's own measures: noise floors, standard errors, dB.")
@options.memory
@click.pass_context
def command(
    ctx: click.Context,
    runs: tuple[Path, ...],
    reference: Path | None,
    actual: Path | None,
    floor_file: Path | None,
    precision: str,
    depth: int,
    table_file: Path | None,
    as_json: bool,
    verbose: bool,
) -> None:
    """Judge saved RUNS (folders that --save wrote) again, or one .npz of outputs against another.

    Exit 0 if every output is PASS, else 1; 3 if there was no output to judge. An output without power to judge
    is INVALID and never a pass.

    \b
    1. repro run 'public-reports/*' --save saved && repro judge saved/*
    2. repro judge saved/* --thresholds stricter.toml --json
    3. repro judge --reference ref.npz --actual out.npz --floor emulated.npz --precision fp16
    """
    table = load_thresholds(table_file) if table_file is not None else DEFAULT
    bare = reference is not None or actual is not None
    if not bare and not runs:
        raise NothingRan("no run was given, so nothing was judged; name saved run folders, or --reference and --actual")
    if bare and runs:
        raise click.UsageError("give saved run folders, or --reference and --actual")
    if bare and (reference is None or actual is None):
        raise click.UsageError("--reference and --actual go together")
    if not bare and floor_file is not None:
        raise click.UsageError("--floor belongs to --reference and --actual; a saved run has its own floors")
    console = Screen(stderr=as_json, soft_wrap=True)
    clean = True
    verdicts: Iterator[tuple[dict[str, Any], Verdict]]
    if reference is not None and actual is not None:
        verdicts = _bare(reference, actual, floor_file, Precision(precision), depth, table)
    else:
        verdicts = (pair for folder in runs for pair in _saved(folder, table))
    said: Mapping[str, Any] = {}
    for where, verdict in verdicts:
        clean &= verdict.status is Status.PASS
        if as_json:
            numbers = {name: finite_or_none(value) for name, value in verdict.metrics.items()}
            click.echo(json_lines.dump({**where, **json_lines.verdict_fields(verdict), "metrics": numbers}))
            continue
        if where is not said:
            print_lines(console, [_head(where)])
        said = where
        print_lines(console, indented(verdict.lines(verbose=verbose)))
    ctx.exit(0 if clean else 1)


def _head(where: Mapping[str, Any]) -> Line:
    """Which run the lines below are about. where: its fields of --json."""
    what = " ".join(where[field] for field in ("case", "target", "precision", "runtime") if where.get(field))
    return line(what, f"  thresholds: {where['thresholds']}" if where["thresholds"] != DEFAULT.name else "")


def _saved(folder: Path, table: Thresholds) -> Iterator[tuple[dict[str, Any], Verdict]]:
    if folder.is_dir() and not any(folder.iterdir()):
        raise NothingRan(f"{folder} is empty, so nothing was judged; give a folder that --save wrote")
    run, subject = load_judgeable(folder)
    if run.outcome is Outcome.OK and not any(run.outputs):
        raise NothingRan(f"{folder}: the run has no output, so nothing was judged; save one of a model that has some")
    fingerprint = run.fingerprint
    where = {
        "case": run.name,
        "target": fingerprint.target,
        "adapter": fingerprint.adapter,
        "runtime": fingerprint.runtime,
        "precision": str(fingerprint.precision),
        "thresholds": table.name,
    }
    for verdict in judge(run, subject, thresholds=table, metrics="all"):
        yield where, verdict


def _bare(
    reference: Path, actual: Path, floor_file: Path | None, precision: Precision, depth: int, table: Thresholds
) -> Iterator[tuple[dict[str, Any], Verdict]]:
    references, actuals = _arrays(reference), _arrays(actual)
    floors = _arrays(floor_file) if floor_file is not None else {}
    missing = [name for name in references if name not in actuals]
    extra = [name for name in actuals if name not in references]
    if missing or extra:
        lacks, name = (actual, missing[0]) if missing else (reference, extra[0])
        near = near_one(name, extra if missing else missing)
        raise BadInput(f"{lacks}: no array '{name}', which the other file has; keys pair by name{near}")
    unpaired = [name for name in floors if name not in references]
    if unpaired:
        near = near_one(unpaired[0], references)
        raise BadInput(f"{floor_file}: '{unpaired[0]}' is no output of {reference.name}; keys pair by name{near}")
    where = {"case": actual.name, "precision": str(precision), "thresholds": table.name}
    for index, (name, wanted) in enumerate(references.items()):
        floor = Floor(0.0, "rule", depth)
        if name in floors:
            floor = _floor(wanted, floors[name], depth, precision, f"{floor_file}: '{name}'")
        yield (
            where,
            judge_arrays(actuals[name], wanted, floor, precision=precision, output=index, name=name, thresholds=table),
        )


def _floor(reference: np.ndarray, given: np.ndarray, depth: int, precision: Precision, where: str) -> Floor:
    """A floor from one number (its RMSE), from an emulation's output, or from element-wise error sizes."""
    from repro.verdicts.emulation import floor_between

    if given.size == 1 and reference.size != 1:
        value = float(given.reshape(-1)[0])
        if not (np.isfinite(value) and value >= 0):
            raise BadInput(f"{where} is {value}; a floor is an RMS error, at least 0")
        return Floor(value, "emulation", depth)
    if given.shape != reference.shape:
        raise BadInput(f"{where} has shape {given.shape}, the output has {reference.shape}; give that, or one number")
    if reference.dtype.kind != "f":
        return Floor(0.0, "rule", depth)
    size, signal = float(np.sqrt(np.mean(np.square(given)))), float(np.sqrt(np.mean(np.square(reference))))
    if (given >= 0).all() and size < 0.25 * signal:
        return Floor(size, "emulation", depth)
    floor = floor_between(reference, given, depth, precision)
    if floor is None:
        raise BadInput(f"{where} is not finite where the reference is; such an emulation says nothing about noise")
    return floor


def _arrays(path: Path) -> dict[str, np.ndarray]:
    """All arrays of an .npz (or the one of an .npy, called `array`). Raises BadInput."""
    if not path.is_file():
        raise BadInput(f"{path}: no such file; give an .npz written with numpy.savez")
    try:
        arrays = read_arrays(path, alone="array")
    except UnreadableArrays as error:
        raise BadInput(f"{path}: not a readable .npz ({error}); write it with numpy.savez") from error
    if not arrays:
        raise BadInput(f"{path}: holds no arrays; write it with numpy.savez")
    for name, array in arrays.items():
        if array.dtype.kind not in "fiub":
            raise BadInput(f"{path}: '{name}' is {array.dtype}; outputs are float, integer or bool arrays")
    return arrays
