"""What TFLite does not prepare is told by its form and trips nobody; nothing that TFLite takes is called so."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from cases.catalogue import catalogue
from cases.graph import Graph, Op, Tensor
from repro import api
from repro.delegate.malformed import FEWEST_OPERANDS, is_malformed
from repro.delegate.misread_types import displaced
from repro.delegate.parser import PARSERS, lower
from repro.selftest.draws.draw import draw

SEED = 2611
GRAPHS = [draw(SEED, index).graph for index in range(240)]


def ops_of(kinds: frozenset[str]) -> list[tuple[Graph, Op]]:
    """One op per kind, with the graph it is in."""
    return list({op.kind: (graph, op) for graph in GRAPHS for op in graph.ops if op.kind in kinds}.values())


def in_place_of(graph: Graph, op: Op, **changed: object) -> tuple[Graph, Op]:
    """The graph with an op that is changed."""
    odd = dataclasses.replace(op, **changed)
    return dataclasses.replace(graph, ops=tuple(odd if one is op else one for one in graph.ops)), odd


def with_tensor(graph: Graph, tensor: Tensor) -> Graph:
    return dataclasses.replace(graph, tensors={**graph.tensors, tensor.name: tensor})


def test_nothing_that_is_drawn_or_in_the_catalogue_is_malformed():
    graphs = GRAPHS + [case.graph() for case in catalogue()[::7] if case.graph is not None]
    assert not [(graph, op.kind) for graph in graphs for op in graph.ops if is_malformed(graph, op)]


@pytest.mark.parametrize(("graph", "op"), ops_of(frozenset(PARSERS)), ids=lambda one: getattr(one, "kind", ""))
def test_an_op_without_one_of_its_operands_is_malformed_and_read_all_the_same(graph: Graph, op: Op):
    for count in range(FEWEST_OPERANDS.get(op.kind, 1)):
        left_out = (*op.inputs[:count], "", *op.inputs[count + 1 :])
        for operands in (op.inputs[:count], left_out):
            damaged, odd = in_place_of(graph, op, inputs=operands)
            assert is_malformed(damaged, odd)
            assert "MALFORMED" in {node.kind for node in lower(damaged).nodes}
    damaged, odd = in_place_of(graph, op, outputs=())
    assert is_malformed(damaged, odd)


@pytest.mark.parametrize(
    ("graph", "op"), ops_of(frozenset({"SELECT_V2", "MUL", "DIV"})), ids=lambda one: getattr(one, "kind", "")
)
def test_operands_of_more_axes_than_the_result_are_malformed(graph: Graph, op: Op):
    made = graph.tensors[op.outputs[0]]
    damaged = with_tensor(graph, dataclasses.replace(made, shape=()))
    assert is_malformed(damaged, op) == any(graph.tensors[name].shape for name in op.inputs)
    assert lower(damaged).nodes


def gather(**attrs: int) -> Graph:
    tensors = {name: Tensor(name, (2, 4)) for name in ("x", "y")}
    tensors["ids"] = Tensor("ids", (2,), "int32")
    return Graph(tensors, (Op("GATHER", ("x", "ids"), ("y",), attrs),), ("x", "ids"), ("y",))


@pytest.mark.parametrize(("axis", "odd"), [(0, False), (1, False), (-2, False), (2, True), (-3, True), (1 << 30, True)])
def test_an_axis_that_the_data_has_not_is_malformed(axis: int, odd: bool):
    graph = gather(axis=axis)
    assert is_malformed(graph, graph.ops[0]) == odd
    assert ("GATHER that TFLite refuses" in str(api.lint(graph))) == odd


@pytest.mark.parametrize("table", [np.zeros((4,), np.int32), np.zeros((2, 3), np.int32), np.zeros((0, 2), np.int32)])
def test_a_table_of_paddings_that_has_not_two_per_axis_is_malformed(table: np.ndarray):
    tensors = {name: Tensor(name, (2, 4)) for name in ("x", "y")}
    tensors["table"] = Tensor("table", table.shape, "int32", table)
    graph = Graph(tensors, (Op("PAD", ("x", "table"), ("y",)),), ("x",), ("y",))
    assert is_malformed(graph, graph.ops[0])
    assert lower(graph).nodes


def test_a_constant_of_fewer_elements_than_its_shape_says_is_malformed():
    tensors = {name: Tensor(name, (2, 4)) for name in ("x", "y")}
    tensors["c"] = Tensor("c", (2, 1 << 40), "float32", np.ones(1, np.float32))
    graph = Graph(tensors, (Op("MUL", ("x", "c"), ("y",)),), ("x",), ("y",))
    assert is_malformed(graph, graph.ops[0])
    assert lower(graph).nodes


def test_above_rank_4_no_axis_is_displaced():
    assert displaced((2, 1, 1, 1, 3), (2, 1, 1, 1, 3)) == []
    assert displaced((2, 3), (4, 2, 3)) == [0]
