"""The table of parsers, held against the delegate's own list of op kinds."""

from __future__ import annotations

import numpy as np
import pytest

from cases.builder import GraphBuilder
from cases.graph import Op
from repro.delegate.kinds import DATA_INPUTS, ELEMENTWISE, KINDS, REDUCTIONS
from repro.delegate.parser import PARSERS, lower
from repro.delegate.refusals import SUPPORTED
from tests.repro.delegate.replayed import by_hand, kinds


def test_only_kinds_that_the_delegate_takes_have_a_parser():
    assert set(PARSERS) <= SUPPORTED
    assert set(KINDS) <= SUPPORTED


def test_every_elementwise_op_and_every_reduction_has_one():
    assert set(PARSERS) >= ELEMENTWISE | REDUCTIONS


@pytest.mark.parametrize("kind", sorted(ELEMENTWISE))
def test_an_elementwise_op_of_two_tensors_reads_both(kind):
    g = GraphBuilder()
    (node,) = lower(g.build([g.binary(kind, g.input("a", (1, 4, 8)), g.input("b", (1, 4, 8)))])).nodes
    assert node.kind == KINDS.get(kind, kind)
    assert {value.name for value in node.inputs} == {"a", "b"}


@pytest.mark.parametrize("kind", sorted(set(DATA_INPUTS) - set(PARSERS)))
def test_parameters_are_no_inputs_of_a_node(kind):
    """Only the tensors that carry data are read; a constant shape or axis is not made a node."""
    positions = DATA_INPUTS[kind]
    names = ["constant"] * (max(positions) + 2)
    for position in positions:
        names[position] = "x"
    op, shapes = Op(kind, tuple(names), ("y",)), dict.fromkeys("xy", (1, 2, 2, 4))
    (node,) = lower(by_hand(["x"], [op], ["y"], shapes, {"constant": np.array([1, 0], np.int32)})).nodes
    assert [value.name for value in node.inputs] == ["x"]


def test_a_dequantize_of_a_constant_is_no_node_and_one_of_a_tensor_is():
    g = GraphBuilder()
    half = g.op("DEQUANTIZE", (g.const(np.ones(8), dtype="float16"),))[0]
    computed = g.op("DEQUANTIZE", (g.input("x", (1, 4, 8), "float16"),))[0]
    assert kinds(g.build([g.mul(computed, half)])) == ["DEQUANTIZE", "MUL"]
