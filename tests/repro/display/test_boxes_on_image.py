"""Detections on a picture: boxes where they lie, inverted ones too, and two sets beside each other."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("PIL", reason="pictures need pillow")

from PIL import Image

from models.dfine.postprocess import Detection
from repro.display import boxes_on_image
from repro.display.boxes_on_image import FOOTER, HEADING, LOST, MARGIN, Panel, compared_panel, side_by_side

PICTURE = Image.new("RGB", (80, 60), "white")


def detection(box: tuple[float, float, float, float], label: int = 0, score: float = 0.9) -> Detection:
    return Detection(box, label, score)


def with_boxes(picture: Image.Image, detections: list[Detection], label=str) -> Image.Image:
    return boxes_on_image.with_boxes(picture, Panel(("", ""), detections), label)[0]


def touched(picture: Image.Image) -> np.ndarray:
    """[height, width] where the picture is no longer white."""
    return (np.asarray(picture) != 255).any(axis=-1)


def test_a_box_is_drawn_at_its_edges_and_the_picture_stays_as_it_was():
    drawn = touched(with_boxes(PICTURE, [detection((0.25, 0.5, 0.75, 0.9))], str))
    assert drawn[40:54, 20].all()
    assert drawn[40:54, 60].all()
    assert drawn[30, 20:60].all()
    assert not drawn[45, 30:55].any(), "the inside stays visible"
    assert not touched(PICTURE).any()


@pytest.mark.parametrize("box", [(0.75, 0.9, 0.25, 0.5), (0.75, 0.5, 0.25, 0.9)])
def test_an_inverted_box_of_a_broken_graph_is_drawn_as_it_lies(box: tuple[float, float, float, float]):
    drawn = touched(with_boxes(PICTURE, [detection(box)], str))
    assert drawn[40:54, 20].all()
    assert drawn[40:54, 60].all()


def test_a_box_outside_the_picture_does_no_harm():
    with_boxes(PICTURE, [detection((-3.0, -2.0, 5.0, 4.0)), detection((1.5, 1.5, 2.0, 2.0))], str)


def test_classes_have_colours_of_their_own_and_the_first_detection_lies_on_top():
    box = (0.25, 0.5, 0.75, 0.9)
    alone = [np.asarray(with_boxes(PICTURE, [detection(box, label)], str))[50, 20].tolist() for label in (0, 1)]
    both = np.asarray(with_boxes(PICTURE, [detection(box, 0), detection(box, 1)], str))[50, 20].tolist()
    assert alone[0] != alone[1]
    assert both == alone[0]


def test_panels_stand_side_by_side_under_their_headings_over_a_note():
    panels = [Panel(("torch", "1"), [detection((0.25, 0.5, 0.75, 0.9))]), Panel(("gpu:a", "0"), [])]
    total = side_by_side(PICTURE, panels, str, "seeded")
    assert total.size == (2 * (80 + MARGIN) + MARGIN, 60 + HEADING + FOOTER)
    changed = touched(total)
    left = changed[HEADING : HEADING + 60, : MARGIN + 80 + MARGIN]
    right = changed[HEADING : HEADING + 60, MARGIN + 80 + MARGIN :]
    assert left.any()
    assert not right.any()
    assert changed[:HEADING, MARGIN : MARGIN + 80].any(), "a heading over the first"
    assert changed[:HEADING, 2 * MARGIN + 80 :].any(), "and over the second"
    assert changed[HEADING + 60 :].any(), "and the note below"


def test_what_was_lost_is_red_and_what_was_never_there_is_not_the_colour_of_a_class():
    box, other = (0.25, 0.5, 0.75, 0.9), (0.0, 0.0, 0.1, 0.2)
    panel = compared_panel("naive", [detection(other)], [detection(box)])
    assert panel.heading[1] == "0 of 1 found, 1 lost, 1 that are not"
    drawn = np.asarray(boxes_on_image.with_boxes(PICTURE, panel, str)[0])
    assert (drawn == LOST).all(axis=-1)[28:56, 18:63].any()
    right = compared_panel("shipped", [detection(box)], [detection(box)])
    assert right.heading[1] == "1 of 1 found, 0 lost, 0 that are not"
    assert not (np.asarray(boxes_on_image.with_boxes(PICTURE, right, str)[0]) == LOST).all(axis=-1).any()


def test_another_class_in_the_same_box_is_lost_and_extra():
    box = (0.25, 0.5, 0.75, 0.9)
    panel = compared_panel("naive", [detection(box, 1)], [detection(box, 0)])
    assert (list(panel.lost), panel.extra) == ([detection(box, 0)], frozenset({0}))


@pytest.mark.parametrize("label", range(80))
def test_no_class_has_the_colour_of_a_loss(label: int):
    red, green, blue = boxes_on_image._colour(label)
    assert max(green, blue) > red
