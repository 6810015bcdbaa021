"""Where the boxes and arrows of a picture are: what a layout gives and what is drawn of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from repro.drawings.picture import Node, Picture

CHARACTER = 7.0
"""Width of a character of a box's text, in the units of a layout; it is set in 12 units of a monospaced font."""
LINE = 16.0
MARGIN = 12.0

Point = tuple[float, float]


@dataclass(frozen=True)
class Placed:
    """A picture with places. The unit is that of an SVG at its own size; y grows downwards.

    centres: node id -> the middle of its box. routes: per edge of the picture its points, from box to box. bent:
    whether the points are those of a Bezier spline (one, then three for each piece), and not stations on the way.
    """

    picture: Picture
    width: float
    height: float
    centres: Mapping[str, Point]
    routes: tuple[tuple[Point, ...], ...]
    bent: bool = False


def box_size(node: Node) -> Point:
    """Width and height of a node's box."""
    return max(map(len, node.text)) * CHARACTER + 2 * MARGIN, len(node.text) * LINE + MARGIN
