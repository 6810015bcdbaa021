"""Where graphs come from: a function of seed and number, in blocks that share what is expensive."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from cases.builder import GraphBuilder
from cases.drawn_ops.cells import cells
from cases.graph import Graph
from cases.tflite.write import write_tflite
from repro.fuzzer.generate import grow
from repro.fuzzer.sources import ONE_OP, Sources
from tests.repro.fuzzer.drawing import check_valid


def chain(kind: str, ops: int) -> Graph:
    g = GraphBuilder()
    x = g.input("x", (1, 64, 32))
    for _ in range(ops):
        x = g.unary(kind, x)
    return g.build([x])


def test_graph_n_of_a_seed_is_always_the_same_graph():
    sources = Sources()
    first = [write_tflite(sources.draw(5, index).graph) for index in range(12)]
    assert first == [write_tflite(sources.draw(5, index).graph) for index in range(12)]
    assert first != [write_tflite(sources.draw(6, index).graph) for index in range(12)]


def test_without_a_catalogue_and_models_everything_is_grown():
    assert {Sources().draw(1, index).origin for index in range(30)} == {"grown"}


def test_a_quarter_is_mutated_cases_and_a_seventh_is_cut_from_models():
    sources = Sources(tuple(grow(random.Random(seed)) for seed in range(20)), (chain("ABS", 30),))
    drawn = [sources.draw(2, index) for index in range(300)]
    origins = Counter(item.origin for item in drawn)
    assert origins["mutated case"] == pytest.approx(300 * 0.25, abs=30)
    assert origins["cut from a model"] == pytest.approx(300 * 0.15, abs=25)
    assert origins["grown"] == 300 - origins["mutated case"] - origins["cut from a model"]
    for item in drawn[:40]:
        check_valid(item.graph)


def test_ops_of_given_cells_are_drawn_where_no_catalogue_and_model_is():
    wanted = [("NEG", "int32"), ("TOPK_V2", "float32")]
    drawn = [Sources(cells=wanted).draw(3, index) for index in range(100)]
    around = [item for item in drawn if item.origin == ONE_OP]
    assert len(around) == pytest.approx(65, abs=15)
    assert all(cells(item.graph) & set(wanted) for item in around)


def test_graphs_of_a_block_share_a_palette_and_the_next_block_has_another():
    def kinds(first: int, block: int) -> set[str]:
        return {op.kind for i in range(first, first + 40) for op in Sources(block=block).draw(4, i).graph.ops}

    assert kinds(0, 40) != kinds(40, 40)
    assert len(kinds(0, 40)) < len(kinds(0, 0))
