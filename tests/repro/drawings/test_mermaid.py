"""A picture as mermaid: one line per box and arrow, names that stay inside their quotes."""

from __future__ import annotations

import re

from hypothesis import given

from repro.drawings.mermaid import to_mermaid
from repro.drawings.picture import Picture, picture_of
from tests.hostile_names import any_names
from tests.repro.drawings.graphs import add_bug, pictures

BOX = re.compile(r'    n\d+\(?\["[A-Za-z0-9 .,:+*/=\-_\'()\[\]#;<br>]*"\]\)?:::[a-z]+')


def test_the_two_ops_of_the_first_bug():
    graph = add_bug()
    lines = to_mermaid(picture_of(graph, ["y"], [graph.ops[1]]))
    assert lines[:5] == [
        "flowchart TD",
        "    n0([\"input 0 'x' [1,4,8]\"]):::input",
        "    n1([\"input 1 'z' [1,4,8]\"]):::input",
        "    n2[\"ADD<br>'y' [1,4,8]<br>writes the wrong output\"]:::op",
        "    n3[\"MEAN<br>with 2<br>'reduced' [1,4,1]<br>culprit\"]:::culprit",
    ]
    assert "    linkStyle 2,3 stroke:#cf222e,stroke-width:3px" in lines


@given(any_names())
def test_a_hostile_name_stays_inside_its_quotes(name: str):
    graph = add_bug(name if name and name not in ("x", "z", "reduced") else "y")
    lines = to_mermaid(picture_of(graph, graph.outputs[:1]))
    boxes = [line for line in lines if ":::" in line]
    assert len(boxes) == 6
    assert all(BOX.fullmatch(line) for line in boxes)
    assert all("<" not in line.replace("<br>", "") for line in lines)


@given(pictures())
def test_each_box_and_arrow_is_a_line_and_each_class_is_defined(picture: Picture):
    lines = to_mermaid(picture)
    used = {line.rpartition(":::")[2] for line in lines if ":::" in line}
    assert sum(":::" in line for line in lines) == len(picture.nodes)
    assert sum(" --> " in line for line in lines) == len(picture.edges)
    assert {line.split()[1] for line in lines if line.startswith("    classDef")} == used
