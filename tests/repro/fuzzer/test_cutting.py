"""Pieces of real models: small, valid, and with the roles that they have in the model."""

from __future__ import annotations

import random

import numpy as np

from cases.builder import GraphBuilder
from cases.graph import Graph
from repro.fuzzer.cutting import cutting, small
from tests.repro.fuzzer.drawing import check_valid


def model() -> Graph:
    g = GraphBuilder()
    x = g.input("x", (1, 525, 256))
    for _ in range(4):
        x = g.add(g.fully_connected(x, np.zeros((256, 256))), g.const(np.zeros((1, 1, 256))))
    return g.build([x])


def test_a_cutting_of_a_large_model_is_small_and_valid():
    cuts = [cutting(random.Random(seed), model()) for seed in range(10)]
    usable = [cut for cut in cuts if cut is not None]
    assert len(usable) >= 5
    for cut in usable:
        check_valid(cut)
        assert len(cut.ops) < len(model().ops)
        assert max(size for t in cut.tensors.values() for size in t.shape) <= 16


def test_sizes_shrink_in_proportion_and_small_ones_stay():
    g = GraphBuilder()
    x = g.input("x", (1, 3, 256))
    y = g.fully_connected(x, np.ones((64, 256)))
    graph = small(g.build([y]))
    assert graph is not None
    assert graph.tensors["x"].shape == (1, 3, 8)
    assert graph.tensors[y].shape == (1, 3, 2)


def test_a_graph_whose_ops_do_not_allow_it_is_left():
    g = GraphBuilder()
    x = g.reshape(g.input("x", (1, 30, 20)), (1, 600))
    assert small(g.build([x])) is None
