"""How many accumulations lie on the way to a tensor."""

from __future__ import annotations

import numpy as np
import pytest

from cases.builder import GraphBuilder, Name
from cases.evaluation.depth import accumulation_depth

TERMS = {
    "FULLY_CONNECTED": (lambda g, x: g.fully_connected(x, np.ones((3, 8))), 8),
    "CONV_2D": (lambda g, x: g.conv2d(x, np.ones((3, 3, 3, 8))), 3 * 3 * 8),
    "DEPTHWISE_CONV_2D": (lambda g, x: g.depthwise_conv2d(x, np.ones((1, 3, 3, 8))), 3 * 3),
    "BATCH_MATMUL": (lambda g, x: g.batch_matmul(x, x, adj_y=True), 8),
    "BATCH_MATMUL of transposed operands": (lambda g, x: g.batch_matmul(x, x, adj_x=True), 5),
    "SUM": (lambda g, x: g.sum(x, [1, 2]), 4 * 5),
    "REDUCE_MAX": (lambda g, x: g.reduce("REDUCE_MAX", x, [1, 2]), 1),
    "SOFTMAX": (lambda g, x: g.softmax(x), 8),
    "ADD": (lambda g, x: g.add(x, x), 1),
}


@pytest.mark.parametrize("kind", TERMS)
def test_an_op_accumulates_as_many_terms_as_an_element_of_its_output_has(kind: str):
    make, terms = TERMS[kind]
    g = GraphBuilder()
    y: Name = make(g, g.input("x", (1, 4, 5, 8)))
    assert accumulation_depth(g.build([y]), y) == terms


def test_the_longest_path_counts_and_inputs_have_none():
    g = GraphBuilder()
    x = g.input("x", (1, 5, 16))
    y = g.fully_connected(x, np.ones((4, 16)), name="y")
    m = g.mean(y, [2], name="m")
    short = g.mean(x, [2], name="short")
    graph = g.build([g.add(m, short, name="both")])
    assert accumulation_depth(graph, "m") == 16 + 4
    assert accumulation_depth(graph, "short") == 16
    assert accumulation_depth(graph, "both") == 16 + 4 + 1
    assert accumulation_depth(graph, "x") == 1
