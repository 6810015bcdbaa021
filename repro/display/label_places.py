"""Where labels go so that none lies on another: a search over few places per label. Pure.

Key insight: a label that covers another hides a detection, which is the very thing to be seen. So a label that finds no
free place is left out and counted, and never laid over one that is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 in pixels; x0 <= x1 and y0 <= y1."""


def place_labels(
    boxes: Sequence[Box], sizes: Sequence[tuple[float, float]], canvas: tuple[float, float]
) -> list[Box | None]:
    """The place of each label, or None where none is free; the first in `boxes` choose first.

    sizes: width and height of each label. canvas: width and height; no label leaves it.
    """
    taken: list[Box] = []
    places: list[Box | None] = []
    for box, (width, height) in zip(boxes, sizes, strict=True):
        place = next(
            (p for p in _candidates(box, width, height, canvas) if not any(overlap(p, t) for t in taken)), None
        )
        places.append(place)
        if place is not None:
            taken.append(place)
    return places


def overlap(a: Box, b: Box) -> bool:
    """Whether two boxes share more than an edge."""
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _candidates(box: Box, width: float, height: float, canvas: tuple[float, float]) -> Iterator[Box]:
    """On top of the box, inside it, below it, at both its sides; then along its left and its right edge."""
    x0, y0, x1, y1 = box
    corners = [(x, y) for y in (y0 - height, y0, y1, y1 - height) for x in (x0, x1 - width)]
    steps = int(max(0.0, (y1 - y0) // height))
    edges = [(x, y0 + height * n) for n in range(steps) for x in (x0, x1 - width, x1, x0 - width)]
    if width > canvas[0] or height > canvas[1]:
        return
    for x, y in (*corners, *edges):
        left, top = min(max(0.0, x), canvas[0] - width), min(max(0.0, y), canvas[1] - height)
        yield left, top, left + width, top + height
