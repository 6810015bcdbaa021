"""A CAST to float32 that is an output, in fp16: which readers void the model, and that fp32 has nothing of it."""

from __future__ import annotations

import pytest

from cases.findings.cast_output_consumed import MODELS, cast_and
from repro.delegate.adapters import Adapter
from repro.hazards.hazard import Hazard, Level
from repro.hazards.lint import find_hazards, lint
from runner.run import Precision

RULE = "cast-output-consumed"
IN_FP16, IN_FP32 = (Adapter("llvmpipe", precision) for precision in (Precision.FP16, Precision.FP32))


def named(hazards: tuple[Hazard, ...]) -> list[Hazard]:
    return [hazard for hazard in hazards if hazard.rule == RULE]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_each_model_of_the_finding_is_foretold_in_fp16_and_right_in_fp32(model):
    graph = model.build()
    found = named(find_hazards(graph, [IN_FP16]))
    assert {index for hazard in found for index in hazard.affected} == set(model.wrong)
    assert not named(lint(graph, [IN_FP32]))


def test_where_nobody_says_the_precision_it_is_a_risk():
    assert not named(find_hazards(cast_and()))
    (risk,) = named(lint(cast_and()))
    assert (risk.level, risk.affected) == (Level.RISKY, (0, 1))


@pytest.mark.parametrize("reader", ["FULLY_CONNECTED", "SUM"])
def test_kernels_that_convert_what_they_read_are_no_risk(reader: str):
    assert not named(lint(cast_and(reader)))
