"""The parts of a SPLIT are known by their place: where they begin, and what a renamed source costs."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.graph import Op
from repro.delegate.graph import Node, Value
from repro.delegate.sighting import Effect
from repro.delegate.split_parts import begins_of_parts, is_put_together, source_renamed


def split_node(sizes: Sequence[int], axis: str, source: int | None = None) -> Node:
    """A SPLIT whose parts have these sizes along an axis. source: the size of what is split, else the sum."""

    def value(size: int) -> Value:
        return Value("", tuple(size if name == axis else 3 for name in "BHWC"))  # type: ignore[arg-type]

    whole = value(sum(sizes) if source is None else source)
    node = Node("SPLIT", Op("SPLIT", ("axis", "x"), ()), [whole], [value(size) for size in sizes], axis=axis)
    whole.consumers[node] = None
    return node


@given(st.lists(st.integers(1, 9), min_size=2, max_size=5), st.sampled_from("BHWC"))
def test_a_part_begins_where_the_ones_in_front_of_it_end(sizes: list[int], axis: str):
    node = split_node(sizes, axis)
    begins = begins_of_parts(node)
    assert [begins[value] for value in node.outputs] == [sum(sizes[:i]) for i in range(len(sizes))]


def test_one_output_has_no_parts():
    assert begins_of_parts(split_node([4], "C")) == {}


@pytest.mark.parametrize(("sizes", "left", "whole"), [([4], 4, True), ([2, 2], 4, False), ([4], 8, False)])
def test_a_split_is_put_together_where_one_part_is_the_whole_source(sizes: list[int], left: int, whole: bool):
    assert is_put_together(split_node(sizes, "C", source=left)) is whole


def test_another_node_is_no_split():
    node = split_node([4], "C")
    node.kind = "SLICE"
    assert not is_put_together(node)


def made(node: Node, value: Value) -> Value:
    """The value as if `node` had written it."""
    value.producer = node
    return value


def test_an_input_cannot_be_renamed_and_the_graph_is_refused():
    node = split_node([4], "C")
    (sighting,) = source_renamed(node, node)
    assert (sighting.rule, sighting.effect, sighting.value) == ("graph-refused", Effect.REFUSED, node.outputs[0])


def test_a_renamed_source_is_lost_as_an_output_and_wrong_for_its_other_readers():
    node, maker, reader = (split_node([4], "C") for _ in range(3))
    source = made(maker, node.inputs[0])
    assert list(source_renamed(node, node)) == []
    source.is_output = True
    source.consumers[reader] = None
    found = [(s.rule, s.effect, s.value, s.producer, s.consumer) for s in source_renamed(node, maker)]
    assert found == [
        ("source-renamed", Effect.LOST, source, node, maker),
        ("source-renamed", Effect.WRONG, reader.outputs[0], node, reader),
    ]
