"""Every kind of fault, injected here without a target: what must be noticed is, and what is noise is counted."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from repro.selftest.faults import FAULTS, Fault
from repro.selftest.healthy import Sample
from repro.selftest.injection import Tally, inject
from repro.verdicts.verdict import Status
from runner.run import Precision
from tests.repro.verdicts.judging import Scene, scene

BY_NAME = {fault.name: fault for fault in FAULTS}
# In the scene's two outputs of 512 numbers: below the limit for an element of one of them.
UNSEEN_IN_FP16 = {"1 % in an element", "2 % in an element"}


def injected(made: Scene, fault: Fault) -> Tally:
    tally = Tally()
    for index, floor in enumerate(made.floors):
        sample = Sample(made.subject, made.run(), index, floor)
        assert sample.judged([o[index] for o in sample.run.outputs]) is Status.PASS
        inject(sample, fault, 1, tally)
    return tally


@pytest.mark.parametrize("precision", list(Precision))
@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.name)
def test_every_fault_in_a_healthy_run_is_noticed(fault: Fault, precision: Precision):
    tally = injected(scene(precision), fault)
    assert tally.missed == []
    assert tally.noticed + tally.within_noise == tally.injected
    if fault.name == "denormals flushed" or (fault.name == "computed in fp16, asked fp32" and precision == "fp16"):
        assert tally.not_applicable == 2
    elif precision is Precision.FP32 or fault.name not in UNSEEN_IN_FP16:
        assert tally.noticed == tally.injected == 2


def test_there_are_sixty_kinds_and_each_has_its_own_name():
    assert len(BY_NAME) == len(FAULTS) >= 60


def test_a_fault_without_effect_is_counted_as_such():
    made = scene()
    equal_rows = tuple(tuple(np.broadcast_to(r[:, :1], r.shape) for r in feed) for feed in made.references)
    alike = type(made)(made.graph, made.feeds, equal_rows, made.floors, made.precision)
    tally = Tally()
    inject(Sample(alike.subject, alike.run(), 0, alike.floors[0]), BY_NAME["rows permuted"], 1, tally)
    assert (tally.no_effect, tally.injected) == (1, 0)


def test_what_is_stale_by_two_runs_shows_in_the_third_and_not_in_two_inputs_taken_in_turns():
    made = scene()
    fault = BY_NAME["stale by two runs"]
    assert injected(made, fault).noticed == 2
    turns = (0, 1, 0)
    alternating = dataclasses.replace(
        made, feeds=tuple(made.feeds[k] for k in turns), references=tuple(made.references[k] for k in turns)
    )
    assert injected(alternating, fault).no_effect == 2


def test_a_small_change_is_within_the_noise_and_a_large_one_that_nobody_notices_is_missed(
    monkeypatch: pytest.MonkeyPatch,
):
    made = scene(Precision.FP16)
    monkeypatch.setattr(Sample, "judged", lambda self, outputs: Status.PASS)
    sample = Sample(made.subject, made.run(), 0, made.floors[0])

    def scaled(by: float) -> Tally:
        tally = Tally()
        fault = Fault("scaled", lambda x, rng: x.value * np.float32(by), faint=True)
        inject(sample, fault, 1, tally)
        return tally

    assert (scaled(1.0003).within_noise, scaled(1.0003).missed) == (1, [])
    assert (scaled(1.1).within_noise, scaled(1.1).missed) == (0, ["test output 0 on gpu:test fp16"])
