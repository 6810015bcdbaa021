"""A result in words: lines whose parts have a tone, the same ones on the terminal, in `print()` and in a notebook.

Key insight: a result that says itself what it is can be shown anywhere, and the screen and the library cannot drift
apart. So the words belong to the result; a colour is only a tone here, and whoever shows a line chooses what it looks
like there. Names in the words come from strangers' files, so a line is made printable and short, and stays one line.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from runner.encoding import html_text, one_line


class Tone(enum.StrEnum):
    """What a part of a line is to its reader."""

    PLAIN = "plain"
    HEAD = "head"
    GOOD = "good"
    BAD = "bad"
    WARN = "warn"
    ASIDE = "aside"


@dataclass(frozen=True)
class Line:
    """One line, as (text, tone) from left to right."""

    spans: tuple[tuple[str, Tone], ...]

    @property
    def text(self) -> str:
        return "".join(text for text, _ in self.spans)


def line(*parts: str | tuple[str, Tone]) -> Line:
    """A line of plain texts and toned ones."""
    toned = ((part, Tone.PLAIN) if isinstance(part, str) else part for part in parts)
    return Line(tuple((one_line(text), tone) for text, tone in toned))


def counted(number: int, noun: str) -> str:
    """`1 output`, `2 outputs`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def indented(lines: Iterable[Line], by: str = "  ") -> Iterator[Line]:
    """The same lines further to the right."""
    return (Line(((by, Tone.PLAIN), *one.spans)) for one in lines)


CSS = {
    Tone.PLAIN: "",
    Tone.HEAD: "font-weight:bold",
    Tone.GOOD: "color:#1a7f37",
    Tone.BAD: "color:#cf222e",
    Tone.WARN: "color:#9a6700",
    Tone.ASIDE: "color:#6e7781",
}


class Worded:
    """A result that says in lines what it is. A subclass gives `lines`; `print()` and notebooks show them."""

    def lines(self) -> Iterator[Line]:
        raise NotImplementedError

    def __str__(self) -> str:
        return "\n".join(one.text for one in self.lines())

    def _repr_html_(self) -> str:
        """For notebooks."""
        rows = ("".join(_html(*span) for span in one.spans) for one in self.lines())
        return "<pre>" + "\n".join(rows) + "</pre>"


def _html(text: str, tone: Tone) -> str:
    return f'<span style="{CSS[tone]}">{html_text(text)}</span>' if CSS[tone] else html_text(text)
