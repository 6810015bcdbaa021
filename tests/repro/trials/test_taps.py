"""Taps on the real delegate: the failure they localise survives them, and where it does not they are void."""

from __future__ import annotations

import dataclasses

import pytest

from cases import inputs
from cases.builder import GraphBuilder
from cases.graph import Graph, Op, Tensor
from cases.inputs import GivenFeeds
from repro.trials.load import open_installed_cpu
from repro.trials.taps import Tap, TapReport, localise
from repro.verdicts.float16_range import BeyondFloat16
from repro.verdicts.references import OwnOps
from repro.verdicts.subject import Subject, graph_subject
from repro.verdicts.verdict import Status
from runner import targets
from runner.run import Precision


def broken_add(tail: str) -> Graph:
    """y = relu(x) + z is a graph output that only a reduction reads: the ADD's value is lost. `tail` follows it."""
    g = GraphBuilder()
    x, z = g.input("x", (1, 32, 16)), g.input("z", (1, 32, 16))
    moved = g.unary("RELU", x, name="moved")
    y = g.add(moved, z, name="y")
    total = g.sum(y, [2], name="total")
    if tail == "output":
        g.output(y)
    g.output(g.unary("TANH", total, name="out"))
    return g.build()


def own_ops(graph: Graph) -> Subject:
    feeds = inputs.standard_feeds([graph.tensors[n] for n in graph.inputs], 0, "gaussian")
    return graph_subject("test", graph, feeds, OwnOps(open_installed_cpu))


@pytest.mark.gpu
def test_the_failure_that_survives_its_taps_is_localised_and_a_hidden_one_is_not():
    with targets.open_target("gpu") as target:
        report = localise(own_ops(broken_add("output")), target, Precision.FP32)
        healthy = localise(own_ops(broken_add("none")), target, Precision.FP32)
    assert [f[:2] for f in report.failures] == [(0, "FAIL")]
    assert [t.name for t in report.taps] == ["moved"]
    lines = list(report.lines())
    if report.is_void:
        assert any("VOID" in line for line in lines)
        assert report.first_wrong is None
    else:
        assert any("in the same way with 1 of 1 shown" in line for line in lines)
    assert list(healthy.lines()) == ["taps: no output fails, so there is nothing to localise"]


def tap(name: str, survived: bool, status: Status) -> Tap:
    return Tap(name, "ADD", survived, status, "wrong" if status is Status.FAIL else "", "")


def test_a_tap_under_which_the_failure_vanished_says_nothing_about_its_tensor():
    report = TapReport(((0, "FAIL", "wrong"),), (tap("a", False, Status.FAIL), tap("b", True, Status.FAIL)))
    assert report.first_wrong is not None
    assert report.first_wrong.name == "b"
    assert [t.name for t in report.hiding] == ["a"]
    assert "taps: showing 'a' (written by ADD) hides the failure, so it says nothing" in list(report.lines())


def test_a_localisation_that_no_tap_survived_is_void():
    report = TapReport(((0, "FAIL", "wrong"),), (tap("a", False, Status.PASS),), skipped=3)
    assert report.is_void
    assert report.first_wrong is None
    said = "\n".join(report.lines())
    assert "VOID" in said
    assert "3 tensors further from the outputs not shown" in said


def test_a_graph_without_a_reference_is_not_tapped():
    tensors = {"x": Tensor("x", (4,)), "y": Tensor("y", (4,))}
    graph = Graph(tensors, (Op("SOME_OP", ("x",), ("y",)),), ("x",), ("y",))
    subject = Subject("test", b"", GivenFeeds(()), OwnOps(open_installed_cpu), given_graph=graph)
    report = localise(subject, None)  # type: ignore[arg-type]
    assert list(report.lines()) == ["taps: what is right inside the model is not known: SOME_OP is not evaluated"]


def test_what_leaves_float16_is_named_in_the_place_of_what_is_wrong_behind_it():
    failing = (tap("sum", True, Status.INVALID), tap("gate", True, Status.FAIL))
    beyond = BeyondFloat16("sum", "SUM", 1.01e5)
    lines = list(TapReport(((0, "FAIL", "wrong"),), failing, beyond=beyond).lines())
    assert lines[-1].startswith("taps: 'sum' (written by SUM) leaves float16's range")
    late = dataclasses.replace(beyond, name="behind")
    lines = list(TapReport(((0, "FAIL", "wrong"),), failing, beyond=late).lines())
    assert lines[-1].startswith("taps: first wrong tensor: 'gate'")
