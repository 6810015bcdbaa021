"""The terminal: the only place that writes to it for people, and so the only one that has to make text printable.

Key insight: a name printed as it is can hold escape sequences, line ends or markup, and so print a line of its own, a
"clean" for example. So no command has a console of rich's: it has a `Screen`, which takes no markup and no emoji codes,
and makes each string that it is given one printable line. Colour comes from the tones of a `Line`, never out of a text.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Iterable
from typing import Any, TextIO

import click
from rich.console import Console, RenderableType
from rich.status import Status
from rich.text import Text

from repro.records.lines import Line, Tone, line
from runner.encoding import one_line

STYLES = {
    Tone.PLAIN: "",
    Tone.HEAD: "bold",
    Tone.GOOD: "green",
    Tone.BAD: "red",
    Tone.WARN: "yellow",
    Tone.ASIDE: "dim",
}


LOG_WIDTH = 180
"""Characters of a line of a table in a file or a pipe, which has no edge to wrap at; $COLUMNS says otherwise."""


class Clock:
    """Text with the time since it began behind it; drawn anew with every picture of the spinner."""

    def __init__(self, text: str, began: float) -> None:
        self._text, self._began = one_line(text), began

    def __str__(self) -> str:
        return self._text

    def __rich__(self) -> Text:
        minutes, seconds = divmod(int(time.monotonic() - self._began), 60)
        return Text(f"{self._text}  {minutes}:{seconds:02d}")


class Doing(Status):
    """What is done now, beside a spinner, and for how long the whole has been going on."""

    def __init__(self, status: str, **options: Any) -> None:
        self._began = time.monotonic()
        super().__init__(Clock(status, self._began), **options)

    def update(self, status: RenderableType | None = None, **options: Any) -> None:
        super().update(Clock(status, self._began) if isinstance(status, str) else status, **options)


def own_stderr() -> TextIO:
    """Where progress is shown. A terminal's is a descriptor of its own, as a converter's noise is kept from 2."""
    if not sys.stderr.isatty():
        return sys.stderr
    return os.fdopen(os.dup(sys.stderr.fileno()), "w", encoding=sys.stderr.encoding, errors="backslashreplace")


class Screen(Console):
    """A console to which every string is a text, wherever it stands: in a line, in a table's cell, beside a spinner."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **options)
        if not self.is_terminal and not {"width", "COLUMNS"} & {*options, *os.environ}:
            self.width = LOG_WIDTH

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(one_line(text), **{**options, "markup": False, "emoji": False})

    def on_broken_pipe(self) -> None:
        """Left to the command line: rich would end with exit 1, which means findings."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))

    def say(self, *parts: str | tuple[str, Tone], soft_wrap: bool | None = None) -> None:
        """Print one line of plain texts and toned ones."""
        self.print(text_of(line(*parts)), soft_wrap=soft_wrap)

    def status(self, status: RenderableType, **options: Any) -> Doing:
        if not isinstance(status, str):
            raise TypeError("what is done is said in a string")
        return Doing(status, console=self, **options)


def print_lines(console: Console, lines: Iterable[Line]) -> None:
    """One line each."""
    for one in lines:
        console.print(text_of(one))


def text_of(one: Line) -> Text:
    """A line as rich takes it, for a table's cell."""
    return Text.assemble(*((text, STYLES[tone]) for text, tone in one.spans))


def cell(text: str, tone: Tone = Tone.PLAIN) -> Text:
    """A toned cell of a table."""
    return text_of(line((text, tone)))


def echo_line(text: str, *, err: bool = False) -> None:
    """One line on stdout or stderr as it is, however narrow the terminal."""
    click.echo(one_line(text), err=err)
