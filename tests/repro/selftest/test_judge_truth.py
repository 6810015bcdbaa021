"""Every kind of fault, injected here without a target; and the oracle itself on real targets (slow)."""

from __future__ import annotations

import numpy as np
import pytest

from repro.selftest import judge_truth
from repro.selftest.faults import FAULTS
from repro.selftest.judge_truth import Sample, Tally, inject
from repro.verdicts.verdict import Status
from runner.run import Precision
from tests.repro.verdicts.judging import scene


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


@pytest.mark.slow
@pytest.mark.gpu
def test_the_reduced_oracle_finds_nothing_missed_and_no_false_alarm():
    assert judge_truth.main(["--reduced"]) == 0
