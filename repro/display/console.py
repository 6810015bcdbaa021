"""Lines of a result on a terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.text import Text

from repro.records.lines import Line, Tone

STYLES = {
    Tone.PLAIN: "",
    Tone.HEAD: "bold",
    Tone.GOOD: "green",
    Tone.BAD: "red",
    Tone.WARN: "yellow",
    Tone.ASIDE: "dim",
}


def print_lines(console: Console, lines: Iterable[Line]) -> None:
    """One line each; nothing in them is taken for markup."""
    for one in lines:
        console.print(Text.assemble(*((text, STYLES[tone]) for text, tone in one.spans)), highlight=False)
