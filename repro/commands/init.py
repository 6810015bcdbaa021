"""`repro init`: the beginning of a project's own catalogue, a repro.toml and the folders that it names."""

from __future__ import annotations

from pathlib import Path

import click

from repro.display.console import echo_line
from repro.records.own_folders import NAME, Folders, own_folders
from runner.cache import write_atomically
from runner.errors import BadInput

DOCUMENT = f"""\
# What this project adds to the built-in catalogue of `repro`. Commands that are called in this folder or below it find
# this file and take part of what lies in these folders. Paths are relative to this file.
[folders]
cases = "{Folders.cases}"                # NAME.tflite with a NAME.toml, or Python; `repro run --mine`
findings = "{Folders.findings}"          # `repro finding new`
expectations = "{Folders.expectations}"  # `repro expect update`
layouts = "{Folders.layouts}"            # splits for `repro gate`
reductions = "{Folders.reductions}"      # what `repro reduce` writes
fuzz = "{Folders.fuzz}"                  # what `repro fuzz` finds
"""

WITH_FOLDERS = ("cases", "findings", "expectations", "layouts")
"""Those that people put something into; the others are made by what writes into them."""


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path())
def command(folder: Path) -> None:
    """Begin a catalogue of your own in FOLDER, by default the current one.

    Writes repro.toml and folders for own cases, findings, expectations and layouts. Commands that are called there or
    below add them to the built-in ones, and write there what they would keep. Nothing that is there is changed.

    \b
    1. repro init
    2. repro run --mine                 the own cases
    3. repro finding new my-bug --model bad.tflite --control good.tflite
    """
    document = folder / NAME
    if document.exists():
        raise BadInput(f"{document} is there already; edit it, or name another folder")
    write_atomically(document, DOCUMENT.encode())
    own = own_folders(folder)
    if own is None:
        raise BadInput(
            f"{document} was written, and belongs neither to you nor to the owner of {folder}; make it yours"
        )
    for name in WITH_FOLDERS:
        place: Path = getattr(own, name)
        write_atomically(place / ".gitkeep", b"")
    echo_line(f"{document}: yours to edit; the folders are in {own.cases.parent.relative_to(own.root)}")
    echo_line('next: put a NAME.tflite and a NAME.toml (reason = "...") into its own-cases, then `repro run --mine`')
