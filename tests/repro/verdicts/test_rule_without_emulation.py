"""The rule without an emulation: what only it looks at."""

from __future__ import annotations

import numpy as np

from repro.verdicts.noise_floor import Floor
from repro.verdicts.numeric_rule import judge_numbers
from repro.verdicts.thresholds import DEFAULT
from repro.verdicts.verdict import Status
from runner.run import Precision
from tests.repro.verdicts.judging import normal


def test_a_channel_that_decorrelates_is_told_without_an_emulation():
    """Every element of a quiet channel is within the roundings of the whole tensor, and they are no longer its own."""
    depth = 1 << 12
    noise = DEFAULT.rule_ulp(Precision.FP32) * np.sqrt(depth)
    reference = normal(256, 8)
    reference[:, 7] *= 15 * noise
    error = 3 * noise * np.sign(normal(256, seed=1))
    for size, status in ((1.0, Status.FAIL), (0.5, Status.PASS)):
        actual = reference.copy()
        actual[:, 7] += size * error
        verdict = judge_numbers(reference, actual, Floor(0.0, "rule", depth), Precision.FP32, DEFAULT)
        assert verdict.status is status, verdict.reason
        assert ("channel 7 correlates" in verdict.reason) is (status is Status.FAIL)
