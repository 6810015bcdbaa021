"""The small faults are as small as their names say."""

from __future__ import annotations

import numpy as np
import pytest

from repro.selftest.faults import FAULTS, Healthy
from runner.run import Precision
from tests.repro.verdicts.judging import normal

BY_NAME = {fault.name: fault for fault in FAULTS}
RUNS = tuple(normal(1, 6, 8, seed=seed).astype(np.float32) for seed in range(3))


def faulty(name: str, run: int = 2, precision: Precision = Precision.FP16) -> np.ndarray:
    changed = BY_NAME[name].apply(Healthy(RUNS, run, (), (), precision), np.random.default_rng(0))
    assert changed is not None
    return changed


@pytest.mark.parametrize(("what", "touched"), [("a channel", 6), ("a row", 8), ("an element", 1)])
@pytest.mark.parametrize("percent", [1, 2, 3])
def test_a_share_is_added_in_one_place(what: str, touched: int, percent: int):
    ratio = faulty(f"{percent} % in {what}") / RUNS[2]
    changed = ratio[ratio != 1]
    assert changed.size == touched
    np.testing.assert_allclose(changed, 1 + percent / 100, rtol=1e-5)


def test_late_runs_hold_what_earlier_ones_gave():
    for run, held in enumerate((0, 1, 0)):
        assert np.array_equal(faulty("stale by two runs", run), RUNS[held])
        assert np.array_equal(faulty("right on the first input only", run), RUNS[0])
    assert np.array_equal(faulty("stale: the previous run's values", 2), RUNS[1])
    half = faulty("stale: one of two batches", 2)
    assert np.array_equal(half[:, :3], RUNS[2][:, :3])
    assert np.array_equal(half[:, 3:], RUNS[1][:, 3:])


def test_a_bfloat16_is_the_nearest_number_of_eight_bits():
    rounded = faulty("rounded to bfloat16")
    assert not (rounded.view(np.uint32) & 0xFFFF).any()
    assert 0 < np.abs(rounded / RUNS[2] - 1).max() <= 2.0**-8


def test_only_what_the_precision_cannot_hold_as_a_normal_number_is_flushed():
    values = np.array([[1.0, 2.0**-13, 2.0**-15, -(2.0**-20), 0.0]], np.float32)
    fault = BY_NAME["denormals flushed"]
    made = fault.apply(Healthy((values,), 0, (), (), Precision.FP16), np.random.default_rng(0))
    assert made is not None
    assert made.tolist() == [[1.0, 2.0**-13, 0.0, 0.0, 0.0]]
    assert fault.apply(Healthy((values,), 0, (), (), Precision.FP32), np.random.default_rng(0)) is None
