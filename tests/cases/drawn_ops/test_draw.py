"""A draw is a function of its seed, and what it draws is what it says."""

from __future__ import annotations

import random

import numpy as np
import pytest

from cases.drawn_ops.draw import Draw
from cases.drawn_ops.table import DRAWS
from cases.drawn_ops.typed import drawn_graph
from cases.tflite.write import write_tflite


@pytest.mark.parametrize("kind", ["ADD", "CONV_2D", "STRIDED_SLICE", "LSTM"])
def test_the_same_seed_gives_the_same_op(kind: str):
    first, again, other = (DRAWS[kind](Draw(random.Random(seed)), kind) for seed in (3, 3, 4))
    assert repr(first) == repr(again)
    assert repr(first) != repr(other)


def test_a_graph_of_a_type_is_a_function_of_its_seed():
    first, again = (write_tflite(drawn_graph(Draw(random.Random(8)), "MUL", "int8")) for _ in range(2))
    assert first == again


def test_shapes_that_broadcast_do_and_one_of_them_is_whole():
    for seed in range(50):
        shapes = Draw(random.Random(seed)).broadcasting(3)
        assert np.broadcast_shapes(*shapes) in shapes


def test_integers_of_a_type_reach_both_ends_of_its_range():
    drawn = Draw(random.Random(1)).integers_of((400,), "int4")
    assert (drawn.min(), drawn.max(), drawn.dtype) == (-8, 7, np.dtype(np.int8))
