"""The graph language: roles read from the graph, and what is not well formed says why."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given

from cases.builder import GraphBuilder
from cases.graph import Graph, GraphError, Op, Role, Tensor
from tests.cases.drawn_graphs import graphs


def small() -> Graph:
    g = GraphBuilder()
    x = g.input("x", (1, 8, 4))
    return g.build([g.add(x, g.const(1.0, "one"), "y")])


@given(graphs)
def test_producers_and_uses_say_who_writes_and_who_reads(graph: Graph):
    for name, op in graph.producers.items():
        assert name in op.outputs
    assert sum(len(op.outputs) for op in graph.ops) == len(graph.producers)
    reads = [name for op in graph.ops for name in op.inputs if name]
    assert {name: reads.count(name) for name in set(reads)} == {n: len(ops) for n, ops in graph.uses.items()}
    for ops in graph.uses.values():
        places = [graph.ops.index(op) for op in ops]
        assert places == sorted(places), "in execution order"


@given(graphs)
def test_a_role_is_rank_producer_consumers_and_whether_it_is_an_output(graph: Graph):
    for name, tensor in graph.tensors.items():
        role = graph.role(name)
        made = graph.producers[name].kind if name in graph.producers else ""
        assert role.producer == (made or ("constant" if tensor.is_constant else "input"))
        assert role.rank == len(tensor.shape)
        assert role.is_output is (name in graph.outputs)
        assert list(role.consumers) == sorted(op.kind for op in graph.ops for read in op.inputs if read == name)


def test_a_tensor_that_is_read_twice_by_one_op_has_two_readers():
    g = GraphBuilder()
    x = g.input("x", (4,))
    graph = g.build([g.mul(x, x, name="y")])
    assert graph.role("x") == Role(1, "input", ("MUL", "MUL"), False)
    assert graph.role("y") == Role(1, "MUL", (), True)
    with pytest.raises(KeyError):
        graph.role("z")


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (lambda g: Graph(g.tensors, (), g.inputs, g.outputs), "never written"),
        (lambda g: Graph(g.tensors, (*g.ops, *g.ops), g.inputs, g.outputs), "written twice"),
        (lambda g: Graph(g.tensors, g.ops, ("nope",), g.outputs), "no tensor"),
    ],
)
def test_a_graph_that_is_not_well_formed_says_why(broken, says: str):
    with pytest.raises(GraphError, match=says):
        broken(small()).validate()


def test_a_constant_must_be_as_large_as_it_is_declared_and_filed_under_its_name():
    graph = small()
    wrong = replace(graph.tensors["one"], shape=(2,))
    with pytest.raises(GraphError, match="constant 'one' has data of shape"):
        replace(graph, tensors={**graph.tensors, "one": wrong}).validate()
    with pytest.raises(GraphError, match="tensor 'one' is filed under 'two'"):
        replace(graph, tensors={**graph.tensors, "two": graph.tensors["one"]}).validate()


def test_what_an_op_reads_must_be_there_before_it():
    graph = small()
    early = Op("NEG", ("y",), ("z",))
    tensors = {**graph.tensors, "z": Tensor("z", (1, 8, 4))}
    with pytest.raises(GraphError, match="NEG reads 'y' before anything wrote it"):
        Graph(tensors, (early, *graph.ops), graph.inputs, ("z",)).validate()
    Graph(tensors, (*graph.ops, early), graph.inputs, ("z",)).validate()


def test_an_absent_input_is_an_empty_name_and_no_tensor():
    g = GraphBuilder()
    graph = g.build([g.fully_connected(g.input("x", (2, 4)), np.ones((3, 4)))])
    assert graph.ops[0].inputs[2] == ""
    assert "" not in graph.uses
