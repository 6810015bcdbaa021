"""A grid of cells as an SVG that stands alone: many rows, many columns, a letter and a colour per cell.

Key insight: a picture in a README is shown by a stranger's page, in light or dark and without any style of ours. So it
brings its own colours for both, and each colour has a letter, for those who do not see it and for print.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from runner.encoding import html_text

CHARACTER = 6.7
"""Width of a character of a row's name: monospaced, 11 units."""
PART = 13
"""Width of one part of a cell."""
ROW = 17
GAP = 6
LEGEND = 20
STYLE = (
    "text{font:11px ui-monospace,SFMono-Regular,Consolas,monospace;fill:#1f2328}"
    ".ground{fill:#fff}.group{font-weight:700}.mark{text-anchor:middle;font-weight:700}"
    ".good{fill:#dafbe1}.bad{fill:#ffc1ba}.loud{fill:#a40e26}.unclear{fill:#fff3c2}.empty{fill:#f1f3f5}"
    ".mark.onloud{fill:#fff}"
    "@media (prefers-color-scheme:dark){text{fill:#e6edf3}.ground{fill:#0d1117}.good{fill:#123820}.bad{fill:#7d1f1a}"
    ".loud{fill:#ff8b82}.unclear{fill:#4d3b00}.empty{fill:#1c2128}.mark.onloud{fill:#0d1117}}"
)


@dataclass(frozen=True)
class Part:
    """A part of a cell. kind: `good`, `bad`, `loud`, `unclear` or `empty`. mark: a letter or none."""

    kind: str
    mark: str = ""


@dataclass(frozen=True)
class Column:
    """A column. group: the heading that it shares with its neighbours."""

    name: str
    group: str


@dataclass(frozen=True)
class GridRow:
    """A row, with one tuple of parts per column, empty for nothing. apart: a gap is left before it."""

    name: str
    cells: tuple[tuple[Part, ...], ...]
    apart: bool = False


@dataclass(frozen=True)
class Grid:
    """title: what is shown, for a screen reader. legend: mark -> what it means; parts: how many a full cell has."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[GridRow, ...]
    legend: Mapping[str, str]
    parts: int = 1


def grid_svg(grid: Grid) -> str:
    """The grid as one SVG document."""
    left = max(len(row.name) for row in grid.rows) * CHARACTER + 14
    cell = grid.parts * PART
    # The names stand upright, each group's to the left of its first column's.
    longest = max(len(name) for column in grid.columns for name in (column.name, column.group))
    head = round(longest * CHARACTER) + 12
    tops = list(itertools.accumulate((ROW + GAP * row.apart for row in grid.rows), initial=head))
    groups = [len(list(members)) for _, members in itertools.groupby(grid.columns, key=lambda column: column.group)]
    right = left + len(grid.columns) * (cell + 2) + GAP * (len(groups) - 1) + 10
    lines = list(_legend_lines(grid.legend, right))
    height = tops[-1] + LEGEND * (len(lines) + 1)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {right:.0f} {height:.0f}" width="{right:.0f}" '
        f'height="{height:.0f}" role="img"><title>{html_text(grid.title)}</title><style>{STYLE}</style>'
        f'<rect class="ground" width="{right:.0f}" height="{height:.0f}"/>'
    ]
    places = list(_places(grid.columns, left, cell + 2))
    parts += _heads(grid.columns, places, cell, head - 6)
    for row, top in zip(grid.rows, tops, strict=False):
        y = top + GAP * row.apart
        parts.append(f'<text x="6" y="{y + 12}">{html_text(row.name)}</text>')
        for x, filling in zip(places, row.cells, strict=True):
            parts += _cell(filling, x, y, cell)
    for number, text in enumerate(lines):
        parts.append(f'<text x="6" y="{tops[-1] + LEGEND * (number + 1)}">{html_text(text)}</text>')
    return "".join([*parts, "</svg>\n"])


def _places(columns: tuple[Column, ...], left: float, step: float) -> Iterator[float]:
    x = left
    for number, column in enumerate(columns):
        if number and columns[number - 1].group != column.group:
            x += GAP
        yield x
        x += step


def _heads(columns: tuple[Column, ...], places: list[float], cell: int, y: int) -> Iterator[str]:
    previous = ""
    for column, x in zip(columns, places, strict=True):
        if column.group != previous:
            yield f'<text class="group" transform="translate({x + 3:.1f},{y}) rotate(-90)" y="{cell / 2 - 10:.1f}">'
            yield f"{html_text(column.group)}</text>"
            previous = column.group
        yield f'<text transform="translate({x + cell / 2 + 8:.1f},{y}) rotate(-90)">{html_text(column.name)}</text>'


def _cell(filling: tuple[Part, ...], x: float, y: float, cell: int) -> Iterator[str]:
    width = cell / max(1, len(filling))
    for number, part in enumerate(filling or (Part("empty"),)):
        here = x + number * width
        yield f'<rect class="{part.kind}" x="{here:.1f}" y="{y}" width="{width - 1:.1f}" height="{ROW - 2}"/>'
        if part.mark:
            kind = "mark onloud" if part.kind == "loud" else "mark"
            yield f'<text class="{kind}" x="{here + width / 2 - 0.5:.1f}" y="{y + 12}">{html_text(part.mark)}</text>'


def _legend_lines(legend: Mapping[str, str], width: float) -> Iterator[str]:
    line = ""
    for mark, meaning in legend.items():
        entry = f"{mark} {meaning}"
        if line and (len(line) + len(entry) + 3) * CHARACTER > width - 12:
            yield line
            line = ""
        line = f"{line} \u00b7 {entry}" if line else entry
    yield line
