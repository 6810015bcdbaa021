"""`repro compare`: two runs held against each other."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from repro.changes.answer import Side
from repro.changes.changes import compare_sides
from repro.changes.pairing import chosen
from repro.changes.sources import read_side
from repro.commands import options
from repro.commands.outputs import keep_apart
from repro.display import change_lines
from repro.display.console import Screen, print_lines
from repro.display.json_lines import dump
from repro.display.junit import write_junit
from repro.display.progress import progress_line
from repro.pages.of_compare import compare_page
from repro.pages.render import write_page


@click.command()
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@click.option("--a", "of_a", multiple=True, metavar="WORD", help="Only this target or runtime of A. May be repeated.")
@click.option("--b", "of_b", multiple=True, metavar="WORD", help="Only this target or runtime of B. May be repeated.")
@click.option("--json", "as_json", is_flag=True, help="One object per change on stdout, the summary last.")
@options.junit
@options.html
@click.option("-v", "--verbose", is_flag=True, help="Every change, not the first of each kind.")
@click.pass_context
def command(
    ctx: click.Context,
    a: Path,
    b: Path,
    of_a: tuple[str, ...],
    of_b: tuple[str, ...],
    as_json: bool,
    junit_file: Path | None,
    html_file: Path | None,
    verbose: bool,
) -> None:
    """What changed from run A to run B: new, gone, another signature, only in one, numbers that moved.

    A and B are journals (of `run` or `matrix`), lines of `run`, `check` or `gate --json`, folders of --save, or matrix
    documents. They may be of different targets, runtimes or adapters; what is in the file tells what it is.
    Exit 1 if something got worse: right in A and not in B, or refused in A and wrong in B.

    \b
    1. repro run --json > before.jsonl; ...; repro run --json > after.jsonl; repro compare before.jsonl after.jsonl
    2. repro compare saved-on-lavapipe saved-on-the-phone --junit changes.xml
    3. repro compare matrix.json matrix.json --a 2.1.3 --b 2.3.0       two runtimes of one document
    """
    keep_apart({"--junit": junit_file, "--html": html_file}, (a, b))
    began = datetime.now(UTC)
    compared = compare_sides(chosen(_read(a), of_a, "--a"), chosen(_read(b), of_b, "--b"))
    if as_json:
        for record in change_lines.json_objects(compared):
            click.echo(dump(record))
    print_lines(Screen(stderr=as_json, soft_wrap=True), change_lines.lines(compared, verbose))
    if junit_file is not None:
        write_junit(junit_file, "repro compare", list(change_lines.junit_rows(compared)), began)
    if html_file is not None:
        write_page(html_file, compare_page(compared, options.typed()))
    ctx.exit(1 if compared.worse else 0)


def _read(path: Path) -> Side:
    with progress_line(str(path), 1) as line:

        def on_run(done: int, total: int) -> None:
            line.advance(f"saved run {done + 1} of {total}", steps=0)

        return read_side(path, on_run)
