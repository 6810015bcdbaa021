"""The drawing of a graph for a page: what is wrong is marked, and so is who causes it."""

from __future__ import annotations

from repro.pages.graph_drawing import graph_drawing
from tests.repro.drawings.graphs import add_bug


def test_the_wrong_output_and_its_culprit_are_marked():
    drawing = graph_drawing(add_bug(), ["y"], "m.tflite")
    assert drawing.caption == "2 ops; wrong: output 0 'y' [1,4,8]; culprit: MEAN"
    assert drawing.svg.count('class="output wrong"') == 1
    assert drawing.svg.count('class="op culprit"') == 1


def test_a_run_that_ended_has_no_wrong_output_and_may_have_a_culprit():
    assert graph_drawing(add_bug(), [], "m.tflite").caption == "2 ops; culprit: MEAN"
