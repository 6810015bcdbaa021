"""What of a graph is drawn: every role visible, of a large one the neighbourhood of what is wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro.drawings.picture import NodeKind, Picture, neighbours_by_node, picture_of
from tests.hostile_names import any_names
from tests.repro.drawings.graphs import add_bug, chain


def named(picture: Picture) -> dict[str, str]:
    return {node.id: f"{node.kind} {node.lines[0]}" for node in picture.nodes}


def test_an_output_that_is_read_has_an_arrow_to_its_reader_and_one_to_its_box():
    graph = add_bug()
    picture = picture_of(graph, ["y"], [graph.ops[1]])
    names = named(picture)
    assert sorted(names.values()) == [
        "input input 0 'x' [1,4,8]",
        "input input 1 'z' [1,4,8]",
        "op ADD",
        "op MEAN",
        "output output 0 'y' [1,4,8]",
        "output output 1 'reduced' [1,4,1]",
    ]
    arrows = {(names[e.source], names[e.target], e.wrong) for e in picture.edges}
    assert arrows == {
        ("input input 0 'x' [1,4,8]", "op ADD", False),
        ("input input 1 'z' [1,4,8]", "op ADD", False),
        ("op ADD", "op MEAN", True),
        ("op ADD", "output output 0 'y' [1,4,8]", True),
        ("op MEAN", "output output 1 'reduced' [1,4,1]", False),
    }


def test_what_is_wrong_and_what_causes_it_is_said_in_the_boxes_and_in_the_caption():
    graph = add_bug()
    picture = picture_of(graph, ["y"], [graph.ops[1]])
    assert {named(picture)[n.id]: n.note for n in picture.nodes if n.note} == {
        "op ADD": "writes the wrong output",
        "op MEAN": "culprit",
        "output output 0 'y' [1,4,8]": "WRONG",
    }
    assert picture.caption == "2 ops; wrong: output 0 'y' [1,4,8]; culprit: MEAN"
    assert picture_of(graph).caption == "2 ops"


def test_constants_stand_in_the_op_that_reads_them():
    graph = add_bug()
    mean = next(node for node in picture_of(graph).nodes if node.lines[0] == "MEAN")
    assert mean.lines == ("MEAN", "with 2", "'reduced' [1,4,1]")


def test_an_input_that_is_an_output_is_drawn_as_both():
    graph = chain(1)
    exposed = type(graph)(graph.tensors, graph.ops, graph.inputs, ("t0", "x"))
    kinds = [node.kind for node in picture_of(exposed).nodes]
    assert kinds.count(NodeKind.INPUT) == 1
    assert kinds.count(NodeKind.OUTPUT) == 2


@pytest.mark.parametrize("wrong", ["t0", "t50", "t99"])
def test_of_a_large_graph_the_neighbourhood_of_what_is_wrong_is_drawn(wrong: str):
    graph = chain(100)
    picture = picture_of(graph, [wrong], most_ops=9)
    drawn = [int(node.lines[-1].split("'")[1][1:]) for node in picture.nodes if node.kind is NodeKind.OP]
    at = int(wrong[1:])
    assert len(drawn) == 9
    assert drawn == list(range(drawn[0], drawn[0] + 9)), "without a gap"
    assert drawn[0] <= at <= drawn[-1]
    cuts = sum(node.kind is NodeKind.CUT for node in picture.nodes)
    assert cuts == (drawn[0] > 0) + (drawn[-1] < 99), "a cut end shows that the graph goes on"
    assert picture.hidden == 91
    assert "91 more are not drawn" in picture.caption


@given(any_names())
def test_a_box_holds_a_name_as_it_is_shown(name: str):
    graph = add_bug(name if name and name not in ("x", "z", "reduced") else "y")
    assert all(line.isprintable() for node in picture_of(graph).nodes for line in node.lines)
    assert max(len(line) for node in picture_of(graph).nodes for line in node.lines) < 60


@given(st.integers(1, 60), st.integers(1, 40), st.data())
def test_a_picture_is_bounded_and_every_arrow_has_two_ends(length: int, most: int, data):
    graph = chain(length)
    wrong = data.draw(st.sampled_from(["", *(f"t{n}" for n in range(length))]))
    picture = picture_of(graph, [wrong] if wrong else [], most_ops=most)
    ids = [node.id for node in picture.nodes]
    assert len(set(ids)) == len(ids)
    assert sum(node.kind is NodeKind.OP for node in picture.nodes) == min(length, most)
    assert {end for e in picture.edges for end in (e.source, e.target)} <= set(ids)
    after, before = neighbours_by_node(picture)
    assert sum(map(len, after.values())) == sum(map(len, before.values())) == len(picture.edges)
