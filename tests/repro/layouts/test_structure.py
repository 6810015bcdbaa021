"""What can be said of a graph by reading it: banned ops, too high ranks and hazards, each a refusal of its own."""

from __future__ import annotations

import pytest

from cases.builder import GraphBuilder
from cases.graph import Graph
from cases.tflite.write import write_tflite
from repro.layouts.layout import GraphPart
from repro.layouts.models import PartModel
from repro.layouts.result import GateAnswer, GateCheck
from repro.layouts.structure import BANNED, structure_checks
from tests.repro.layouts import two_graphs
from tests.repro.layouts.gating import refusals, run_gate


def checks(graph: Graph, allowed: dict[str, str] | None = None) -> list[GateCheck]:
    """The layout calls output i `out<i>`."""
    outputs = tuple(f"out{i}" for i in range(len(graph.outputs)))
    part = GraphPart(name="part", builder="module:function", inputs=graph.inputs, outputs=outputs)
    return list(structure_checks(PartModel(part, write_tflite(graph), graph), allowed or {}))


def test_a_graph_without_any_of_it_passes_in_one_line_that_says_what_was_looked_for():
    (check,) = checks(two_graphs.encoder())
    assert (check.kind, check.part, check.tensor, check.answer) == ("structure", "part", "", GateAnswer.PASS)
    assert check.reason == "4 ops: no GATHER, GATHER_ND, TOPK_V2, CAST, no rank above 4, no hazard"


def test_a_banned_op_is_refused(example, cpu):
    graph = two_graphs.with_op_before(two_graphs.head(), "y", "GATHER")
    (example / "head.tflite").write_bytes(write_tflite(graph))
    report = run_gate(example, cpu)
    assert refusals(report) == [("structure", "head", "more")]
    assert "GATHER is not resident on every GPU delegate" in report.refusals[0].reason


def test_a_rank_above_four_is_refused(example, cpu):
    g = GraphBuilder()
    features = g.input("features_x2", (1, two_graphs.TOKENS, two_graphs.FEATURES))
    summary = g.input("summary", (1, 1, two_graphs.FEATURES))
    deep = g.reshape(features, (1, 8, 8, 2, 12), name="deep")
    flat = g.reshape(g.scaled(deep, 0.5), (1, two_graphs.TOKENS, two_graphs.FEATURES))
    (example / "head.tflite").write_bytes(write_tflite(g.build([two_graphs._head(g, flat, summary)])))
    report = run_gate(example, cpu)
    assert ("structure", "head", "deep") in refusals(report)
    assert "rank 5" in report.refusals[0].reason


def test_a_hazard_is_refused_under_the_layouts_name_of_the_output():
    (check,) = checks(two_graphs.naive_encoder())
    assert (check.tensor, check.answer) == ("out0", GateAnswer.REFUSED)
    assert check.reason.startswith("hazard add-reduce: ")


def test_a_hazard_that_the_layout_allows_is_a_note_with_its_reason():
    note, rest = checks(two_graphs.naive_encoder(), {"add-reduce": "nobody reads it"})
    assert (note.tensor, note.answer) == ("out0", GateAnswer.NOTE)
    assert note.reason.endswith("(allowed: nobody reads it)")
    assert rest.answer is GateAnswer.PASS
    assert rest.reason.endswith("no other hazard")


@pytest.mark.parametrize("kind", sorted(BANNED))
def test_every_banned_op_says_what_to_do_instead(kind: str):
    g = GraphBuilder()
    graph = g.build([g.unary("NEG", g.input("x", (2, 3)), "y")])
    banned = Graph(graph.tensors, (type(graph.ops[0])(kind, ("x",), ("y",)),), graph.inputs, graph.outputs)
    (check,) = [c for c in checks(banned) if c.reason.startswith(kind)]
    assert (check.tensor, check.answer) == ("y", GateAnswer.REFUSED)
    assert check.reason == f"{kind} {BANNED[kind]}"
    assert not any(c.answer is GateAnswer.PASS for c in checks(banned))
