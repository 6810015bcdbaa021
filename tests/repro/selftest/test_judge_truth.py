"""Every kind of fault, injected here without a target; and the judge's self-test on real targets (slow)."""

from __future__ import annotations

import numpy as np
import pytest

from cases import inputs
from cases.builder import GraphBuilder
from repro.selftest import judge_truth
from repro.selftest.faults import FAULTS
from repro.selftest.judge_truth import Sample, Tally, inject
from repro.verdicts.emulation import emulated_floors
from repro.verdicts.verdict import Status
from runner.errors import NothingRan
from runner.run import Precision
from tests.repro.verdicts.judging import Scene, scene


@pytest.mark.parametrize("precision", list(Precision))
@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.name)
def test_every_fault_in_a_healthy_run_is_noticed(fault, precision: Precision):
    made = scene(precision)
    subject = made.subject
    tally = Tally()
    for index, floor in enumerate(made.floors):
        sample = Sample(subject, made.run(), index, floor)
        assert sample.judged([o[index] for o in sample.run.outputs]) is Status.PASS
        inject(sample, fault, 1, tally)
    assert tally.missed == []
    assert tally.invalid == 0
    if fault.name != "computed in fp16, asked fp32" or precision is Precision.FP32:
        assert tally.noticed == tally.injected == 2


def test_there_are_thirty_kinds_and_each_has_its_own_name():
    assert len({f.name for f in FAULTS}) == len(FAULTS) >= 30


def test_a_fault_without_effect_is_counted_as_such():
    made = scene()
    equal_rows = tuple(tuple(np.broadcast_to(r[:, :1], r.shape) for r in feed) for feed in made.references)
    alike = type(made)(made.graph, made.feeds, equal_rows, made.floors, made.precision)
    sample = Sample(alike.subject, alike.run(), 0, alike.floors[0])
    tally = Tally()
    inject(sample, next(f for f in FAULTS if f.name == "rows permuted"), 1, tally)
    assert (tally.no_effect, tally.injected) == (1, 0)


@pytest.mark.parametrize("size", [0, 8])
def test_a_judge_that_was_not_tried_has_not_passed(monkeypatch: pytest.MonkeyPatch, size: int):
    """No healthy output at all, or only such as are too small to put a fault into."""
    g = GraphBuilder()
    graph = g.build([g.unary("NEG", g.input("x", (1, size or 1)), "y")])
    feeds = inputs.standard_feeds([graph.tensors["x"]], 0, "gaussian")
    references = tuple((-feed[0].astype(np.float64),) for feed in feeds)
    made = Scene(graph, feeds, references, emulated_floors(graph, feeds, references, Precision.FP32), Precision.FP32)
    sample = Sample(made.subject, made.run(), 0, made.floors[0])
    monkeypatch.setattr(judge_truth, "healthy_samples", lambda *_: iter([sample] if size else []))
    monkeypatch.setattr(judge_truth, "target_plan", lambda reduced: [("cpu", Precision.FP32)])
    with pytest.raises(NothingRan, match=r"the judge was not tried") as error:
        judge_truth.main(["--reduced"])
    assert error.value.exit_code == 3


@pytest.mark.slow
@pytest.mark.gpu
def test_the_reduced_oracle_finds_nothing_missed_and_no_false_alarm():
    assert judge_truth.main(["--reduced"]) == 0
