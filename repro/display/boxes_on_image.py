"""Sets of detections on the same picture, side by side, for people to look at: what was lost is red."""

from __future__ import annotations

import colorsys
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from models.dfine.postprocess import Detection
from repro.display.label_places import Box, place_labels
from repro.layouts.detections import match_by_box
from repro.records.lines import counted
from runner.errors import BadInput

MARGIN = 12
HEADING = 52
FOOTER = 30
LOST = (207, 34, 46)
EXTRA = (154, 103, 0)
DASH = 6


@dataclass(frozen=True)
class Panel:
    """One set of detections. heading: two short lines. lost: what it should have and has not; extra: which are not."""

    heading: tuple[str, str]
    detections: Sequence[Detection]
    lost: Sequence[Detection] = ()
    extra: frozenset[int] = frozenset()


def compared_panel(name: str, found: Sequence[Detection], reference: Sequence[Detection]) -> Panel:
    """A panel that is held against the reference: what has no partner there, or another class, is lost or extra."""
    match = match_by_box(reference, found)
    other = [(i, j) for i, j, _ in match.pairs if reference[i].label != found[j].label]
    lost = [reference[i] for i in (*match.lost, *(i for i, _ in other))]
    extra = frozenset((*match.extra, *(j for _, j in other)))
    kept = len(reference) - len(lost)
    return Panel(
        (name, f"{kept} of {len(reference)} found, {len(lost)} lost, {len(extra)} that are not"), found, lost, extra
    )


def side_by_side(picture: Image.Image, panels: Sequence[Panel], label: Callable[[int], str], note: str) -> Image.Image:
    """label: class name of an id. note: stands below. Boxes are relative to the picture."""
    width, height = picture.size
    total = Image.new("RGB", (len(panels) * (width + MARGIN) + MARGIN, height + HEADING + FOOTER), "white")
    pen = ImageDraw.Draw(total)
    for index, panel in enumerate(panels):
        left = MARGIN + index * (width + MARGIN)
        drawn, hidden = with_boxes(picture, panel, label)
        total.paste(drawn, (left, HEADING))
        bad = bool(panel.lost or panel.extra)
        pen.text((left, 6), panel.heading[0], fill="black", font=ImageFont.load_default(16))
        counts = panel.heading[1] + (f" ({counted(hidden, 'label')} without room)" if hidden else "")
        pen.text((left, 28), counts, fill=LOST if bad else "black", font=ImageFont.load_default(14))
    pen.text((MARGIN, height + HEADING + 7), note, fill="black", font=ImageFont.load_default(14))
    return total


def as_file(picture: Image.Image, path: Path) -> bytes:
    """The picture in the format that the name of `path` asks for. Raises BadInput for a name that asks for none."""
    written = io.BytesIO()
    try:
        picture.save(written, Image.registered_extensions()[path.suffix.lower()])
    except (KeyError, OSError, ValueError) as error:
        raise BadInput(f"'{path}' cannot be written as a picture ({error}); name a .png") from error
    return written.getvalue()


def with_boxes(picture: Image.Image, panel: Panel, label: Callable[[int], str]) -> tuple[Image.Image, int]:
    """The picture with boxes, class names and scores, and how many labels had no room.

    What was lost is red and dashed; the best detection is drawn last, on top.
    """
    canvas = picture.copy()
    pen = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(12)
    found = [
        (d, EXTRA if index in panel.extra else _colour(d.label), f"{label(d.label)} {d.score:.2f}", False)
        for index, d in enumerate(panel.detections)
    ]
    lost = [(d, LOST, f"lost: {label(d.label)} {d.score:.2f}", True) for d in panel.lost]
    drawn = [*lost, *found]
    boxes = [_pixels(detection.box, picture.size) for detection, *_ in drawn]
    for (_, colour, _, dashed), box in reversed(list(zip(drawn, boxes, strict=True))):
        _outline(pen, box, colour, dashed)
    inks = [pen.textbbox((0, 0), text, font=font) for *_, text, _ in drawn]
    sizes = [(ink[2] + 4.0, ink[3] + 3.0) for ink in inks]
    places = place_labels(boxes, sizes, (float(picture.width), float(picture.height)))
    for (_, colour, text, _), place in zip(drawn, places, strict=True):
        if place is not None:
            pen.rectangle(place, fill=colour)
            pen.text((place[0] + 2, place[1] + 1), text, fill="white", font=font)
    return canvas, places.count(None)


def _outline(pen: ImageDraw.ImageDraw, box: Box, colour: tuple[int, int, int], dashed: bool) -> None:
    if not dashed:
        pen.rectangle(box, outline=colour, width=2)
        return
    x0, y0, x1, y1 = (int(edge) for edge in box)
    for x in range(x0, x1, 2 * DASH):
        for y in (y0, y1):
            pen.line((x, y, min(x + DASH, x1), y), fill=colour, width=3)
    for y in range(y0, y1, 2 * DASH):
        for x in (x0, x1):
            pen.line((x, y, x, min(y + DASH, y1)), fill=colour, width=3)


def _pixels(box: tuple[float, float, float, float], size: tuple[int, int]) -> Box:
    """In pixels. A broken graph gives inverted boxes too: they are drawn as they lie. Far outside is just outside."""
    width, height = size
    xs = sorted(min(max(edge * width, -9.0), width + 9.0) for edge in box[::2])
    ys = sorted(min(max(edge * height, -9.0), height + 9.0) for edge in box[1::2])
    return xs[0], ys[0], xs[1], ys[1]


def _colour(label: int) -> tuple[int, int, int]:
    """A class's own: any hue but the reds and ambers, which say that something is wrong."""
    hue = 0.22 + 0.6 * (label * 0.61803398875 % 1)
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.85, 0.6)
    return int(red * 255), int(green * 255), int(blue * 255)
