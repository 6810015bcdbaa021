"""Lanes behind the last channel: who leaves something there, who carries it, who clears it. As measured on lavapipe."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.builder import GraphBuilder
from repro.delegate.replay import replay
from repro.delegate.unused_lanes import UNARY
from tests.repro.delegate.replayed import wrong

SHAPE = (1, 3, 4, 3)
Step = Callable[[GraphBuilder, str], str]


def divided(g: GraphBuilder, x: str) -> str:
    return g.div(x, g.const(np.full(g.shape(x)[-1], 2.0)))


def log(g: GraphBuilder, x: str) -> str:
    return g.unary("LOG", x)


def root(g: GraphBuilder, x: str) -> str:
    return g.unary("RSQRT", x)


def total(g: GraphBuilder, x: str) -> str:
    return g.sum(x, [len(g.shape(x)) - 1])


def is_poisoned(*steps: Step, shape: tuple[int, ...] = SHAPE) -> bool:
    g = GraphBuilder()
    current = g.input("x", shape)
    for step in steps:
        current = step(g, current)
    return "padding-lanes" in {rule for rule, _ in wrong(g.build([current]))}


@pytest.mark.parametrize("source", [divided, log, root])
@pytest.mark.parametrize(("channels", "expected"), [(3, True), (4, False), (6, True), (8, False)])
def test_only_a_slice_that_is_not_full_has_lanes(source, channels, expected):
    assert is_poisoned(source, total, shape=(1, 3, 4, channels)) is expected


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        (lambda g, x: g.add(x, g.const(2.0)), False),  # a scalar is added to the lanes as well
        (lambda g, x: g.add(x, g.const(np.full(3, 2.0))), True),  # a constant for each channel is not
        (lambda g, x: g.unary("EXP", x), False),
        (lambda g, x: g.conv2d(x, np.ones((3, 1, 1, 3)), np.ones(3)), True),
        (lambda g, x: g.softmax(x), False),
    ],
)
def test_what_lies_under_the_logarithm_counts(before, expected):
    assert is_poisoned(before, log, total) is expected


@pytest.mark.parametrize(
    ("sum_of", "expected"),
    [
        (total, True),
        (lambda g, x: g.mean(x, [1, 2, 3]), True),
        (lambda g, x: g.reduce("REDUCE_PROD", x, [3]), True),
        (lambda g, x: g.reduce("REDUCE_MAX", x, [3]), False),
        (lambda g, x: g.sum(x, [1, 2]), False),
        (lambda g, x: g.conv2d(x, np.ones((4, 3, 3, 3))), True),
        (lambda g, x: g.fully_connected(x, np.ones((4, 3))), True),
        (lambda g, x: g.depthwise_conv2d(x, np.ones((1, 3, 3, 3))), False),
        (lambda g, x: g.batch_matmul(x, g.input("w", (1, 3, 3, 5))), True),
        (lambda g, x: g.batch_matmul(g.input("w", (1, 3, 5, 4)), x), False),
    ],
)
def test_who_sums_over_channels(sum_of, expected):
    assert is_poisoned(divided, sum_of) is expected


@pytest.mark.parametrize(
    ("between", "expected"),
    [
        (lambda g, x: g.split(x, 2, 2)[1], True),
        (lambda g, x: g.split(x, 3, 3)[0], False),
        (lambda g, x: g.slice(x, [0, 0, 1, 0], [1, 3, 2, 3]), True),
        (lambda g, x: g.slice(x, [0, 0, 0, 0], [1, 3, 4, 2]), True),  # whole slices are copied
        (lambda g, x: g.slice(x, [0, 0, 0, 1], [1, 3, 4, 2]), False),
        (lambda g, x: g.concat([g.input("y", SHAPE), x], 2), True),
        (lambda g, x: g.concat([x, g.input("y", SHAPE)], 3), False),
        (lambda g, x: g.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)]), True),
        (lambda g, x: g.pad(x, [(0, 0), (0, 0), (0, 0), (0, 2)]), False),
        (lambda g, x: g.reshape(x, (1, 1, 12, 3)), False),
        (lambda g, x: g.transpose(x, [0, 2, 1, 3]), True),
        (lambda g, x: g.transpose(x, [0, 1, 3, 2]), False),
        (lambda g, x: g.pool("AVERAGE_POOL_2D", x, 2, 1), True),
        (lambda g, x: g.pool("MAX_POOL_2D", x, 2, 1), False),
        (lambda g, x: g.softmax(x), False),
        (lambda g, x: g.unary("NEG", x), True),
        (lambda g, x: g.unary("RELU", x), False),
        (lambda g, x: g.unary("TANH", x), False),
        (lambda g, x: g.binary("MAXIMUM", x, g.const(-9.0)), False),
    ],
)
def test_who_carries_a_nan_on(between, expected):
    assert is_poisoned(divided, between, total) is expected


@pytest.mark.parametrize(
    ("between", "expected"),
    [
        (lambda g, x: g.unary("RELU", x), True),
        (lambda g, x: g.unary("LOGISTIC", x), False),
        (lambda g, x: g.pool("MAX_POOL_2D", x, 2, 1), True),
        (lambda g, x: g.binary("MINIMUM", x, g.const(9.0)), False),
    ],
)
def test_infinity_goes_where_nan_does_not(between, expected):
    assert is_poisoned(root, between, total) is expected


def test_the_broadcast_of_one_channel_reaches_the_lanes():
    assert not is_poisoned(lambda g, x: g.div(x, g.input("z", (1, 3, 4, 1))), total)
    assert is_poisoned(lambda g, x: g.div(x, g.input("z", SHAPE)), total)


def test_a_number_divided_by_a_lane_of_zero_is_infinite_and_the_lane_divided_by_it_is_not():
    assert is_poisoned(lambda g, x: g.div(g.const(2.0), x), total)
    assert not is_poisoned(lambda g, x: g.div(x, g.const(2.0)), total)


def test_the_kernel_of_a_normalisation_leaves_the_lanes_out():
    def normalised(g: GraphBuilder, x: str) -> str:
        centred = g.sub(x, g.mean(x, [3]))
        variance = g.mean(g.mul(centred, centred), [3])
        return g.mul(centred, g.unary("RSQRT", g.add(variance, g.const(1e-3))))

    assert not is_poisoned(divided, normalised)
    assert is_poisoned(divided, normalised, total)


def test_the_op_that_spoilt_the_lanes_is_named_and_not_the_one_that_carried_them_on():
    g = GraphBuilder()
    y = g.unary("NEG", g.unary("LOG", g.input("x", (1, 4, 3))))
    (event,) = replay(g.build([g.sum(y, [2], name="total")])).events
    assert (event.rule, event.tensor) == ("padding-lanes", "total")
    assert (event.producer.kind, event.consumer.kind) == ("LOG", "SUM")


FINITE_LANES = [kind for kind in sorted(UNARY) if kind not in ("LOG", "RSQRT")]


@pytest.mark.parametrize("kind", FINITE_LANES)
def test_no_other_op_of_one_input_makes_something_else_of_zero(kind):
    assert math.isfinite(UNARY[kind](0.0))


@given(st.floats(allow_nan=True, allow_infinity=True, width=32))
def test_what_clamps_leaves_nothing_that_is_not_finite(lane):
    for kind in ("RELU6", "RELU_N1_TO_1", "SIGN"):
        assert math.isfinite(UNARY[kind](lane))
