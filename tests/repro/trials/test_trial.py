"""A stream of graphs through one target: in order, drawn only as far ahead as the target needs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext

import numpy as np
import pytest

from cases.builder import GraphBuilder
from cases.graph import Graph, Op, Tensor
from cases.inputs import standard_feeds
from repro.trials.trial import CANNOT_BE_TRIED, candidate, cpu_agrees_with, try_all
from repro.verdicts.references import OwnOps
from repro.verdicts.subject import Subject
from repro.verdicts.verdict import Status
from runner.run import Feed, Precision
from tests.repro.simulated_delegate import FAULTS, Fault, SimulatedDelegate, SimulatedPool

LOST = next(fault for fault in FAULTS if fault.name == "fusion drops an output")


def own_ops(*faults: Fault) -> OwnOps:
    return OwnOps(lambda: nullcontext(SimulatedDelegate(*faults)), strict_shapes=True)


def graph(first: str = "ADD") -> Graph:
    g = GraphBuilder()
    (y,) = g.op(first, (g.input("x", (1, 32, 16)), g.input("z", (1, 32, 16))), name="y")
    return g.build([y, g.sum(y, [2], name="total")])


def feeds(one: Graph) -> tuple[Feed, ...]:
    return standard_feeds([one.tensors[name] for name in one.inputs], 0)


def ready(name: str, first: str = "ADD") -> Subject:
    one = graph(first)
    return candidate(one, feeds(one), Precision.FP32, own_ops(), name)


def test_trials_come_in_the_order_of_their_subjects_each_with_its_own_verdicts():
    subjects = [ready("a"), ready("b", "SUB"), ready("c", "MUL"), ready("d")]
    trials = list(try_all(subjects, SimulatedDelegate(LOST), Precision.FP32))
    assert [trial.subject for trial in trials] == subjects
    assert [trial.run.name for trial in trials] == ["a", "b", "c", "d"]
    wrong = [[v.name for v in trial.verdicts if v.status is not Status.PASS] for trial in trials]
    assert wrong == [["y"], [], [], ["y"]]


def test_a_stream_is_drawn_no_further_than_the_target_asks():
    drawn: list[str] = []

    def stream() -> Iterator[Subject]:
        while True:
            drawn.append(f"{len(drawn)}")
            yield ready(drawn[-1])

    trials = try_all(stream(), SimulatedPool(), Precision.FP32)
    for number in range(3):
        assert next(trials).subject.name == str(number)
        assert len(drawn) == number + 3


def test_subjects_that_wait_in_a_target_are_paired_with_their_own_runs():
    subjects = [ready(str(i), kind) for i, kind in enumerate(("ADD", "SUB", "ADD", "MUL", "SUB"))]
    for trial, subject in zip(try_all(subjects, SimulatedPool(LOST), Precision.FP32), subjects, strict=True):
        assert trial.subject is subject
        assert trial.run.name == subject.name
        assert (trial.verdicts[0].status is Status.FAIL) is (subject.graph.ops[0].kind == "ADD")


def test_a_candidate_is_ready_to_be_judged():
    subject = ready("a")
    assert [len(outputs) for outputs in subject.references] == [2, 2, 2]
    assert [floor.source for floor in subject.floors(Precision.FP32)] == ["emulation", "emulation"]


@pytest.mark.parametrize(
    ("shape", "declared"), [((31, 16), (32, 16)), ((32, 16), (16, 32))], ids=["operands", "declaration"]
)
def test_a_graph_that_does_not_fit_together_is_no_candidate(shape: tuple[int, ...], declared: tuple[int, ...]):
    tensors = {"x": Tensor("x", (32, 16)), "z": Tensor("z", shape), "y": Tensor("y", declared)}
    broken = Graph(tensors, (Op("ADD", ("x", "z"), ("y",)),), ("x", "z"), ("y",))
    with pytest.raises(CANNOT_BE_TRIED):
        candidate(broken, feeds(broken), Precision.FP32, own_ops())


def test_a_reference_is_in_doubt_where_the_cpu_disagrees_with_it():
    one = graph()
    assert cpu_agrees_with(own_ops(), one, feeds(one), "")
    assert not cpu_agrees_with(own_ops(LOST), one, feeds(one), "")
    assert not cpu_agrees_with(own_ops(LOST), one, feeds(one), "y")
    assert cpu_agrees_with(own_ops(LOST), one, feeds(one), "total"), "only the output that is asked about"


def test_an_output_without_power_casts_no_doubt():
    g = GraphBuilder()
    flat = g.build([g.mul(g.input("x", (4, 4)), g.const(np.zeros((4, 4))), name="y")])
    assert cpu_agrees_with(own_ops(), flat, feeds(flat), "y")
