"""`repro docs`: the pages of the documentation, where no site of them is at hand."""

from __future__ import annotations

from pathlib import Path

import click

from repro.commands import completion
from repro.display.console import echo_line
from repro.records.folders import pages
from repro.records.strict import near_one
from runner.errors import BadInput


@click.command()
@click.argument("page", required=False, shell_complete=completion.pages)
def command(page: str | None) -> None:
    """Print a PAGE of the documentation as markdown, or without one which pages there are.

    Where a page names a file of this tool, such as docs/examples/two_graphs/split.toml, the commands that read one find
    it in any folder.

    \b
    1. repro docs
    2. repro docs gate-your-own-split
    """
    known = pages()
    if page is None:
        width = max(map(len, known), default=0)
        for name, path in known.items():
            echo_line(f"{name:<{width}}  {_title(path)}")
        return
    asked = page.removeprefix("docs/").removesuffix(".md")
    if asked not in known:
        raise BadInput(f"there is no page '{page}'{near_one(asked, known) or '; `repro docs` lists them'}")
    click.echo(known[asked].read_text(encoding="utf-8"), nl=False)


def _title(page: Path) -> str:
    with page.open(encoding="utf-8") as text:
        return text.readline().lstrip("#").strip()
