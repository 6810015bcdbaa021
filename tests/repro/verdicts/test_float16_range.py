"""A failure in fp16 is traced to the tensor that leaves the range, not to the op behind it."""

from __future__ import annotations

import numpy as np

from cases.builder import GraphBuilder
from cases.evaluation import ranges
from cases.evaluation.evaluate import evaluate
from cases.graph import Graph, Op, Tensor
from repro.verdicts.float16_range import first_beyond_float16

X = np.abs(np.random.default_rng(0).standard_normal((1, 64, 64, 4))).astype(np.float32) + 16


def squeezed() -> Graph:
    """The shape of a squeeze-excite block: all places of a channel joined, a gate, and the product."""
    g = GraphBuilder()
    x = g.input("x", X.shape)
    joined = g.sum(x, [1, 2], name="joined")
    return g.build([g.mul(x, g.unary("LOGISTIC", g.scaled(joined, 1e-5, name="scaled"), name="gate"), name="y")])


def test_the_sum_is_named_and_not_what_is_computed_from_it():
    found = first_beyond_float16(squeezed(), (X,), ["y"])
    assert found is not None
    assert (found.name, found.producer) == ("joined", "SUM")
    assert found.words.startswith("'joined' (written by SUM) leaves float16's range: it reaches 6.88e+04")


def test_small_values_and_what_stands_beside_the_way_are_not_named():
    assert first_beyond_float16(squeezed(), (X / 100,), ["y"]) is None
    g = GraphBuilder()
    x = g.input("x", (1, 8))
    y, z = g.unary("NEG", x, name="y"), g.scaled(x, 1e6, name="z")
    assert first_beyond_float16(g.build([y, z]), (np.ones((1, 8), np.float32),), ["y"]) is None


def test_a_graph_is_walked_once_and_keeps_nothing_of_it_with_the_same_answer(monkeypatch):
    asked: list[dict[str, object]] = []

    def evaluated(*given: object, **options: object) -> object:
        asked.append(options)
        return evaluate(*given, **options)

    monkeypatch.setattr(ranges, "evaluate", evaluated)
    found = first_beyond_float16(squeezed(), (X,), ["y"])
    assert found is not None
    assert found.name == "joined"
    assert [options.keys() for options in asked] == [{"watch", "variables"}]


def test_a_graph_that_is_not_evaluated_says_nothing():
    tensors = {"x": Tensor("x", (4,)), "y": Tensor("y", (4,))}
    graph = Graph(tensors, (Op("SOME_OP", ("x",), ("y",)),), ("x",), ("y",))
    assert first_beyond_float16(graph, (np.zeros(4, np.float32),), ["y"]) is None
