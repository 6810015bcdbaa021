"""Two sets of detections on the same picture, side by side, for people to look at."""

from __future__ import annotations

import colorsys
import io
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from models.dfine.postprocess import Detection
from runner.errors import BadInput

MARGIN = 12
HEADING = 34


def side_by_side(
    picture: Image.Image, panels: Sequence[tuple[str, Sequence[Detection]]], label: Callable[[int], str]
) -> Image.Image:
    """panels: a heading and detections each; label: class name of an id. Boxes are relative to the picture."""
    width, height = picture.size
    total = Image.new("RGB", (len(panels) * (width + MARGIN) + MARGIN, height + HEADING + MARGIN), "white")
    pen = ImageDraw.Draw(total)
    font = ImageFont.load_default(15)
    for index, (heading, detections) in enumerate(panels):
        left = MARGIN + index * (width + MARGIN)
        total.paste(with_boxes(picture, detections, label), (left, HEADING))
        pen.text((left, 8), heading, fill="black", font=font)
    return total


def as_file(picture: Image.Image, path: Path) -> bytes:
    """The picture in the format that the name of `path` asks for. Raises BadInput for a name that asks for none."""
    written = io.BytesIO()
    try:
        picture.save(written, Image.registered_extensions()[path.suffix.lower()])
    except (KeyError, OSError, ValueError) as error:
        raise BadInput(f"'{path}' cannot be written as a picture ({error}); name a .png") from error
    return written.getvalue()


def with_boxes(picture: Image.Image, detections: Sequence[Detection], label: Callable[[int], str]) -> Image.Image:
    """The picture with boxes, class names and scores; the best detection is drawn last, on top."""
    canvas = picture.copy()
    pen = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(12)
    width, height = picture.size
    for detection in reversed(detections):
        x0, y0, x1, y1 = detection.box
        box = (x0 * width, y0 * height, x1 * width, y1 * height)
        colour = _colour(detection.label)
        pen.rectangle(_ordered(box), outline=colour, width=2)
        text = f"{label(detection.label)} {detection.score:.2f}"
        corner = (max(0.0, box[0]), max(0.0, box[1] - 14))
        pen.rectangle(pen.textbbox(corner, text, font=font), fill=colour)
        pen.text(corner, text, fill="white", font=font)
    return canvas


def _ordered(box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    """A broken graph gives inverted boxes too: they are drawn as they lie."""
    x0, y0, x1, y1 = box
    return min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)


def _colour(label: int) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(label * 0.61803398875 % 1, 0.85, 0.7)
    return int(red * 255), int(green * 255), int(blue * 255)
