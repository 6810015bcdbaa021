"""Draws around one op of a type: what the delegate would refuse is drawn again, and other ops stand beside it."""

from __future__ import annotations

import random

import pytest

from cases.drawn_ops.cells import cells
from cases.tflite.write import write_tflite
from repro.delegate.refusals import why_refused
from repro.selftest.draws.draw import SURFACE, draw
from repro.selftest.draws.surface import surface

CELLS = [("ADD", "float32"), ("GATHER", "int32"), ("FULLY_CONNECTED", "int4 weights"), ("LOGISTIC", "int8")]


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: " ".join(cell))
def test_a_draw_is_of_its_cell_and_a_function_of_its_seed(cell):
    first, again = (surface(random.Random(5), [cell]) for _ in range(2))
    assert cell in cells(first)
    assert write_tflite(first) == write_tflite(again)


def test_most_draws_are_not_refused_and_some_have_neighbours_and_an_input_as_output():
    graphs = [surface(random.Random(seed), CELLS) for seed in range(120)]
    refused = [graph for graph in graphs if any(why_refused(graph, op) for op in graph.ops)]
    assert len(refused) < 6
    assert sum(len(graph.ops) > 1 for graph in graphs) > 25
    assert any(set(graph.inputs) & set(graph.outputs) for graph in graphs)


def test_every_fourth_draw_of_lint_truth_is_one():
    assert [draw(1, index).family == SURFACE for index in range(8)] == [False, False, False, True] * 2
