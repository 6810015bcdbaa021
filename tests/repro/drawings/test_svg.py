"""A picture as SVG: well formed whatever the names hold, with classes for the page and words for a screen reader."""

from __future__ import annotations

from xml.etree import ElementTree

from hypothesis import given

from repro.drawings.layered import layered
from repro.drawings.picture import Picture, picture_of
from repro.drawings.svg import to_svg
from tests.hostile_names import any_names
from tests.repro.drawings.graphs import add_bug, pictures


@given(any_names())
def test_a_hostile_name_stays_a_text(name: str):
    graph = add_bug(name if name and name not in ("x", "z", "reduced") else "y")
    root = ElementTree.fromstring(to_svg(layered(picture_of(graph, graph.outputs[:1])), name))
    assert {element.tag for element in root.iter()} == {"svg", "g", "path", "polygon", "rect", "text"}
    texts = ["".join(element.itertext()) for element in root.iter("text")]
    assert all(text.isprintable() for text in texts)
    assert {attribute for element in root.iter() for attribute in element.attrib} <= {
        *("class", "role", "viewBox", "width", "height", "aria-label", "d", "points", "x", "y", "rx"),
    }


@given(pictures())
def test_every_box_and_arrow_is_there_once(picture: Picture):
    root = ElementTree.fromstring(to_svg(layered(picture), "title"))
    assert len(list(root.iter("rect"))) == len(picture.nodes)
    assert len(list(root.iter("path"))) == len(picture.edges)
    assert len(list(root.iter("text"))) == sum(len(node.text) for node in picture.nodes)


def test_what_is_wrong_has_its_class_and_the_label_says_it():
    graph = add_bug()
    root = ElementTree.fromstring(to_svg(layered(picture_of(graph, ["y"], [graph.ops[1]])), "add"))
    classes = [element.get("class") for element in root.findall("g")]
    assert classes.count("output wrong") == 1
    assert classes.count("op culprit") == 1
    assert classes.count("wrong") == 2, "both arrows of the wrong tensor"
    assert root.get("aria-label") == "add: 2 ops; wrong: output 0 'y' [1,4,8]; culprit: MEAN"
