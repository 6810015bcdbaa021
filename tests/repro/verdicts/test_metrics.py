"""The numbers people quote: right by hand, NaN where they mean nothing, never an exception."""

from __future__ import annotations

import math
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from repro.verdicts.metrics import all_metrics, cosine, max_abs, pearson, quoted_metrics
from tests.repro.verdicts.judging import normal

anything = hnp.arrays(np.float32, st.integers(1, 12), elements=st.floats(width=32))


def test_metrics_of_equal_and_constant_arrays():
    equal = all_metrics(normal(8, 8), normal(8, 8))
    assert equal["pearson"] == pytest.approx(1)
    assert (equal["max_abs"], equal["rmse"], equal["max_ulp"]) == (0, 0, 0)
    assert np.isnan(all_metrics(np.ones(8), np.ones(8))["pearson"])


def test_metrics_by_hand():
    reference, actual = np.array([0.0, 3.0, 4.0, 1.0]), np.array([0.0, 3.0, 2.0, 1.0])
    found = all_metrics(reference, actual)
    assert (found["max_abs"], found["rmse"]) == (2.0, 1.0)
    assert found["psnr"] == pytest.approx(20 * math.log10(4.0))
    assert found["cosine"] == pytest.approx((9 + 8 + 1) / math.sqrt(26 * 14))
    assert found["pearson"] == pytest.approx(np.corrcoef(reference, actual)[0, 1])
    assert found["p99_abs"] == pytest.approx(np.quantile([0, 0, 2, 0], 0.99))
    assert found["max_ulp"] == 2.0 / np.spacing(np.float32(4.0))


@given(st.integers(0, 1000), st.floats(0.1, 100), st.floats(-10, 10))
def test_correlation_sees_no_gain_and_no_offset_and_the_angle_sees_no_gain(seed: int, gain: float, offset: float):
    x, y = normal(50, seed=seed), normal(50, seed=seed + 1)
    assert pearson(x, gain * y + offset) == pytest.approx(pearson(x, y), abs=1e-9)
    assert pearson(x, -y) == pytest.approx(-pearson(x, y))
    assert cosine(x, gain * y) == pytest.approx(cosine(x, y))
    assert max_abs(x, x + offset) == pytest.approx(abs(offset), abs=1e-12)


@given(anything, anything)
def test_any_values_give_numbers_in_their_ranges_or_nan(reference: np.ndarray, actual: np.ndarray):
    actual = np.resize(actual, reference.shape)
    found = all_metrics(reference, actual)
    for name in ("pearson", "cosine"):
        assert math.isnan(found[name]) or -1 <= found[name] <= 1
    for name in ("max_abs", "p99_abs", "rmse", "max_ulp"):
        assert math.isnan(found[name]) or found[name] >= 0
    if np.isfinite(actual).all() and np.isfinite(reference).all():
        assert found["rmse"] <= found["max_abs"] * (1 + 1e-9)
        assert found["p99_abs"] <= found["max_abs"]
    quoted = quoted_metrics(reference, actual)
    np.testing.assert_equal(quoted, {name: found[name] for name in ("pearson", "max_abs")})


def test_where_a_number_means_nothing_it_is_nan():
    constant, values = np.ones(4), np.array([1.0, np.nan, 2.0, 3.0])
    assert math.isnan(pearson(constant, normal(4)))
    assert math.isnan(cosine(np.zeros(4), normal(4)))
    assert math.isnan(max_abs(normal(4), values))
    assert all(math.isnan(value) for name, value in all_metrics(normal(4), values).items())


def test_values_near_the_largest_double_do_not_overflow():
    huge = np.array([8e307, -8e307, 1e307])
    found = all_metrics(huge, -huge)
    assert found["cosine"] == pytest.approx(-1)
    assert math.isfinite(found["rmse"])


def test_empty_arrays_have_no_numbers():
    assert all_metrics(np.zeros(0), np.zeros(0)) == {}
    assert max_abs(np.zeros((0, 3)), np.zeros((0, 3))) == 0.0
    assert math.isnan(pearson(np.zeros(0), np.zeros(0)))


def test_no_number_depends_on_how_many_cores_there_are():
    """BLAS cuts a long sum by its threads, of which it has as many as there are cores."""
    program = (
        "import numpy as np; from repro.verdicts.metrics import all_metrics; draw = np.random.default_rng(7);"
        "x = draw.standard_normal(300_000); print(all_metrics(x, x + 1e-3 * draw.standard_normal(x.size)))"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "OPENBLAS_NUM_THREADS": threads},
            check=True,
            capture_output=True,
            encoding="utf-8",
        ).stdout
        for threads in ("1", "2", "5")
    }
    assert len(said) == 1
