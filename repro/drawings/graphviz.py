"""Graphviz's own layout, where its `dot` is installed: it is given numbers and gives numbers back.

Key insight: no text of a model goes through another program. `dot` gets the sizes of boxes with names of our own and
answers with places, and the same drawing as ever is made of them.
"""

from __future__ import annotations

import math
import shutil
import subprocess

from repro.drawings.layered import layered
from repro.drawings.picture import Picture
from repro.drawings.placed import MARGIN, Placed, Point, box_size

POINTS = 72.0
"""Units of ours per inch, which `dot` counts in."""
HEAD = 10.0
DEADLINE_S = 20.0


def placed(picture: Picture) -> Placed:
    """A picture with places: Graphviz's where it is installed and answers, else those of our own layout."""
    program = shutil.which("dot")
    answer = _answer(program, question(picture)) if program else ""
    return from_plain(picture, answer) or layered(picture)


def _answer(program: str, text: str) -> str:
    try:
        done = subprocess.run(
            [program, "-Tplain"], input=text, capture_output=True, encoding="utf-8", timeout=DEADLINE_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def question(picture: Picture) -> str:
    """The picture in DOT: boxes of fixed sizes without text, and the arrows between them."""
    lines = ["digraph {", 'node [shape=box fixedsize=true label=""]', "ranksep=0.45 nodesep=0.3"]
    for node in picture.nodes:
        width, height = box_size(node)
        lines.append(f"{node.id} [width={width / POINTS:.3f} height={height / POINTS:.3f}]")
    lines += [f"{edge.source} -> {edge.target}" for edge in picture.edges]
    return "\n".join([*lines, "}"]) + "\n"


def from_plain(picture: Picture, answer: str) -> Placed | None:
    """What `dot -Tplain` says, or None where it does not place every box and arrow of the picture."""
    size: Point | None = None
    centres: dict[str, Point] = {}
    routes: dict[tuple[str, str], tuple[Point, ...]] = {}
    try:
        for words in (line.split() for line in answer.splitlines()):
            if words[:1] == ["graph"]:
                size = (float(words[2]), float(words[3]))
            elif words[:1] == ["node"] and size is not None:
                centres[words[1]] = _point(words[2:4], size)
            elif words[:1] == ["edge"] and size is not None:
                count = int(words[3])
                values = words[4 : 4 + 2 * count]
                points = tuple(_point(values[i : i + 2], size) for i in range(0, 2 * count, 2))
                routes[words[1], words[2]] = (*points[:-1], _with_head(points[-2], points[-1]))
    except (ValueError, IndexError):
        return None
    edges = [(edge.source, edge.target) for edge in picture.edges]
    if size is None or set(centres) != {node.id for node in picture.nodes} or set(routes) != set(edges):
        return None
    width, height = (value * POINTS + 2 * MARGIN for value in size)
    return Placed(picture, width, height, centres, tuple(routes[edge] for edge in edges), bent=True)


def _with_head(before: Point, end: Point) -> Point:
    """The end of an arrow: `dot` leaves room for a head between the last point and the box."""
    (x0, y0), (x, y) = before, end
    length = math.hypot(x - x0, y - y0)
    return (x + HEAD * (x - x0) / length, y + HEAD * (y - y0) / length) if length else end


def _point(words: list[str], size: Point) -> Point:
    """A place in our units: `dot` counts in inches, and upwards."""
    x, y = map(float, words)
    return x * POINTS + MARGIN, (size[1] - y) * POINTS + MARGIN
