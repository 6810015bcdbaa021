"""How many accumulations lie on the way to a tensor."""

from __future__ import annotations

import numpy as np
import pytest

from cases.builder import GraphBuilder, Name
from cases.drawn_ops.one_op import OneOp, fixed
from cases.evaluation.depth import accumulation_depth
from tests.cases.evaluation.named_ops import composite

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


def test_a_transposed_convolution_adds_up_its_window_and_a_sequence_each_of_its_steps():
    x, weights = np.ones((1, 4, 4, 8), np.float32), fixed(np.ones((2, 3, 3, 8)), "float32")
    spread = OneOp("TRANSPOSE_CONV", (fixed([1, 4, 4, 2]), weights, x), attrs={"padding": "SAME"}).graph([(1, 4, 4, 2)])
    assert accumulation_depth(spread, "out0") == 3 * 3 * 8
    gates = [None, *(fixed(np.ones((2, 5)), "float32") for _ in range(3))]
    recurrent = [None, *(fixed(np.ones((2, 2)), "float32") for _ in range(3))]
    for kind, shape, steps in (("LSTM", (1, 5), 1), ("UNIDIRECTIONAL_SEQUENCE_LSTM", (1, 7, 5), 7)):
        cell = OneOp(kind, [np.ones(shape, np.float32), *gates, *recurrent]).graph([(*shape[:-1], 2)])
        assert accumulation_depth(cell, "out0") == steps * (5 + 2)
    basic = [np.ones((1, 5), np.float32), np.ones((1, 2), np.float32), fixed(np.ones((8, 7)), "float32")]
    assert accumulation_depth(OneOp("LSTM", basic, attrs={"kernel_type": 1}).graph([(1, 2)]), "out0") == 7


def test_an_op_by_name_adds_up_as_many_terms_as_its_longest_row():
    x, keys = np.ones((1, 3, 2, 8), np.float32), np.ones((1, 1, 3, 40), np.float32)
    assert accumulation_depth(composite("odml.rms_norm", (x, keys), {}).graph([x.shape]), "out0") == 40
