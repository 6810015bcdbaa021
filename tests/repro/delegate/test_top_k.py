"""TOPK_V2 on a Midgard: foretold where every second group of channels holds something, and on no other Mali."""

from __future__ import annotations

import numpy as np
import pytest

from cases.findings.top_k_slice import largest
from cases.tflite.write import write_tflite
from repro.delegate.adapters import Adapter, Api
from repro.hazards.hazard import Level
from repro.hazards.lint import find_hazards, lint
from runner.run import Job, Precision
from runner.targets import open_target

RULE = "top-k-midgard"


@pytest.mark.parametrize("shape", [(1, 8), (1, 4, 8), (1, 16)])
def test_what_a_midgard_gets_wrong_is_foretold_in_both_precisions_over_both_apis(shape: tuple[int, ...]):
    graph = largest(shape)
    for adapter in (Adapter("Mali-T880", precision, api) for precision in Precision for api in Api):
        found = [hazard for hazard in find_hazards(graph, [adapter]) if hazard.rule == RULE]
        assert {index for hazard in found for index in hazard.affected} == {0, 1}
    for name in ("Mali-G52", "Mali-G715", "Adreno (TM) 530", "llvmpipe"):
        assert not lint(graph, [Adapter(name, Precision.FP32)])


@pytest.mark.gpu
@pytest.mark.slow
def test_under_a_midgards_name_what_comes_out_is_of_every_other_group_of_channels():
    rows = [np.random.default_rng(seed).normal(size=(1, 32)).astype(np.float32) for seed in range(20)]
    graph = largest((1, 32), 4, last=0.0)
    job = Job(write_tflite(graph), tuple((row,) for row in rows), Precision.FP32, "top-k")
    with open_target("gpu:lavapipe@Mali-T880", workers=1) as target:
        (run,) = target.run_many([job])
    for row, (_, places) in zip(rows, run.outputs, strict=True):
        kept = [place for place in np.argsort(-row[0]) if place // 4 % 2 == 0]
        assert [int(place) for place in places[0]] == kept[:4]


@pytest.mark.parametrize(
    ("shape", "count", "is_named"),
    [((8,), 2, True), ((4,), 2, False), ((1, 12), 2, True), ((16, 4), 2, False), ((8, 1), 1, False)],
)
def test_the_channels_are_the_last_axis_and_the_one_axis_of_a_vector(
    shape: tuple[int, ...], count: int, is_named: bool
):
    hazards = find_hazards(largest(shape, count), [Adapter("Mali-T880", Precision.FP32)])
    assert (RULE in {hazard.rule for hazard in hazards}) is is_named


def test_without_an_adapter_it_is_a_risk_that_names_the_family():
    risks = [risk for risk in lint(largest((1, 8))) if risk.rule == RULE]
    assert {risk.level for risk in risks} == {Level.RISKY}
    assert {risk.where for risk in risks} == {"Mali-T880"}
