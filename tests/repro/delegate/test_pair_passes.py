"""Passes over two neighbours: which pairs they take, which output is lost between them, whose values come out wrong."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.builder import GraphBuilder
from repro.delegate.pair_passes import (
    DEGENERATE_RESIZE,
    GEMM_PASSES,
    PAD_PASSES,
    SINGLE_INPUT_ADD,
    SINGLE_INPUT_CONCAT,
)
from repro.delegate.parser import lower
from repro.delegate.replay import replay
from repro.delegate.sighting import Effect
from repro.selftest.draws.draw import draw
from tests.repro.delegate.replayed import bookkeeping_errors, kept, wrong

W = np.linspace(-1.0, 1.0, 64).reshape(8, 8)
ONES = np.ones(8)
ALL = (DEGENERATE_RESIZE, SINGLE_INPUT_ADD, SINGLE_INPUT_CONCAT, *PAD_PASSES, *GEMM_PASSES)


@pytest.mark.parametrize("kind", ["ADD", "MUL"])
@pytest.mark.parametrize("shape", [(), (8,), (1, 1, 8)])
def test_gemm_elementwise(kind, shape):
    g = GraphBuilder()
    y = g.fully_connected(g.input("x", (1, 4, 8)), W, name="y")
    z = g.binary(kind, y, g.const(np.full(shape, 2.0)))
    assert wrong(g.build([y, z])) == [("gemm-elementwise", "y")]


@pytest.mark.parametrize(
    "second",
    [
        lambda g, y: g.sub(y, g.const(ONES)),
        lambda g, y: g.mul(y, g.const(np.ones((4, 8)))),
        lambda g, y: g.add(y, g.input("z", (1, 4, 8))),
        lambda g, y: g.unary("RELU", y),
    ],
)
def test_gemm_keeps_what_it_cannot_fold(second: Callable[[GraphBuilder, str], str]):
    g = GraphBuilder()
    y = g.fully_connected(g.input("x", (1, 4, 8)), W, name="y")
    assert wrong(g.build([y, second(g, y)])) == []


def test_elementwise_gemm_and_its_padding():
    for padding, expected in (("VALID", [("elementwise-gemm", "y")]), ("SAME", [])):
        g = GraphBuilder()
        y = g.add(g.input("x", (1, 6, 6, 8)), g.const(ONES), name="y")
        z = g.conv2d(y, np.ones((4, 3, 3, 8)), padding=padding)
        assert wrong(g.build([y, z])) == expected
    g = GraphBuilder()
    y = g.mul(g.input("x", (1, 6, 6, 8)), g.const(ONES), name="y")
    assert wrong(g.build([y, g.conv2d(y, np.ones((4, 3, 3, 8)))])) == [("elementwise-gemm", "y")]


def test_rank_two_does_not_take_an_add_into_fully_connected():
    g = GraphBuilder()
    y = g.add(g.input("x", (4, 8)), g.const(ONES), name="y")
    assert wrong(g.build([y, g.fully_connected(y, W)])) == []


def test_a_merged_node_gets_another_chance():
    g = GraphBuilder()
    y = g.fully_connected(g.input("x", (1, 4, 8)), W, name="y")
    scaled = g.mul(y, g.const(2.0), name="scaled")
    graph = g.build([y, scaled, g.mul(scaled, g.const(3.0))])
    assert kept(graph) == ["CONV"]
    assert wrong(graph) == [("gemm-elementwise", "y"), ("gemm-elementwise", "scaled")]
    g = GraphBuilder()
    y = g.mul(g.input("x", (1, 4, 8)), g.const(2.0), name="y")
    scaled = g.mul(y, g.const(3.0), name="scaled")
    graph = g.build([y, scaled, g.fully_connected(scaled, W)])
    assert kept(graph) == ["CONV"]
    assert wrong(graph) == [("elementwise-gemm", "scaled"), ("elementwise-gemm", "y")]


def test_a_constant_with_more_channels_than_the_convolution_is_folded_all_the_same():
    """[1,4,1] plus one value per channel of eight: the sum broadcasts, the folded bias does not."""
    g = GraphBuilder()
    y = g.fully_connected(g.input("x", (1, 4, 8)), np.ones((1, 8)))
    assert wrong(g.build([g.add(y, g.const(ONES), name="z")])) == [("constant-broadcast-gemm", "z")]
    g = GraphBuilder()
    y = g.mul(g.input("x", (1, 4, 1)), g.const(ONES))
    assert wrong(g.build([g.fully_connected(y, W, name="z")])) == [("constant-broadcast-gemm", "z")]


@pytest.mark.parametrize(("constant", "expected"), [(np.arange(1.0, 9.0), [("grouped-mul", "z")]), (2.0, [])])
def test_groups_are_all_scaled_with_the_first_groups_constants(constant, expected):
    g = GraphBuilder()
    y = g.mul(g.input("x", (1, 4, 4, 8)), g.const(constant))
    assert wrong(g.build([g.conv2d(y, np.ones((8, 1, 1, 4)), name="z")])) == expected


def test_padding_that_is_an_output_is_merged_away():
    g = GraphBuilder()
    y = g.pad(g.input("x", (1, 4, 4, 8)), [(0, 0), (1, 1), (1, 1), (0, 0)], name="y")
    assert wrong(g.build([y, g.conv2d(y, np.ones((4, 3, 3, 8)), padding="VALID")])) == [("pad-merged", "y")]


@pytest.mark.parametrize(
    ("kind", "before", "expected"),
    [
        ("AVERAGE_POOL_2D", "NEG", True),
        ("AVERAGE_POOL_2D", "RELU", True),
        ("MAX_POOL_2D", "NEG", True),
        ("MAX_POOL_2D", "RELU", False),
    ],
)
def test_pooling_forgets_padding_where_it_matters(kind, before, expected):
    g = GraphBuilder()
    x = g.unary(before, g.input("x", (1, 4, 4, 8)))
    y = g.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)])
    assert wrong(g.build([g.pool(kind, y, 3, 1, name="p")])) == ([("pad-pool", "p")] if expected else [])


def test_padding_with_minus_infinity_in_front_of_a_maximum_is_fine():
    g = GraphBuilder()
    x = g.input("x", (1, 4, 4, 8))
    table = g.const([(0, 0), (1, 1), (1, 1), (0, 0)], dtype="int32")
    y = g.op("PADV2", (x, table, g.const(np.float32(-np.inf))))[0]
    assert wrong(g.build([g.pool("MAX_POOL_2D", y, 3, 1)])) == []


def test_a_window_of_nothing_but_padding_is_wrong_whatever_is_padded():
    g = GraphBuilder()
    x = g.unary("RELU", g.input("x", (1, 4, 4, 8)))
    y = g.pad(x, [(0, 0), (2, 0), (0, 0), (0, 0)])
    assert wrong(g.build([g.pool("MAX_POOL_2D", y, 2, 1, name="p")])) == [("pad-pool", "p")]


@pytest.mark.parametrize(("fill", "expected"), [(0.0, []), (3.0, [("pad-value-gemm", "z")])])
def test_the_value_of_a_padding_is_lost_in_front_of_a_convolution(fill, expected):
    g = GraphBuilder()
    table = g.const([(0, 0), (1, 1), (1, 1), (0, 0)], dtype="int32")
    y = g.op("PADV2", (g.input("x", (1, 4, 4, 8)), table, g.const(np.float32(fill))))[0]
    assert wrong(g.build([g.conv2d(y, np.ones((4, 3, 3, 8)), padding="VALID", name="z")])) == expected


def test_a_split_put_together_again_must_be_the_same():
    for order, expected in (((0, 1), []), ((1, 0), [("split-merged", "y")])):
        g = GraphBuilder()
        parts = g.split(g.unary("NEG", g.input("x", (1, 4, 8))), 2, 2)
        assert wrong(g.build([g.concat([parts[i] for i in order], 2, name="y")])) == expected


def test_a_part_that_an_addition_leaves_over_changes_places():
    g = GraphBuilder()
    parts = g.split(g.unary("NEG", g.input("x", (1, 6, 8))), 3, 1, names=("a", "b", "c"))
    both = g.add(parts[0], parts[1], name="both")
    assert sorted(wrong(g.build([both, parts[2]]))) == [("split-merged", "both"), ("split-merged", "c")]
    g = GraphBuilder()
    parts = g.split(g.unary("NEG", g.input("x", (1, 6, 8))), 3, 1, names=("a", "b", "c"))
    both = g.concat(parts[1:], 1, name="both")
    assert wrong(g.build([both, parts[0]])) == []


def test_a_part_behind_a_concat_of_one_goes_behind_the_others():
    g = GraphBuilder()
    first, second = g.split(g.input("x", (1, 4, 4)), 2, 2, names=("a", "b"))
    assert sorted(wrong(g.build([g.concat([first], 2, name="c"), second]))) == [
        ("split-merged", "b"),
        ("split-merged", "c"),
    ]
    g = GraphBuilder()
    first, second = g.split(g.input("x", (1, 4, 4)), 2, 2)
    assert wrong(g.build([g.concat([second], 2), first])) == []


def test_the_source_of_a_split_that_is_put_together_is_renamed_and_not_written():
    g = GraphBuilder()
    source = g.unary("NEG", g.input("x", (1, 4, 8)), name="source")
    again = g.concat(g.split(source, 2, 2), 2, name="again")
    other = g.unary("ABS", source, name="other")
    assert wrong(g.build([source, again, other])) == [("source-renamed", "source"), ("source-renamed", "other")]


def test_a_split_of_which_half_is_left_still_has_a_kernel_that_reads_its_source():
    g = GraphBuilder()
    source = g.unary("NEG", g.input("x", (1, 4, 8)), name="source")
    both = g.add(*g.split(source, 2, 2), name="both")
    assert wrong(g.build([source, both])) == [("split-merged", "both")]


def test_a_graph_input_cannot_be_renamed_and_the_graph_is_refused():
    g = GraphBuilder()
    again = g.concat(g.split(g.input("x", (1, 4, 8)), 2, 2), 2, name="again")
    assert wrong(g.build([again])) == [("graph-refused", "again")]


def test_a_resize_to_the_same_size_goes_with_the_output_behind_it():
    g = GraphBuilder()
    y = g.unary("NEG", g.input("x", (1, 4, 4, 8)), name="y")
    size = g.const([4, 4], dtype="int32")
    z = g.op("RESIZE_BILINEAR", (y, size), name="z", half_pixel_centers=True, align_corners=False)[0]
    graph = g.build([y, z])
    assert kept(graph) == ["NEG"]
    assert wrong(graph) == [("noop-removed", "y")]


@given(st.integers(0, 2000), st.sampled_from(ALL))
def test_a_pass_runs_to_its_fixed_point_and_keeps_the_edges_consistent(index, pair_pass):
    graph = lower(draw(5, index).graph)
    list(pair_pass.apply(graph))
    assert bookkeeping_errors(graph) == []
    left = graph.live()
    assert list(pair_pass.apply(graph)) == []
    assert graph.live() == left


@given(st.integers(0, 2000), st.sampled_from(ALL))
def test_a_pass_loses_just_the_graph_outputs_that_nobody_makes_afterwards(index, pair_pass):
    graph = lower(draw(6, index).graph)
    outputs = {value.name for node in graph.live() for value in node.outputs if value.is_output}
    lost = {seen.value.name for seen in pair_pass.apply(graph) if seen.effect == "lost" and seen.rule == pair_pass.rule}
    made = {value.name for node in graph.live() for value in node.outputs}
    assert lost == outputs - made


@pytest.mark.parametrize("front", [True, False])
@pytest.mark.parametrize("turned", [True, False])
@pytest.mark.parametrize(("depth", "out"), [(3, 2), (5, 4), (8, 7), (4, 4), (4, 5), (7, 8)])
def test_a_constant_shorter_than_turned_weights_is_read_beyond_its_end(depth: int, out: int, turned: bool, front: bool):
    """Measured on lavapipe: the process ends with each of these and with no other."""
    g = GraphBuilder()
    x = g.input("x", (3, depth))
    x = g.mul(x, g.const(np.linspace(0.5, 1.0, depth))) if front else x
    y = g.batch_matmul(x, g.const(np.ones((out, depth) if turned else (depth, out))), adj_y=turned)
    graph = g.build([y if front else g.add(y, g.const(np.linspace(0.5, 1.0, out)))])
    ends = turned and (depth < out if front else out < depth)
    found = [event for event in replay(graph).events if event.effect is Effect.ABORT]
    assert [event.rule for event in found] == ["folded-constant-aborts"] * ends
