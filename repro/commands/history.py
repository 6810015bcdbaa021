"""`repro history`: many runs as one grid."""

from __future__ import annotations

import functools
from pathlib import Path

import click

from repro.campaigns.expectations import Expectations, load
from repro.changes.answer import Answer, Side
from repro.changes.history import By, history_of, natural_order
from repro.changes.sources import TAKEN, read_side
from repro.commands import options
from repro.commands.outputs import keep_apart
from repro.display.console import Screen, print_lines
from repro.display.history_lines import json_objects, lines
from repro.display.json_lines import dump
from repro.display.progress import progress_line
from repro.pages.of_history import history_page
from repro.pages.render import write_page
from repro.records.lines import counted
from runner.errors import BadInput


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--by",
    type=click.Choice([str(each) for each in By]),
    help="What a column is. Default: run, where there are several.",
)
@click.option("--json", "as_json", is_flag=True, help="One object per row on stdout, the summary last.")
@options.html
@options.memory
def command(folder: Path, by: str | None, as_json: bool, html_file: Path | None) -> None:
    """What failed in the runs that lie in FOLDER, since when, and what is flaky.

    Each file or folder in it is a run, in the order of the names (so name them by date): a journal, lines of
    `run --json` or `check --json`, a folder of --save, or a matrix document. A row is a finding, or an output that
    has none, on a target. What is none of these is named and left out. Exit 2 if nothing can be read.

    \b
    1. repro run --json > runs/2026-11-25.jsonl; ...; repro history runs
    2. repro history runs --html history.html
    3. repro history findings/output-before-elementwise/evidence --by runtime
    """
    keep_apart({"--html": html_file}, [folder])
    runs, left_out = _read(folder)
    history = history_of(runs, _finding_of, By(by) if by else None)
    if as_json:
        for record in json_objects(history):
            click.echo(dump(record))
    console = Screen(stderr=as_json, soft_wrap=True)
    for reason in left_out:
        console.print(f"left out: {reason}")
    print_lines(console, lines(history))
    if html_file is not None:
        read = f"{folder}: {counted(len(runs), 'run')}"
        write_page(html_file, history_page(history, [read, *(f"left out: {one}" for one in left_out)], options.typed()))


def _read(folder: Path) -> tuple[list[tuple[str, Side]], list[str]]:
    """The runs by name, in order, and a line for each that could not be read."""
    if not folder.is_dir():
        raise BadInput(f"{folder}: no folder; name one that holds runs: {TAKEN}")
    paths = sorted((p for p in folder.iterdir() if not p.name.startswith(".")), key=lambda p: natural_order(p.name))
    runs: list[tuple[str, Side]] = []
    left_out: list[str] = []
    with progress_line("read", len(paths)) as line:
        for path in paths:
            try:
                runs.append((path.stem if path.is_file() else path.name, read_side(path)))
            except BadInput as error:
                left_out.append(str(error))
            line.advance(path.name)
    if not runs:
        first = f" ({left_out[0]})" if left_out else ""
        raise BadInput(f"{folder}: holds no run{first}; put there {TAKEN}")
    return runs, left_out


@functools.cache
def _expectations(target: str) -> Expectations:
    return load(target)


def _finding_of(answer: Answer) -> str:
    """The finding that the expectations of the answer's target explain it with."""
    expectation = _expectations(answer.target).lookup(answer.case, answer.output, answer.precision)
    return expectation.finding if expectation else ""
