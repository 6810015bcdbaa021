"""Passes over single nodes: what vanishes, what becomes another node, and what is wrong behind it."""

from __future__ import annotations

import numpy as np
import pytest

from cases.builder import GraphBuilder
from repro.delegate.replay import replay
from tests.repro.delegate.replayed import events, kept, wrong


@pytest.mark.parametrize("how", ["reshape", "slice", "concat"])
def test_what_changes_nothing_vanishes_between_two_ops(how):
    g = GraphBuilder()
    x = g.unary("NEG", g.input("x", (1, 4, 8)))
    y = {
        "reshape": lambda: g.reshape(x, (1, 4, 8)),
        "slice": lambda: g.slice(x, (0, 0, 0), (1, 4, 8)),
        "concat": lambda: g.concat([x], 2),
    }[how]()
    assert kept(g.build([g.unary("NEG", y)])) == ["NEG", "NEG"]


def test_consecutive_reshapes_become_one():
    g = GraphBuilder()
    y = g.reshape(g.reshape(g.input("x", (1, 4, 8)), (1, 2, 2, 8)), (1, 8, 4))
    assert kept(g.build([y])) == ["RESHAPE"]


def test_a_reshape_and_its_inverse_are_both_gone():
    g = GraphBuilder()
    there = g.reshape(g.unary("NEG", g.input("x", (1, 4, 8))), (1, 2, 2, 8))
    assert kept(g.build([g.unary("ABS", g.reshape(there, (1, 4, 8)))])) == ["NEG", "ABS"]


def test_a_one_by_one_convolution_of_one_pixel_becomes_fully_connected():
    g = GraphBuilder()
    y = g.conv2d(g.input("x", (1, 1, 1, 8)), np.ones((4, 1, 1, 8)))
    assert kept(g.build([y])) == ["FULLY_CONNECTED"]


def test_padding_of_zeros_by_concat_is_a_pad():
    g = GraphBuilder()
    x = g.input("x", (1, 4, 4, 8))
    y = g.concat([x, g.const(np.zeros((1, 2, 4, 8)))], 1)
    graph = g.build([g.conv2d(y, np.ones((4, 3, 3, 8)), padding="VALID")])
    assert kept(graph) == ["CONV"]


@pytest.mark.parametrize(("place", "amounts"), [(0, (2, 0)), (1, (0, 2))])
def test_the_pad_of_a_concat_has_the_zeros_on_their_side(place, amounts):
    g = GraphBuilder()
    parts = [g.unary("NEG", g.input("x", (1, 4, 4, 8)))]
    parts.insert(place, g.const(np.zeros((1, 2, 4, 8))))
    (_, node) = replay(g.build([g.concat(parts, 1)])).graph.live()
    assert node.kind == "PAD"
    assert node.pad is not None
    assert node.pad.amounts == {"B": (0, 0), "H": amounts, "W": (0, 0), "C": (0, 0)}


def test_a_concat_with_a_constant_that_is_not_zero_stays():
    g = GraphBuilder()
    y = g.concat([g.input("x", (1, 4, 4, 8)), g.const(np.ones((1, 2, 4, 8)))], 1)
    assert kept(g.build([y])) == ["CONSTANT", "CONCAT"]


def test_global_average_pooling_is_a_mean_that_an_add_fuses_with():
    g = GraphBuilder()
    y = g.add(g.input("x", (1, 4, 4, 8)), g.input("z", (1, 4, 4, 8)), name="y")
    assert events(g.build([y, g.pool("AVERAGE_POOL_2D", y, 4, 1)])) == [("add-reduce", "y", "lost")]


@pytest.mark.parametrize(("size", "kind"), [(4, "MEAN"), (3, "POOL_AVERAGE")])
def test_only_pooling_of_the_whole_image_is_a_mean(size, kind):
    g = GraphBuilder()
    y = g.pool("AVERAGE_POOL_2D", g.input("x", (1, 4, 4, 8)), size, 1, padding="VALID")
    assert kept(g.build([y])) == [kind]


@pytest.mark.parametrize(
    ("other", "channels", "expected"),
    [
        ((1, 4, 4, 8), 4, [("pad-merged", "y")]),
        ((1, 1, 1, 8), 4, [("pad-merged", "y"), ("pad-add-broadcast", "z")]),
        ((1, 4, 4, 8), 3, []),  # not a whole slice
    ],
)
def test_a_pad_of_channels_is_dropped_in_front_of_a_sum(other, channels, expected):
    g = GraphBuilder()
    y = g.pad(g.input("x", (1, 4, 4, channels)), [(0, 0), (0, 0), (0, 0), (0, 8 - channels)], name="y")
    assert wrong(g.build([y, g.add(y, g.input("other", other), name="z")])) == expected


def test_a_batch_is_still_broadcast_behind_a_pad_that_was_dropped():
    g = GraphBuilder()
    y = g.pad(g.input("x", (2, 4, 4, 4)), [(0, 0), (0, 0), (0, 0), (0, 4)])
    graph = g.build([g.add(y, g.input("other", (1, 4, 4, 8)))])
    assert kept(graph) == ["ADD"]
    assert wrong(graph) == []


@pytest.mark.parametrize(("batch", "expected"), [(1, [("concat-of-one", "y", "void")]), (2, [])])
def test_a_concat_of_one_graph_input_has_a_kernel_only_with_a_batch(batch, expected):
    g = GraphBuilder()
    assert events(g.build([g.concat([g.input("x", (batch, 4, 8))], 2, name="y")])) == expected


def test_a_slice_of_everything_next_to_its_source_breaks_the_compilation():
    g = GraphBuilder()
    x = g.unary("NEG", g.input("x", (1, 4, 8)))
    y = g.add(x, g.slice(x, (0, 0, 0), (1, 4, 8)), name="y")
    assert events(g.build([y])) == [("graph-refused", "y", "refused")]


@pytest.mark.parametrize(
    ("sliced", "misplaced"),
    [((0,), ["s0", "p1", "p2"]), ((1,), ["s1", "p2"]), ((2,), []), ((0, 1, 2), []), ((0, 2), ["p1", "s0"])],
)
def test_a_sliced_part_goes_behind_the_others(sliced, misplaced):
    """Measured: of SPLIT in three, the outputs that changed places held each other."""
    g = GraphBuilder()
    parts = list(g.split(g.input("x", (1, 4, 6)), 3, 2, names=("p0", "p1", "p2")))
    for index in sliced:
        parts[index] = g.slice(parts[index], [0, 0, 0], (1, 4, 2), name=f"s{index}")
    assert sorted(tensor for _, tensor in wrong(g.build(parts))) == sorted(misplaced)


def test_a_sliced_part_that_is_no_output_or_is_read_twice_stays():
    g = GraphBuilder()
    first, second = g.split(g.input("x", (1, 4, 4)), 2, 2)
    whole = g.slice(first, [0, 0, 0], (1, 4, 2))
    assert wrong(g.build([g.unary("NEG", whole), second])) == []
    g = GraphBuilder()
    first, second = g.split(g.input("x", (1, 4, 4)), 2, 2)
    assert wrong(g.build([g.slice(first, [0, 0, 0], (1, 4, 2)), g.unary("NEG", first), second])) == []
