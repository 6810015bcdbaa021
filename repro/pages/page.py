"""What a page holds, whatever it is about: an answer, then sections of blocks. Plain data, with texts as they are.

Key insight: seven commands have pages and a reader learns one. So each command says what it has in the same few kinds
of block, and one template knows what a block looks like, how it is filtered, and what a screen reader hears of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from repro.records.lines import Line, Tone
from repro.verdicts.error_map import ErrorMap


@dataclass(frozen=True)
class Text:
    """A paragraph. tone: what it is to its reader. href: an https address or `#id`, where the text is a link."""

    text: str
    tone: Tone = Tone.PLAIN
    href: str = ""


@dataclass(frozen=True)
class Lines:
    """Lines of a result, as a terminal shows them."""

    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Command:
    """What to type, with what it does in front of it."""

    about: str
    command: str


@dataclass(frozen=True)
class Facts:
    """Terms and what they are."""

    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Drawing:
    """An SVG element that `repro.drawings.svg` made, with its caption."""

    svg: str
    caption: str


@dataclass(frozen=True)
class HeatMap:
    """Expected, actual and error of one output."""

    map: ErrorMap


@dataclass(frozen=True)
class Row:
    """A row of a table. tags: the choice it has in each of the table's filters. details: folded under its last cell."""

    cells: tuple[Text, ...]
    tags: tuple[str, ...] = ()
    details: tuple[Block, ...] = ()


@dataclass(frozen=True)
class Table:
    """A table. caption: what its rows are. columns: constant names; filters: what its rows can be chosen by.

    The first column is what a row is about.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    filters: tuple[str, ...] = ()


@dataclass(frozen=True)
class Fold:
    """Blocks that are shown when they are asked for, or linked to by `#id`."""

    heading: str
    blocks: tuple[Block, ...]
    id: str = ""


Block = Text | Lines | Command | Facts | Drawing | HeatMap | Table | Fold


@dataclass(frozen=True)
class Section:
    """A part of a page, which its head links to."""

    heading: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Page:
    """A page. title: the command and its subject. answers: on top, what a reader came for."""

    title: str
    answers: Sequence[Text]
    sections: Sequence[Section] = field(default=())


def choices(table: Table) -> list[list[str]]:
    """What can be chosen in each filter: what its rows have, in order."""
    return [sorted({row.tags[n] for row in table.rows}) for n in range(len(table.filters))]
