"""A grid as a picture that stands alone."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from repro.drawings.grid import Column, Grid, GridRow, Part, grid_svg

SVG = "{http://www.w3.org/2000/svg}"
COLUMNS = (Column("1", "a"), Column("2", "a"), Column("1", "b"))
ROWS = (
    GridRow("first", ((Part("bad", "W"), Part("good", "-")), (), (Part("loud", "!"),))),
    GridRow("<script>", ((), (), ()), apart=True),
)
GRID = Grid("what it shows", COLUMNS, ROWS, {"W": "wrong", "-": "right"}, parts=2)


def drawn(grid: Grid) -> ET.Element:
    return ET.fromstring(grid_svg(grid))


def test_each_part_has_its_colour_and_its_letter_and_names_stay_text():
    svg = drawn(GRID)
    kinds = [rect.get("class") for rect in svg.iter(f"{SVG}rect")]
    assert kinds == ["ground", "bad", "good", "empty", "loud", "empty", "empty", "empty"]
    said = ["".join(text.itertext()) for text in svg.iter(f"{SVG}text")]
    assert [said.count(mark) for mark in ("W", "-", "!")] == [1, 1, 1]
    assert "<script>" in said
    assert said[-1] == "W wrong \u00b7 - right"


def test_nothing_lies_outside_or_on_something_else():
    svg = drawn(GRID)
    width, height = float(svg.get("width", 0)), float(svg.get("height", 0))
    boxes = [
        (float(r.get("x", 0)), float(r.get("y", 0)), float(r.get("width", 0)), float(r.get("height", 0)))
        for r in svg.iter(f"{SVG}rect")
        if r.get("class") != "ground"
    ]
    for x, y, w, h in boxes:
        assert (x >= 0, x + w <= width, y >= 0, y + h <= height) == (True,) * 4
    for number, (x, y, w, h) in enumerate(boxes):
        for other_x, other_y, other_w, other_h in boxes[:number]:
            assert x + w <= other_x or other_x + other_w <= x or y + h <= other_y or other_y + other_h <= y


def test_it_has_colours_for_light_and_dark_and_no_address_of_any_other_file():
    text = grid_svg(GRID)
    assert "prefers-color-scheme:dark" in text
    assert "href" not in text
    assert "url(" not in text
