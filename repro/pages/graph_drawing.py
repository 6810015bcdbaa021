"""The drawing of a graph in which outputs are wrong, for a page."""

from __future__ import annotations

from collections.abc import Sequence

from cases.graph import Graph
from repro.drawings.graphviz import placed
from repro.drawings.picture import picture_of
from repro.drawings.svg import to_svg
from repro.hazards.culprit import culprits
from repro.pages.page import Drawing


def graph_drawing(graph: Graph, wrong: Sequence[str], title: str) -> Drawing:
    """wrong: names of outputs that are. Of an ended run, which has none, the whole graph is asked for a culprit."""
    picture = picture_of(graph, wrong, culprits(graph, wrong or graph.outputs))
    return Drawing(to_svg(placed(picture), title), picture.caption)
