"""What an evaluation takes is told before: never less than it takes, and from shapes alone."""

from __future__ import annotations

import random
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cases import catalogue
from cases.builder import GraphBuilder
from cases.evaluation import step
from cases.evaluation.evaluate import FLOAT16, FLOAT16_TRUNCATED, FLOAT32, FLOAT64, Arithmetic, evaluate, unsupported
from cases.evaluation.footprint import evaluation_peak, require_room
from cases.graph import Graph, GraphError, Op, Tensor
from cases.inputs import standard_feeds
from repro.fuzzer.generate import grow
from runner import memory
from runner.memory import TooMuchMemory

FIXED_BYTES = 1 << 20
"""Of tables that do not grow with the graph: the noise of transcendental functions, Python's own objects."""
ARITHMETICS = (FLOAT64, FLOAT32, FLOAT16, FLOAT16_TRUNCATED)


def taken(graph: Graph, arithmetic: Arithmetic) -> int:
    """Bytes that an evaluation really takes at its peak; numpy tells tracemalloc what it allocates."""
    feed = standard_feeds([graph.tensors[name] for name in graph.inputs], 0)[0]
    tracemalloc.start()
    try:
        evaluate(graph, feed, arithmetic)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), arithmetic=st.sampled_from(ARITHMETICS))
def test_drawn_graphs_take_no_more_than_was_said(seed: int, arithmetic: Arithmetic):
    graph = grow(random.Random(seed))
    assert taken(graph, arithmetic) <= evaluation_peak(graph).nbytes + FIXED_BYTES


def test_the_largest_graphs_of_the_catalogue_take_no_more_than_was_said():
    graphs = [case.graph() for case in catalogue.select(("output-plus-consumer/*-n8400*",)) if case.graph is not None]
    graphs = [graph for graph in graphs if not unsupported(graph)][::3]
    assert len(graphs) >= 5
    for graph in graphs:
        assert taken(graph, FLOAT32) <= evaluation_peak(graph).nbytes + FIXED_BYTES


def declared(kind: str, operands: dict[str, object], result: tuple[int, ...] = (1,), **attrs: object) -> Graph:
    """One op that declares a small result. operands: a shape (a runtime tensor), or an array (a constant)."""
    tensors = {}
    for name, what in operands.items():
        data = np.asarray(what) if isinstance(what, np.ndarray) else None
        shape = data.shape if data is not None else what
        tensors[name] = Tensor(name, shape, "int32" if data is not None else "float32", data)  # type: ignore[arg-type]
    tensors["y"] = Tensor("y", result)
    inputs = tuple(name for name, tensor in tensors.items() if tensor.data is None and name != "y")
    return Graph(tensors, (Op(kind, tuple(operands), ("y",), attrs),), inputs, ("y",))


def ints(*values: object) -> np.ndarray:
    return np.array(values, np.int32)


BOMBS = {
    "a row and a column": declared("ADD", {"x": (1, 1 << 16), "z": (1 << 16, 1)}),
    "a pad": declared("PAD", {"x": (1, 4), "pads": ints([0, 1 << 30], [0, 0])}),
    "a mirrored pad": declared("MIRROR_PAD", {"x": (1, 4), "pads": ints([1 << 30, 0], [0, 0])}, mode=0),
    "a tiling": declared("TILE", {"x": (4, 4), "times": ints(1 << 15, 1 << 15)}),
    "a resize": declared("RESIZE_BILINEAR", {"x": (1, 2, 2, 4), "size": ints(1 << 15, 1 << 15)}),
    "one hot": declared("ONE_HOT", {"x": (1 << 10,), "depth": ints(1 << 24), "on": (), "off": ()}),
    "a gather": declared("GATHER", {"x": (4, 1 << 16), "places": (1 << 16,)}, axis=0),
    "an outer product": declared("BATCH_MATMUL", {"x": (1 << 16, 1), "z": (1, 1 << 16)}),
    "batches": declared("BATCH_MATMUL", {"x": (1 << 16, 1, 8, 8), "z": (1, 1 << 16, 8, 8)}),
    "a selection": declared("SELECT", {"c": (1 << 16, 1), "x": (1, 1 << 16), "z": (1, 1)}),
    "a declared result": declared("ADD", {"x": (1,), "z": (1,)}, result=(1 << 31,)),
    "an input": declared("NEG", {"x": (1 << 31, 2)}),
}


@pytest.mark.parametrize("graph", BOMBS.values(), ids=BOMBS)
def test_what_an_op_makes_of_small_operands_is_seen_before_it_is_made(graph: Graph):
    with memory.limited("2GiB"), pytest.raises(TooMuchMemory, match=f"evaluating {graph.ops[0].kind} that writes 'y'"):
        require_room(graph)


@pytest.mark.parametrize(
    ("kind", "attrs"),
    [
        ("AVERAGE_POOL_2D", {"filter_height": 1 << 14, "filter_width": 1 << 14}),
        ("MAX_POOL_2D", {"filter_height": 3, "filter_width": 3, "stride_h": 1, "stride_w": 1, "padding": "SAME"}),
    ],
)
def test_a_window_is_refused_where_it_is_mostly_padding_and_not_where_it_is_small(kind: str, attrs: dict[str, object]):
    graph = declared(kind, {"x": (1, 4, 4, 1)}, (1, 4, 4, 1), **attrs)
    feed = (np.ones((1, 4, 4, 1), np.float32),)
    if attrs["filter_height"] == 3:
        assert evaluate(graph, feed)["y"].shape == (1, 4, 4, 1)
    else:
        with pytest.raises(GraphError, match="mostly padding"):
            evaluate(graph, feed)


@pytest.mark.parametrize("arithmetic", ARITHMETICS, ids=lambda a: a.name)
def test_weights_that_are_read_in_parts_compute_what_whole_ones_do(
    arithmetic: Arithmetic, monkeypatch: pytest.MonkeyPatch
):
    numbers = np.random.default_rng(0)
    g = GraphBuilder()
    weights, bias = (numbers.standard_normal(shape, dtype=np.float32) for shape in ((37, 24), (37,)))
    graph = g.build([g.fully_connected(g.input("x", (5, 24)), weights, bias, activation="RELU")])
    feed = (numbers.standard_normal((5, 24), dtype=np.float32),)
    (whole,) = evaluate(graph, feed, arithmetic).values()
    monkeypatch.setattr(step, "PART_ELEMENTS", 100)
    (parts,) = evaluate(graph, feed, arithmetic).values()
    np.testing.assert_allclose(parts, whole, rtol=1e-12 if arithmetic.exact else 1e-2, atol=1e-6)
