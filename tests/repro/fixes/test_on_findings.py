"""Each finding's own models, as `repro fix` mends them: what was wrong is right afterwards, and proven."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cases.findings.registry import FINDING_MODELS
from cases.tflite.write import write_tflite
from repro import api
from repro.hazards.lint import find_hazards
from repro.hazards.rules import RULES
from runner import targets
from runner.target import Target

WITH_A_WORKAROUND = sorted({rule.finding for rule in RULES.values() if rule.workaround and rule.finding})


@pytest.fixture(scope="module")
def gpu() -> Iterator[Target]:
    with targets.open_target("gpu:lavapipe") as target:
        yield target


@pytest.mark.slow
@pytest.mark.gpu
@pytest.mark.parametrize("slug", WITH_A_WORKAROUND)
def test_every_model_whose_hazards_have_workarounds_is_mended_and_proven(slug: str, gpu: Target):
    for model in FINDING_MODELS[slug]:
        graph = model.build() if model.build is not None and not model.healthy else None
        hazards = find_hazards(graph) if graph is not None else ()
        if graph is not None and hazards and all(RULES[hazard.rule].workaround for hazard in hazards):
            fixed = api.fix(write_tflite(graph), target=gpu)
            assert fixed.proof is not None
            assert fixed.proof.refusals == ()
