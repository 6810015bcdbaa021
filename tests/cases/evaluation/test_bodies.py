"""A composite is computed by its body, and what nothing foreign stands before can be evaluated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cases.builder import GraphBuilder
from cases.evaluation.bodies import evaluable_part, with_bodies_in_place
from cases.evaluation.depth import accumulation_depth
from cases.evaluation.evaluate import evaluate, unsupported
from cases.graph import Graph, Op, Tensor
from tests.cases.tflite.signatures import plain, with_composite

X = np.array([[-2.0, -0.5, 0.5, 3.0]], np.float32)


def foreign(shape: tuple[int, ...] = (1, 4)) -> Graph:
    tensors = {name: Tensor(name, shape) for name in ("x", "y")}
    return Graph(tensors, (Op("SOME_OP", ("x",), ("y",)),), ("x",), ("y",))


def summing() -> Graph:
    """y = the sum of x's four elements, four times over."""
    g = GraphBuilder()
    total = g.sum(g.input("x", (1, 4)), [1], name="total")
    return g.build([g.add(total, g.const(np.zeros((1, 4))), "y")])


def test_a_composite_is_what_its_body_computes():
    graph = with_composite(summing())
    assert not unsupported(graph)
    np.testing.assert_array_equal(evaluate(graph, (X,))["z"], np.full((1, 4), 1.0))
    assert accumulation_depth(graph, "z") == accumulation_depth(with_bodies_in_place(graph, unsupported), "z") > 4


def test_the_values_of_the_graphs_own_tensors_keep_their_names():
    values = evaluate(with_composite(plain("NEG")), (X,), keep=("y",))
    np.testing.assert_array_equal(values["y"], -X)
    np.testing.assert_array_equal(values["z"], np.maximum(-X, 0))


def test_composites_inside_each_other_and_bodies_that_are_used_twice():
    inner = with_composite(plain("NEG"))
    outer = with_composite(inner)
    np.testing.assert_array_equal(evaluate(outer, (X,))["z"], np.maximum(-X, 0))
    graph = with_composite(plain("NEG"))
    twice = replace(graph, ops=(graph.ops[0], replace(graph.ops[0], inputs=("y",), outputs=("z",))))
    np.testing.assert_array_equal(evaluate(twice, (X,))["z"], X)


def test_a_body_that_hands_its_input_through_copies_it():
    through = Graph({"x": Tensor("x", (1, 4))}, (), ("x",), ("x",))
    np.testing.assert_array_equal(evaluate(with_composite(through), (X,))["z"], np.maximum(X, 0))


def test_a_composite_whose_body_cannot_be_evaluated_is_named():
    graph = with_composite(foreign(), "their.op")
    assert with_bodies_in_place(graph, unsupported).ops == graph.ops
    assert unsupported(graph) == ["STABLEHLO_COMPOSITE their.op"]


def test_the_part_without_anything_foreign_before_it():
    tensors = {name: Tensor(name, (1, 4)) for name in ("x", "a", "b", "c")}
    ops = (Op("NEG", ("x",), ("a",)), Op("SOME_OP", ("a",), ("b",)), Op("ABS", ("b",), ("c",)))
    part = evaluable_part(Graph(tensors, ops, ("x",), ("c", "a", "b")), unsupported)
    assert part is not None
    assert (part.outputs, [op.kind for op in part.ops]) == (("a",), ["NEG"])
    assert evaluable_part(Graph(tensors, ops, ("x",), ("c", "b")), unsupported) is None
