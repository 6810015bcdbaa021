"""A placed picture as SVG, for a page: its colours are the page's, and a screen reader is told what is there."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

from repro.drawings.picture import Node, NodeKind
from repro.drawings.placed import LINE, MARGIN, Placed, Point, box_size
from runner.encoding import html_text

ROUND = {NodeKind.INPUT: 14, NodeKind.OUTPUT: 14, NodeKind.OP: 3, NodeKind.CUT: 0}


def to_svg(placed: Placed, title: str) -> str:
    """One <svg> element. Classes say what things are (`op`, `input`, `output`, `cut`, `wrong`, `culprit`).

    title: what is drawn, for a screen reader.
    """
    width, height = round(placed.width), round(placed.height)
    label = html_text(f"{title}: {placed.picture.caption}")
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    parts = [f'<svg class="graph" role="img" {size} aria-label="{label}">']
    for edge, route in zip(placed.picture.edges, placed.routes, strict=True):
        parts.append(_arrow(route, placed.bent, "wrong" if edge.wrong else ""))
    for node in placed.picture.nodes:
        parts += _box(node, placed.centres[node.id])
    return "".join([*parts, "</svg>"])


def _arrow(route: tuple[Point, ...], bent: bool, kind: str) -> str:
    """A line and its head, which is drawn as such: a marker would need an id of its own for every picture of a page."""
    points = [f"{x:.1f},{y:.1f}" for x, y in route]
    path = f"M{points[0]}C{' '.join(points[1:])}" if bent else f"M{points[0]}" + _curves(route)
    (x0, y0), (x, y) = route[-2], route[-1]
    length = math.hypot(x - x0, y - y0) or 1.0
    dx, dy = ((x - x0) / length, (y - y0) / length) if bent else (0.0, 1.0)
    left, right = (x - 7 * dx - 4 * dy, y - 7 * dy + 4 * dx), (x - 7 * dx + 4 * dy, y - 7 * dy - 4 * dx)
    head = " ".join(f"{px:.1f},{py:.1f}" for px, py in ((x, y), left, right))
    named = f' class="{kind}"' if kind else ""
    return f'<g{named}><path d="{path}"/><polygon points="{head}"/></g>'


def _curves(route: tuple[Point, ...]) -> str:
    """From point to point in curves that leave and arrive straight down."""
    pieces = []
    for (x0, y0), (x1, y1) in itertools.pairwise(route):
        middle = (y0 + y1) / 2
        pieces.append(f"C{x0:.1f},{middle:.1f} {x1:.1f},{middle:.1f} {x1:.1f},{y1:.1f}")
    return "".join(pieces)


def _box(node: Node, centre: Point) -> Iterator[str]:
    width, height = box_size(node)
    left, top = centre[0] - width / 2, centre[1] - height / 2
    classes = " ".join([str(node.kind), *(["wrong"] if node.wrong else []), *(["culprit"] if node.culprit else [])])
    yield f'<g class="{classes}"><rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" '
    yield f'rx="{ROUND[node.kind]}"/>'
    for number, text in enumerate(node.text):
        y = top + MARGIN / 2 + LINE * (number + 0.75)
        kind = ' class="head"' if number == 0 else ' class="note"' if number == len(node.lines) else ""
        yield f'<text x="{centre[0]:.1f}" y="{y:.1f}"{kind}>{html_text(text)}</text>'
    yield "</g>"
