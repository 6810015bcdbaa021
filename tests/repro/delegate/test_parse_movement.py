"""PAD, SLICE, CONCATENATION, PACK, UNPACK and SPLIT: what the parsers make of them, and where they are wrong."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.builder import GraphBuilder
from cases.findings.batched_depth_to_space import blocks
from cases.graph import Graph, Op
from repro.delegate.parser import lower
from repro.delegate.replay import replay
from tests.repro.delegate.replayed import by_hand, kinds, wrong


@pytest.mark.parametrize(
    ("shape", "rows", "expected"),
    [
        ((2, 3, 4), [(0, 0), (0, 0), (0, 0)], "pad-rank-3"),
        ((1, 3, 4), [(0, 0), (1, 1), (0, 2)], ""),
        ((1, 3, 4), [(1, 0), (0, 0), (0, 0)], "pad-rank-3"),
        ((1, 2, 3, 4), [(1, 0), (0, 0), (0, 0), (0, 0)], "pad-batch"),
        ((2, 2, 3, 4), [(1, 0), (0, 0), (0, 0), (0, 0)], ""),
        ((2, 2, 3, 4), [(0, 0), (0, 0), (1, 0), (0, 0)], ""),
    ],
)
def test_padding_of_batches(shape, rows, expected):
    g = GraphBuilder()
    y = g.pad(g.input("x", shape), rows, name="y")
    assert wrong(g.build([y])) == ([(expected, "y")] if expected else [])


def update_of(whole: tuple[int, ...], part: tuple[int, ...]) -> Graph:
    g = GraphBuilder()
    x, z, start = g.input("x", whole), g.input("z", part), g.input("start", (len(whole),), "int32")
    return g.build(g.op("DYNAMIC_UPDATE_SLICE", (x, z, start), name="y"))


@pytest.mark.parametrize(
    ("whole", "part", "is_wrong"),
    [
        ((16,), (4,), True),
        ((8,), (8,), False),
        ((16, 8), (4, 8), True),
        ((4, 16), (4, 4), False),
        ((16, 16), (4, 4), True),
        ((1, 16), (1, 4), False),
        ((12, 4, 8), (4, 4, 8), True),
        ((2, 16, 8), (2, 4, 8), False),
        ((2, 16, 8), (1, 4, 8), True),
        ((12, 4, 4, 4), (4, 4, 4, 4), False),
    ],
)
def test_an_update_that_starts_along_the_first_of_less_than_four_dimensions_lands_at_0(whole, part, is_wrong: bool):
    assert wrong(update_of(whole, part)) == ([("update-first-axis", "y")] if is_wrong else [])


@pytest.mark.parametrize("kind", ["DEPTH_TO_SPACE", "SPACE_TO_DEPTH"])
@pytest.mark.parametrize("batch", [1, 2, 3])
def test_blocks_of_a_batch_void_the_graph(kind: str, batch: int):
    events = replay(blocks((batch, 2, 2, 8), kind)).events
    assert [(event.rule, event.effect) for event in events] == [("batched-blocks", "void")] * (batch > 1)


def test_three_rows_of_paddings_are_height_width_and_channels():
    g = GraphBuilder()
    (node,) = lower(g.build([g.pad(g.input("x", (1, 3, 4)), [(0, 0), (1, 2), (0, 5)])])).nodes
    assert node.pad is not None
    assert node.pad.amounts == {"B": (1, 1), "H": (0, 0), "W": (1, 2), "C": (0, 5)}


@pytest.mark.parametrize(
    ("kind", "fill", "mirrors"), [("PAD", 0.0, False), ("PADV2", 7.0, False), ("MIRROR_PAD", 0.0, True)]
)
def test_what_a_pad_fills_in(kind, fill, mirrors):
    constants = {"table": np.array([(0, 0), (1, 1), (1, 1), (0, 0)], np.int32), "value": np.array(7.0, np.float32)}
    op = Op(kind, ("x", "table", "value") if kind == "PADV2" else ("x", "table"), ("y",))
    (node,) = lower(by_hand(["x"], [op], ["y"], {"x": (1, 4, 4, 4), "y": (1, 6, 6, 4)}, constants)).nodes
    assert node.pad is not None
    assert (node.pad.fill, node.pad.mirrors) == (fill, mirrors)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.data())
def test_a_slice_takes_all_if_it_begins_everywhere_at_zero_and_ends_nowhere_early(shape, data):
    begins = [data.draw(st.integers(0, size - 1)) for size in shape]
    sizes = [data.draw(st.integers(1, size - begin)) for size, begin in zip(shape, begins, strict=True)]
    g = GraphBuilder()
    (node,) = lower(g.build([g.slice(g.input("x", tuple(shape)), begins, sizes)])).nodes
    assert node.cut is not None
    assert node.cut.takes_all == (sizes == shape)
    assert list(node.cut.starts.values()) == begins
    assert node.cut.unit_strides


def test_a_stride_is_not_taken_for_everything():
    g = GraphBuilder()
    (node,) = lower(g.build([g.strided_slice(g.input("x", (1, 1, 4)), [0, 0, 0], [1, 1, 4], [1, 1, 2])])).nodes
    assert node.cut is not None
    assert (node.cut.takes_all, node.cut.unit_strides) == (False, False)


@pytest.mark.parametrize(("mask", "takes_all"), [(0b001, True), (0b010, False), (0, False)])
def test_a_begin_that_is_masked_is_zero(mask, takes_all):
    constants = {
        "begin": np.array([1, 0, 0], np.int32),
        "end": np.array([2, 4, 8], np.int32),
        "step": np.ones(3, np.int32),
    }
    op = Op("STRIDED_SLICE", ("x", "begin", "end", "step"), ("y",), {"begin_mask": mask})
    (node,) = lower(by_hand(["x"], [op], ["y"], dict.fromkeys("xy", (2, 4, 8)), constants)).nodes
    assert node.cut is not None
    assert node.cut.takes_all is takes_all


def test_an_input_that_is_joined_twice_is_copied():
    g = GraphBuilder()
    x = g.input("x", (1, 4, 8))
    assert kinds(g.build([g.concat([x, x, x], 2)])) == ["COPY", "COPY", "CONCAT"]


@pytest.mark.parametrize(
    ("shape", "axis", "letter"), [((4, 8), 0, "B"), ((4, 8), 1, "C"), ((1, 4, 8), 1, "W"), ((1, 2, 4, 8), -3, "H")]
)
def test_the_axis_of_a_concat_and_of_a_split_is_one_of_bhwc(shape, axis, letter):
    g = GraphBuilder()
    first, second = g.split(g.input("x", shape), 2, axis)
    split, concat = lower(g.build([g.concat([second, first], axis)])).nodes
    assert (split.kind, split.axis, concat.kind, concat.axis) == ("SPLIT", letter, "CONCAT", letter)


def packed(count: int, axis: int) -> Graph:
    """PACK of `count` tensors [4, 8] along a new axis, and UNPACK of what comes out."""
    parts, again = [f"x{index}" for index in range(count)], [f"y{index}" for index in range(count)]
    whole = [4, 8]
    whole.insert(axis, count)
    ops = [
        Op("PACK", tuple(parts), ("whole",), {"axis": axis, "values_count": count}),
        Op("UNPACK", ("whole",), tuple(again), {"axis": axis, "num": count}),
    ]
    return by_hand(parts, ops, ["whole", *again], {**dict.fromkeys([*parts, *again], (4, 8)), "whole": tuple(whole)})


@pytest.mark.parametrize(
    ("axis", "nodes"),
    [
        (0, ["RESHAPE", "RESHAPE", "CONCAT", "SPLIT", "RESHAPE", "RESHAPE"]),
        (1, ["CONCAT", "SPLIT"]),
        (2, ["RESHAPE", "RESHAPE", "CONCAT", "SPLIT", "RESHAPE", "RESHAPE"]),
    ],
)
def test_packing_and_unpacking_are_concat_and_split_with_reshapes_where_the_shape_differs(axis, nodes):
    """[4,8] is B and C: only along a new second axis is one step read as the tensor itself is."""
    assert kinds(packed(2, axis)) == nodes


def test_one_tensor_packed_or_one_part_split_is_a_reshape():
    assert kinds(packed(1, 0)) == ["RESHAPE", "RESHAPE"]
    g = GraphBuilder()
    assert kinds(g.build(g.split(g.input("x", (1, 4, 8)), 1, 2))) == ["RESHAPE"]
