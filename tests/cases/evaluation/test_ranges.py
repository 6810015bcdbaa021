"""Largest and smallest magnitudes, in tensors and inside of sums, are those of the numbers themselves."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cases.builder import GraphBuilder
from cases.evaluation.ranges import Extent, TensorRange, extent_of, ranges_of
from cases.graph import Graph


def of(graph: Graph, *feeds: tuple[np.ndarray, ...]) -> dict[str, TensorRange]:
    return {found.name: found for found in ranges_of(graph, feeds)}


@pytest.mark.parametrize(
    ("values", "extent"),
    [
        ([3.0, -4.0, 0.0, 0.5], Extent(4.0, 0.5)),
        ([0.0, -0.0], Extent(0.0, 0.0)),
        ([], Extent(0.0, 0.0)),
        ([1.0, np.inf], Extent(np.inf, 1.0)),
        ([np.nan, 2.0], Extent(np.inf, 2.0)),
    ],
)
def test_an_extent_is_of_magnitudes_and_leaves_zeros_out(values: list[float], extent: Extent):
    assert extent_of(np.array(values)) == extent


def test_every_tensor_is_seen_over_all_feeds_in_execution_order():
    g = GraphBuilder()
    x = g.input("x", (1, 2))
    graph = g.build([g.scaled(g.mul(x, x, name="square"), 10.0, name="y")])
    found = of(graph, (np.array([[3.0, 1.0]], np.float32),), (np.array([[-0.5, 2.0]], np.float32),))
    assert list(found) == ["x", "square", "y"]
    assert [one.producer for one in found.values()] == ["input", "MUL", "MUL"]
    assert [one.stored for one in found.values()] == [Extent(3, 0.5), Extent(9, 0.25), Extent(90, 2.5)]


TERMS = st.lists(st.integers(-8, 8), min_size=4, max_size=4)


def one_op(kind: str, terms: np.ndarray, weights: np.ndarray) -> tuple[Graph, tuple[np.ndarray, ...]]:
    """An op that adds up the products of four terms and four weights."""
    g, count = GraphBuilder(), terms.size
    shape = {"CONV_2D": (1, 1, 1, count), "BATCH_MATMUL": (1, 1, count), "SUM": (1, count), "MEAN": (1, count)}
    x = g.input("x", shape.get(kind, (1, count)))
    if kind == "FULLY_CONNECTED":
        y = g.fully_connected(x, weights.reshape(1, count), np.zeros(1, np.float32))
    elif kind == "CONV_2D":
        y = g.conv2d(x, weights.reshape(1, 1, 1, count), np.zeros(1, np.float32), activation="RELU")
    elif kind == "BATCH_MATMUL":
        y = g.batch_matmul(x, g.const(weights.reshape(1, count, 1)))
    else:
        y = g.reduce(kind, x, [1])
    return g.build([y]), (terms.reshape(g.shape(x)),)


@settings(max_examples=25, deadline=None)
@given(terms=TERMS, weights=TERMS, kind=st.sampled_from(["FULLY_CONNECTED", "CONV_2D", "BATCH_MATMUL", "SUM", "MEAN"]))
def test_a_partial_sum_in_any_order_stays_within_what_is_said_of_it_and_one_order_reaches_it(terms, weights, kind: str):
    factors = np.ones(4, np.float32) if kind in ("SUM", "MEAN") else np.array(weights, np.float32)
    graph, feed = one_op(kind, np.array(terms, np.float32), factors)
    products = np.array(terms) * factors
    sums = [np.abs(np.cumsum(products[list(order)])).max() for order in itertools.permutations(range(4))]
    inside = of(graph, feed)[graph.outputs[0]].inside
    assert inside is not None
    assert inside.largest == max(sums)


def test_sums_inside_a_mean_and_a_norm_are_seen_before_they_are_divided():
    g = GraphBuilder()
    x = g.input("x", (1, 4, 4, 8))
    pooled = g.op("AVERAGE_POOL_2D", [x], filter_height=4, filter_width=4, stride_h=4, stride_w=4, padding="VALID")[0]
    graph = g.build([g.mean(x, [1, 2], name="mean"), pooled, g.op("L2_NORMALIZATION", [x], name="unit")[0]])
    found = of(graph, (np.full((1, 4, 4, 8), 3.0, np.float32),))
    assert [found[name].inside.largest for name in ("mean", pooled, "unit")] == [48.0, 48.0, 72.0]  # type: ignore[union-attr]
    assert found["mean"].stored.largest == 3.0
