"""The drawing of a graph in which outputs are wrong, for a page."""

from __future__ import annotations

from collections.abc import Sequence

from cases.graph import Graph
from repro.drawings.graphviz import placed
from repro.drawings.svg import to_svg
from repro.hazards.culprit import failure_picture
from repro.pages.page import Drawing


def graph_drawing(graph: Graph, wrong: Sequence[str], title: str) -> Drawing:
    """wrong: names of outputs that are; none where the run as a whole ended."""
    picture = failure_picture(graph, wrong)
    return Drawing(to_svg(placed(picture), title), picture.caption)
