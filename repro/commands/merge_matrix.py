"""`repro merge` of the shards of a matrix."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from repro.commands import options
from repro.commands.matrix import print_matrix, stored
from repro.display.console import Screen
from repro.display.json_lines import dump
from repro.matrix.parts import merge, read_part
from repro.matrix.rows import has_unclear
from repro.pages.of_matrix import matrix_page
from repro.pages.render import write_page
from repro.records.canonical_json import canonical
from repro.records.lines import counted
from runner.cache import write_atomically


def is_matrix(path: Path) -> bool:
    """Whether a file is JSON, which a journal is not."""
    try:
        with path.open("rb") as file:
            return file.read(1) == b"{"
    except OSError:
        return False


def merge_matrices(
    files: Sequence[Path], out: Path | None, html_file: Path | None, *, as_json: bool, verbose: bool
) -> tuple[int, tuple[str, ...]]:
    """Show and store the shards as one matrix; the exit code as `repro matrix` has it, and what is missing."""
    merged = merge([read_part(path) for path in files])
    measured = merged.measured
    if out is not None:
        write_atomically(out, canonical(stored(measured, merged.rows)))
    for row in merged.rows if as_json else ():
        click.echo(dump(row))
    console = Screen(stderr=as_json)
    print_matrix(console, merged.rows, measured, verbose)
    cells = counted(len(measured.records), "cell")
    console.print(f"{cells} in {counted(len(measured.environments), 'environment')} (of {counted(len(files), 'file')})")
    if html_file is not None and merged.rows:
        page = matrix_page(merged.rows, measured.records, measured.environments, measured.unavailable, options.typed())
        write_page(html_file, page)
    return (1 if has_unclear(merged.rows) or measured.unavailable else 0), merged.missing
