"""Graphs to draw, and pictures that are drawn by chance."""

from __future__ import annotations

from hypothesis import strategies as st

from cases.builder import GraphBuilder
from cases.graph import Graph
from repro.drawings.picture import Edge, Node, NodeKind, Picture


def add_bug(name: str = "y") -> Graph:
    """y = x + z is an output and feeds MEAN: the two-op model of the first bug."""
    g = GraphBuilder()
    y = g.add(g.input("x", (1, 4, 8)), g.input("z", (1, 4, 8)), name=name)
    g.output(y)
    g.output(g.reduce("MEAN", y, (2,), name="reduced"))
    return g.build()


def chain(length: int) -> Graph:
    """t0 -> t1 -> ... : NEGs, the last one an output."""
    g = GraphBuilder()
    at = g.input("x", (1, 4))
    for n in range(length):
        at = g.unary("NEG", at, name=f"t{n}")
    g.output(at)
    return g.build()


@st.composite
def pictures(draw: st.DrawFn) -> Picture:
    """Boxes of any size and kind; every arrow goes from an earlier box to a later one."""
    count = draw(st.integers(1, 12))
    texts = st.lists(st.text("abc <&\"'", min_size=1, max_size=20), min_size=1, max_size=3).map(tuple)
    nodes = tuple(
        Node(f"n{n}", draw(st.sampled_from(list(NodeKind))), draw(texts), draw(st.booleans()), draw(st.booleans()))
        for n in range(count)
    )
    pairs = [(a, b) for b in range(count) for a in range(b)]
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=20)) if pairs else []
    return Picture(nodes, tuple(Edge(f"n{a}", f"n{b}", draw(st.booleans())) for a, b in chosen))
