"""Convolutions, pooling and FULLY_CONNECTED: what the parsers make of them, and where they are wrong."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cases.builder import GraphBuilder
from cases.findings.fc_runtime_weights_bias import runtime_weights
from repro.delegate.graph import POINTWISE, Weights, Window
from repro.delegate.parser import lower
from repro.delegate.replay import replay
from tests.repro.delegate.replayed import kinds, wrong


def test_rank_decides_between_convolution_and_fully_connected():
    g = GraphBuilder()
    weights = np.ones((8, 8))
    two = g.fully_connected(g.input("a", (4, 8)), weights)
    three = g.fully_connected(g.input("b", (1, 4, 8)), weights)
    single = g.fully_connected(g.input("c", (1, 1, 8)), weights)
    assert kinds(g.build([two, three, single])) == ["FULLY_CONNECTED", "CONV", "FULLY_CONNECTED"]


def test_a_fully_connected_of_rank_three_is_a_pointwise_convolution():
    g = GraphBuilder()
    (node,) = lower(g.build([g.fully_connected(g.input("x", (1, 4, 8)), np.ones((6, 8)))])).nodes
    assert (node.kind, node.window, node.weights) == ("CONV", POINTWISE, Weights(6, 8, 1))


def test_a_convolution_has_its_window_and_the_size_of_its_weights():
    g = GraphBuilder()
    y = g.conv2d(g.input("x", (1, 9, 8, 4)), np.ones((6, 3, 5, 4)), stride=2, padding="VALID")
    (node,) = lower(g.build([y])).nodes
    assert (node.window, node.weights) == (Window((3, 5), (2, 2)), Weights(6, 4, 1))


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 4), st.integers(1, 3), st.sampled_from(["SAME", "VALID"]))
def test_the_padding_of_a_window_gives_as_many_results_as_the_file_says(height, width, size, stride, padding):
    assume(padding == "SAME" or size <= min(height, width))
    g = GraphBuilder()
    y = g.pool("MAX_POOL_2D", g.input("x", (1, height, width, 4)), size, stride, padding=padding)
    (node,) = lower(g.build([y])).nodes
    assert node.window is not None
    for side, extent in enumerate((height, width)):
        padded = extent + node.window.padding[side]
        last_start = padded - node.window.size[side]
        assert last_start // stride + 1 == node.outputs[0].shape[1 + side]
        # No more padding than that takes: the last window ends where the padded image ends.
        assert node.window.padding[side] == 0 or last_start % stride == 0


def test_the_dilation_of_a_kernel_counts_in_its_padding():
    g = GraphBuilder()
    y = g.conv2d(g.input("x", (1, 8, 8, 4)), np.ones((4, 3, 3, 4)), dilation=2)
    (node,) = lower(g.build([y])).nodes
    assert node.window == Window((3, 3), dilation=(2, 2), padding=(4, 4))


@pytest.mark.parametrize(
    ("shape", "depth", "expected"),
    [
        ((1,), 1, ""),
        ((2,), 2, "fc-rank-1"),
        ((8,), 4, "fc-rank-1"),
        ((2,), 1, ""),
        ((1, 4), 4, ""),
        ((2, 4), 2, "fc-flattens"),
        ((1, 2, 4), 8, "fc-flattens"),
        ((1, 2, 4), 4, ""),
    ],
)
def test_fully_connected_wants_its_depth_in_the_last_of_two_dimensions_or_more(shape, depth, expected):
    g = GraphBuilder()
    weights = g.const(np.ones((3, depth)))
    kept = len(shape) > 1 and shape[-1] == depth
    (y,) = g.op("FULLY_CONNECTED", (g.input("x", shape), weights), name="y", keep_num_dims=kept)
    assert wrong(g.build([y])) == ([(expected, "y")] if expected else [])


@pytest.mark.parametrize("dtype", ["int8", "int4"])
@pytest.mark.parametrize(
    ("shape", "keeps_rank", "is_wrong"),
    [
        ((1, 2, 8), False, True),
        ((1, 2, 8), True, False),
        ((2, 3, 8), False, True),
        ((2, 1, 8), False, False),
        ((2, 8), False, False),
        ((1, 1, 8), False, False),
        ((1, 1, 2, 8), False, True),
        ((1, 2, 1, 8), False, True),
        ((2, 1, 1, 8), False, False),
        ((1, 2, 2, 8), True, False),
    ],
)
def test_quantised_weights_are_right_where_the_result_has_the_rows_of_the_input(shape, keeps_rank, is_wrong, dtype):
    g = GraphBuilder()
    weights = g.on_grid(g.const(np.ones((4, 8)), dtype=dtype), [0.1] * 4)
    (y,) = g.op("FULLY_CONNECTED", (g.input("x", shape), weights), name="y", keep_num_dims=keeps_rank)
    assert wrong(g.build([y])) == ([("quantised-fc-rows", "y")] if is_wrong else [])


def test_nothing_is_folded_into_quantised_weights():
    g = GraphBuilder()
    weights = g.on_grid(g.const(np.ones((4, 8)), dtype="int8"), 0.1)
    y = g.fully_connected(g.mul(g.input("x", (2, 8)), g.const(2.0), name="x2"), weights, name="y")
    assert replay(g.build(["x2", y, g.add(y, g.const(1.0), name="z")])).events == ()


def test_int4_weights_in_blocks_end_the_process():
    g = GraphBuilder()
    weights = g.on_block_grid(g.const(np.ones((4, 64)), dtype="int4"), np.full((4, 2), 0.1))
    (event,) = replay(g.build([g.fully_connected(g.input("x", (1, 64)), weights, name="y")])).events
    assert (event.rule, event.effect) == ("blockwise-int4-aborts", "abort")


@pytest.mark.parametrize(
    ("graph", "expected"),
    [
        (lambda: runtime_weights(), True),
        (lambda: runtime_weights((2, 3, 4), origin="result"), True),
        (lambda: runtime_weights(origin="constant"), False),
        (lambda: runtime_weights(bias="none"), False),
        (lambda: runtime_weights(bias="behind"), False),
        (lambda: runtime_weights((1, 1, 1, 4), convolution=True), False),
    ],
)
def test_fully_connected_keeps_its_bias_with_constant_weights_only(graph, expected):
    assert wrong(graph()) == ([("fc-runtime-weights", "y")] if expected else [])


def test_a_bias_of_zeros_is_not_missed():
    g = GraphBuilder()
    y = g.fully_connected(g.input("x", (1, 4)), g.input("w", (4, 4)), np.zeros(4), name="y")
    assert wrong(g.build([y])) == []


@pytest.mark.parametrize(("size", "multiplier", "expected"), [(1, 2, True), (3, 2, False), (1, 1, False)])
def test_a_depthwise_multiplier_of_one_pixel_kernels(size, multiplier, expected):
    g = GraphBuilder()
    y = g.depthwise_conv2d(g.input("x", (1, 4, 4, 2)), np.ones((1, size, size, 2 * multiplier)), name="y")
    assert wrong(g.build([y])) == ([("depthwise-multiplier", "y")] if expected else [])


@pytest.mark.parametrize(
    ("groups", "taken", "made", "expected"),
    [
        (2, 4, 4, ""),
        (2, 8, 4, ""),
        (2, 4, 2, "grouped-conv"),
        (2, 3, 4, "grouped-conv"),
        (2, 1, 1, ""),
        (2, 1, 2, "grouped-conv"),
        (2, 5, 4, "grouped-conv-aborts"),
        (2, 8, 2, "grouped-conv-aborts"),
        (1, 5, 3, ""),
    ],
)
def test_groups_want_multiples_of_four(groups, taken, made, expected):
    g = GraphBuilder()
    weights = np.ones((groups * made, 1, 1, taken))
    y = g.conv2d(g.input("x", (1, 4, 4, groups * taken)), weights, name="y")
    assert wrong(g.build([y])) == ([(expected, "y")] if expected else [])


@pytest.mark.parametrize(("taken", "effect"), [(3, "void"), (5, "abort")])
def test_groups_that_the_kernels_cannot_take_are_a_convolution_each(taken, effect):
    g = GraphBuilder()
    y = g.conv2d(g.input("x", (1, 4, 4, 2 * taken)), np.ones((8, 1, 1, taken)), name="y")
    graph = g.build([y])
    split, first, second, concat = lower(graph).nodes
    assert [node.kind for node in (split, first, second, concat)] == ["SPLIT", "CONV", "CONV", "CONCAT"]
    assert first.weights == second.weights == Weights(4, taken, 1)
    assert concat.outputs[0].shape == (1, 4, 4, 8)
    assert [event.effect for event in replay(graph).events] == [effect]


def test_a_convolution_of_one_channel_for_each_result_is_depthwise():
    g = GraphBuilder()
    assert kinds(g.build([g.conv2d(g.input("x", (1, 4, 4, 4)), np.ones((4, 3, 3, 1)))])) == ["DEPTHWISE"]


def test_weights_at_run_time_are_a_second_input():
    g = GraphBuilder()
    x, weights = g.input("x", (1, 4, 4, 8)), g.input("w", (4, 1, 1, 8))
    (node,) = lower(g.build([g.op("CONV_2D", (x, weights, ""), name="y", stride_h=1, stride_w=1)[0]])).nodes
    assert (node.kind, node.weights, len(node.inputs)) == ("CONV", None, 2)
