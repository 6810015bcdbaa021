"""A graph while it grows: which tensors are read again, and what broadcasts against them."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given

from cases.builder import GraphBuilder
from repro.fuzzer.growth import Growth, computed_floats
from tests.repro.fuzzer.drawing import generators


def test_the_newest_tensor_is_mostly_the_one_to_work_on():
    growth = Growth(random.Random(1))
    names = [growth.input((2, 3)) for _ in range(4)]
    chosen = Counter(growth.operand() for _ in range(4000))
    assert chosen[names[3]] / 4000 == pytest.approx(0.62 + 0.2 / 4, abs=0.03)
    assert chosen[names[2]] / 4000 == pytest.approx(0.18 + 0.2 / 4, abs=0.03)
    assert set(chosen) == set(names)


@given(generators)
def test_a_constant_broadcasts_with_what_it_was_made_for(rng: random.Random):
    growth = Growth(rng)
    shape = tuple(rng.choice((1, 2, 3, 5)) for _ in range(rng.randint(1, 4)))
    for _ in range(10):
        form = growth.constant_shape(shape)
        assert len(np.broadcast_shapes(form, shape)) <= 4
        assert len(form) <= 4


@given(generators)
def test_a_partner_is_there_or_new_and_broadcasts(rng: random.Random):
    growth = Growth(rng)
    growth.input((2, 3, 4))
    growth.input((3, 1))
    growth.input((5,))
    for exact in (False, True):
        shape = growth.shape(growth.partner((2, 3, 4), exact=exact))
        assert np.broadcast_shapes(shape, (2, 3, 4)) == (2, 3, 4)
        assert shape == (2, 3, 4) or not exact
    assert len(growth.tensors) == growth.next_input


def test_what_extends_a_graph_reads_its_tensors_and_names_new_inputs_apart():
    g = GraphBuilder()
    x = g.input("x7", (2, 3))
    far = g.binary("GREATER", x, g.const(0.0))
    graph = g.build([g.select(far, x, g.unary("NEG", x, "n"), "y")])
    assert computed_floats(graph) == ["n", "y"]
    growth = Growth.extending(graph, random.Random(0))
    assert growth.tensors == ["x7", "n", "y"]
    assert growth.input((1,)) not in graph.tensors
    assert growth.builder.build(["y"]).ops == graph.ops


def test_only_floats_of_a_graph_are_grown_on():
    """What reads the integers of an input as floats makes a graph that no target has a meaning for."""
    g = GraphBuilder()
    whole, truth, x = g.input("whole", (2, 3), "int32"), g.input("truth", (2, 3), "bool"), g.input("x", (2, 3))
    graph = g.build([g.select(truth, x, g.unary("NEG", x, "turned"), "chosen"), g.unary("ABS", whole, "size")])
    assert Growth.extending(graph, random.Random(1)).tensors == ["x", "turned", "chosen"]
