"""The oracle's tables: on a terminal, and as the part of docs/judge.md that the command writes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from repro.selftest.injection import PEERS, Tally
from runner.cache import write_atomically
from runner.errors import BadInput
from runner.run import Precision

Tallies = Mapping[str, Mapping[Precision, Tally]]
"""By kind of fault and precision."""

COMMAND = "make oracle"


def marks(command: str) -> tuple[str, str]:
    """The lines of a document between which a command writes its table."""
    return f"<!-- written by `{command}`: begin -->", f"<!-- written by `{command}`: end -->"


BEGIN, END = marks(COMMAND)


def share(part: int, whole: int) -> str:
    """`99.5 %`, cut and not rounded, so that 100 % is all of them; `-` of nothing."""
    return f"{1000 * part // whole / 10:g} %" if whole else "-"


def _cells(name: str, by_precision: Mapping[Precision, Tally]) -> list[str]:
    both = sum(by_precision.values(), Tally())
    ours = [share(by_precision[p].noticed, by_precision[p].injected) for p in Precision]
    within = [by_precision[p].within_noise for p in Precision]
    peers = [share(both.peers[peer], both.injected) for peer in PEERS]
    return [name, str(both.injected), *ours, "/".join(map(str, within)) if any(within) else "", *peers]


def rows_of(tallies: Tallies) -> Iterator[list[str]]:
    """One row per kind, and one of all."""
    for name, by_precision in tallies.items():
        yield _cells(name, by_precision)
    yield _cells("all", {p: sum((of[p] for of in tallies.values()), Tally()) for p in Precision})


COLUMNS = ("fault", "injected", *(f"seen {p}" for p in Precision), "within noise", *PEERS)


def print_faults(console: Console, tallies: Tallies, outputs: int) -> None:
    """The table on a terminal."""
    title = f"{len(tallies)} kinds of faults in {outputs} healthy outputs: share noticed"
    table = Table(title=title, title_justify="left")
    for column in COLUMNS:
        table.add_column(column, justify="left" if column == "fault" else "right")
    for row in rows_of(tallies):
        table.add_row(*row, style="bold" if row[0] == "all" else None)
    console.print(table)


def markdown(tallies: Tallies, about: Sequence[str]) -> str:
    """The same in Markdown, under lines that say what was measured where."""
    lines = [*about, "", f"| {' | '.join(COLUMNS)} |", f"|---|{'---:|' * (len(COLUMNS) - 1)}"]
    lines += [f"| {' | '.join(row)} |" for row in rows_of(tallies)]
    return "\n".join(lines)


def write_into(document: Path, text: str, command: str = COMMAND) -> None:
    """Replace what stands between a command's marks in a document. Raises BadInput where they are not there."""
    begin, end = marks(command)
    try:
        old = document.read_text(encoding="utf-8")
    except OSError as error:
        raise BadInput(
            f"{document}: cannot be read ({error.strerror}); give the document with the table of `{command}`"
        ) from error
    new, count = re.subn(
        f"{re.escape(begin)}.*{re.escape(end)}", lambda _: f"{begin}\n{text}\n{end}", old, flags=re.DOTALL
    )
    if count != 1:
        raise BadInput(f"{document}: it lacks the lines '{begin}' and '{end}', between which the table goes")
    write_atomically(document, new.encode())
