"""The search: which outputs a hazard affects, what comes first, and what it costs."""

from __future__ import annotations

import gc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.builder import GraphBuilder
from cases.graph import Graph
from repro.delegate.adapters import Adapter
from repro.delegate.replay import Event, replay
from repro.hazards.hazard import Level
from repro.hazards.lint import find_hazards, find_risks, lint, measured_risks
from repro.hazards.rules import RULES
from repro.selftest.draws.draw import draw
from runner.run import Precision

ONES = np.ones(8)


def test_a_lost_output_is_the_only_one_affected():
    g = GraphBuilder()
    y = g.add(g.input("x", (1, 4, 8)), g.input("z", (1, 4, 8)), name="y")
    (hazard,) = find_hazards(g.build([g.sum(y, [2]), y]))
    assert (hazard.rule, hazard.tensor, hazard.effect) == ("add-reduce", "y", "lost")
    assert (hazard.output, hazard.affected) == (1, (1,))
    assert (hazard.producer, hazard.consumer) == ("ADD", "SUM")


def test_wrong_values_affect_every_output_behind_them_and_no_other():
    g = GraphBuilder()
    x = g.input("x", (6, 4))
    y = g.sub(x, g.const(np.arange(24.0).reshape(6, 4)), name="y")
    beside, behind = g.unary("ABS", x), g.unary("NEG", g.unary("ABS", y))
    (hazard,) = find_hazards(g.build([behind, beside, g.unary("SQUARE", y)]))
    assert (hazard.rule, hazard.tensor, hazard.effect) == ("constant-axis", "y", "wrong")
    assert (hazard.output, hazard.affected) == (None, (0, 2))


def test_wrong_values_that_no_output_depends_on_are_no_hazard():
    g = GraphBuilder()
    x = g.input("x", (6, 4))
    g.sub(x, g.const(np.arange(24.0).reshape(6, 4)))
    assert find_hazards(g.build([g.unary("ABS", x)])) == ()


def void_by_cumsum(g: GraphBuilder) -> str:
    return g.op("CUMSUM", (g.input("x", (1, 2, 3, 4)), g.const(0, dtype="int32")), name="y")[0]


def void_by_groups(g: GraphBuilder) -> str:
    return g.conv2d(g.input("x", (1, 4, 4, 6)), np.ones((8, 1, 1, 3)), name="y")


def void_by_a_linked_split(g: GraphBuilder) -> str:
    return g.sub(*g.split(g.input("x", (1, 4, 8)), 2, 2), name="y")


def ended_by_one_tensor_twice(g: GraphBuilder) -> str:
    x = g.input("x", (1, 3, 3))
    return g.batch_matmul(x, x, name="y")


@pytest.mark.parametrize(
    ("build", "effect"),
    [
        (void_by_cumsum, "void"),
        (void_by_groups, "void"),
        (void_by_a_linked_split, "void"),
        (ended_by_one_tensor_twice, "abort"),
    ],
)
def test_an_invalid_kernel_or_the_end_of_the_process_affects_every_output(build, effect):
    g = GraphBuilder()
    beside = g.unary("TANH", g.input("beside", (1, 4)))
    (hazard,) = find_hazards(g.build([beside, build(g)]))
    assert (hazard.effect, hazard.affected) == (effect, (0, 1))


def test_of_two_events_of_one_rule_and_tensor_the_first_is_the_hazard():
    """Two slices of a correlation are swallowed, and one op reads both."""
    g = GraphBuilder()
    x, z = g.input("x", (1, 4, 4, 8)), g.input("z", (1, 6, 6, 8))
    pieces = [g.slice(z, (0, place, 0, 0), (1, 4, 4, 8)) for place in range(3)]
    branches = [g.sum(g.mul(x, piece), [3]) for piece in pieces]
    seen = g.mul(pieces[1], pieces[2], name="seen")
    graph = g.build([g.concat(branches, 3), seen])
    (hazard,) = find_hazards(graph)
    assert (hazard.rule, hazard.tensor) == ("slice-mul-reduce-concat", "seen")
    assert len(replay(graph).events) == 2
    assert hazard.ops == (graph.producers[pieces[1]], graph.producers["seen"])


def test_a_reduction_over_parts_that_change_places_is_not_behind_them():
    g = GraphBuilder()
    first, second = g.split(g.unary("NEG", g.input("x", (1, 4, 8))), 2, 2)
    both = g.concat([second, first], 2, name="both")
    hazards = find_hazards(g.build([g.mean(both, [2]), g.mean(both, [1]), both]))
    assert [(hazard.rule, hazard.affected) for hazard in hazards] == [("split-merged", (1, 2))]


@pytest.mark.parametrize(
    ("precisions", "found"),
    [
        ((), ("quantised-ranks", "void", (0, 1))),
        ((Precision.FP32,), ("quantised-ranks", "void", (0, 1))),
        ((Precision.FP16,), ("top-k-whole-numbers", "wrong", (0,))),
        ((Precision.FP16, Precision.FP32), ("quantised-ranks", "void", (0, 1))),
    ],
)
def test_the_largest_of_a_vector_of_bytes_are_wrong_alone_in_fp16(precisions, found):
    g = GraphBuilder()
    x = g.on_grid(g.input("x", (8,), "uint8"), 0.1)
    largest, places = g.op("TOPK_V2", (x, g.const(2, dtype="int32")), outputs=("largest", "places"))
    (hazard,) = find_hazards(g.build([largest, places]), [Adapter("Mali-G715", precision) for precision in precisions])
    assert (hazard.rule, hazard.effect, hazard.affected) == found


def test_hazards_come_before_risks():
    g = GraphBuilder()
    early = g.unary("NEG", g.input("w", (1, 4, 8)), name="early")
    y = g.add(g.unary("ABS", early), g.input("z", (1, 4, 8)), name="y")
    found = lint(g.build([early, y, g.sum(y, [2])]))
    assert [(hazard.level, hazard.rule) for hazard in found] == [("hazard", "add-reduce"), ("risky", "output-consumed")]


def test_an_output_of_a_graph_that_is_refused_keeps_the_risk_of_its_role():
    g = GraphBuilder()
    x = g.unary("NEG", g.input("x", (1, 4, 8)))
    y = g.add(x, g.slice(x, (0, 0, 0), (1, 4, 8)), name="y")
    risks = find_risks(g.build([y, g.unary("ABS", y)]))
    assert [(risk.rule, risk.tensor) for risk in risks] == [("graph-refused", "y"), ("output-consumed", "y")]


def test_the_words_of_a_match_are_filled_in():
    g = GraphBuilder()
    y = g.fully_connected(g.input("x", (1, 4, 8)), np.ones((8, 8)), name="y")
    (hazard,) = find_hazards(g.build([y, g.mul(y, g.const(ONES))]))
    assert hazard.message == "output 'y' is folded into the weights with the MUL behind it and never written"
    assert hazard.fix == RULES["gemm-elementwise"].advice.format(tensor="y")


@given(st.integers(0, 3000))
def test_the_search_is_hazards_and_risks_and_names_what_is_in_the_graph(index):
    graph = draw(9, index).graph
    found = lint(graph)
    assert find_hazards(graph) == tuple(hazard for hazard in found if hazard.level is Level.HAZARD)
    assert find_risks(graph) == tuple(hazard for hazard in found if hazard.level is Level.RISKY)
    assert set(measured_risks(graph)) <= set(find_risks(graph))
    assert len({(hazard.rule, hazard.tensor) for hazard in find_hazards(graph)}) == len(find_hazards(graph))
    first_event: dict[tuple[str, str], Event] = {}
    for event in replay(graph).events:
        first_event.setdefault((event.rule, event.tensor), event)
    for hazard in find_hazards(graph):
        event = first_event[hazard.rule, hazard.tensor]
        assert hazard.ops == (event.producer, event.consumer)
        assert hazard.affected
        assert set(hazard.affected) <= set(range(len(graph.outputs)))
        assert hazard.output == (graph.outputs.index(hazard.tensor) if hazard.tensor in graph.outputs else None)


@pytest.mark.parametrize("was_on", [True, False])
def test_garbage_collection_is_left_as_it_was(was_on):
    g = GraphBuilder()
    graph = g.build([g.unary("NEG", g.input("x", (1, 4)))])
    (gc.enable if was_on else gc.disable)()
    try:
        lint(graph)
        find_hazards(graph)
        assert gc.isenabled() is was_on
    finally:
        gc.enable()


class _Counting(dict):
    """A dict that counts its look-ups, to weigh an algorithm without a clock."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self.looked = 0

    def __getitem__(self, key: object) -> object:
        self.looked += 1
        return super().__getitem__(key)


def long_chain(length: int) -> tuple[Graph, _Counting]:
    """length ops of several kinds in a row, with a tensor that all of them read, and an output every tenth."""
    g = GraphBuilder()
    hub = g.input("hub", (1, 4, 8))
    current = g.input("x", (1, 4, 8))
    scale = g.const(ONES)
    outputs = []
    for index in range(length):
        kind = index % 4
        if kind == 0:
            current = g.add(current, hub)
        elif kind == 1:
            current = g.mul(current, scale)
        elif kind == 2:
            current = g.reshape(current, (1, 4, 8))
        else:
            current = g.unary("NEG", current)
        if index % 10 == 0:
            outputs.append(current)
    graph = g.build(dict.fromkeys([*outputs, current]))
    tensors = _Counting(graph.tensors)
    return Graph(tensors, graph.ops, graph.inputs, graph.outputs), tensors


def test_work_grows_with_the_number_of_ops_only():
    work = []
    for length in (500, 2000):
        graph, tensors = long_chain(length)
        lint(graph)
        work.append(tensors.looked / length)
    assert work[1] <= work[0] * 1.1
