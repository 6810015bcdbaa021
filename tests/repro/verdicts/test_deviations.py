"""Errors in floors: each statistic against the plain formula, on every shape, scale and block size."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repro.verdicts import deviations
from repro.verdicts.deviations import Yardstick, as_rows, measure
from repro.verdicts.floor_fit import fitted_floor
from repro.verdicts.noise_floor import Deviations, Floor
from repro.verdicts.thresholds import DEFAULT
from runner.run import Precision
from tests.repro.verdicts.judging import normal

BOTH = pytest.mark.parametrize("precision", list(Precision))
CURVED = Floor(1e-2, "emulation", 1, curve=(1e-3, 2e-3, 1e-4))


@pytest.mark.parametrize(
    ("shape", "rows"), [((), (1, 1)), ((5,), (1, 5)), ((4, 5), (4, 5)), ((2, 3, 4), (6, 4)), ((0, 4), (0, 4))]
)
def test_the_last_axis_is_the_channel(shape: tuple[int, ...], rows: tuple[int, int]):
    assert as_rows(np.zeros(shape)).shape == rows


def plain(reference: np.ndarray, error: np.ndarray, s: np.ndarray) -> Deviations:
    """The definitions, term by term."""
    z, q = error / s, reference / s

    def rms(axis: int | None) -> float:
        return float(np.sqrt(np.mean(z * z, axis=axis)).max())

    def gain(axis: int | None) -> float:
        return float((np.abs((z * q).sum(axis=axis)) / np.sqrt((q * q).sum(axis=axis))).max())

    return Deviations(
        tensor=rms(None),
        element=float(np.abs(z).max()),
        row=rms(1),
        channel=rms(0),
        offset=float(abs(z.sum()) / np.sqrt(z.size)),
        gain=gain(None),
        row_gain=gain(1),
        channel_gain=gain(0),
    )


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**20),
    shape=st.sampled_from([(1, 40), (40, 1), (7, 5), (33, 16)]),
    power=st.sampled_from([-70, -20, 0, 20, 70]),
    precision=st.sampled_from(list(Precision)),
    block=st.sampled_from([1, 7, 100, 65536]),
)
def test_each_deviation_is_what_its_definition_says(seed, shape, power, precision, block):
    rng = np.random.default_rng(seed)
    scale = 2.0**power
    reference = scale * rng.standard_normal(shape)
    error = scale * 1e-2 * rng.standard_normal(shape)
    yardstick = Yardstick(CURVED.scaled(scale), precision, DEFAULT)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(deviations, "BLOCK", block)
        found = measure(reference, reference + error, yardstick)
    wanted = plain(reference, error, yardstick.of(reference))
    for field in dataclasses.fields(Deviations):
        assert getattr(found.deviations, field.name) == pytest.approx(getattr(wanted, field.name), rel=2e-3, abs=1e-2)
    assert (found.low, found.high) == pytest.approx((reference.min(), reference.max()))


@BOTH
def test_the_floor_of_an_element_follows_the_power_of_two_below_it_and_is_never_less_than_its_own_rounding(precision):
    reference = np.array([[0.0, 0.7, -1.0, 3.9, -4.0, 1e4]])
    power = np.array([[0.0, 0.5, 1.0, 2.0, 4.0, 2.0**13]])
    a, b, c = CURVED.curve
    s = Yardstick(CURVED, precision, DEFAULT).of(reference)
    np.testing.assert_allclose(s, a + b * power + c * power**2, rtol=1e-3)
    exact = Yardstick(Floor(0.0, "emulation", 1, curve=(0.0, 0.0, 0.0)), precision, DEFAULT)
    own = DEFAULT["own_ulps_fp16" if precision is Precision.FP16 else "own_ulps_fp32"] * DEFAULT.ulp(precision)
    np.testing.assert_allclose(exact.of(reference)[:, 1:], own * power[:, 1:], rtol=1e-3)
    assert (exact.of(reference) > 0).all()


def test_a_quiet_channel_has_a_small_floor_and_its_errors_count_for_more():
    reference = normal(64, 4)
    floor = dataclasses.replace(CURVED, channels=(1.0, 1.0, 1.0, 0.125))
    error = np.zeros_like(reference)
    error[:, 2:] = 1e-3
    found = measure(reference, reference + error, Yardstick(floor, Precision.FP16, DEFAULT))
    assert found.places["channel"] == 3
    error[:, 3] = 0
    same = measure(reference, reference + error, Yardstick(floor, Precision.FP16, DEFAULT))
    assert 4 < found.deviations.channel / same.deviations.channel < 10


@BOTH
def test_a_floor_of_one_number_is_judged_by_the_wider_limits(precision: Precision):
    one_number = Yardstick(Floor(1e-2, "emulation", 1), precision, DEFAULT).limits((64, 64))
    curved = Yardstick(CURVED, precision, DEFAULT).limits((64, 64))
    sharper = [name for name in curved if curved[name] < one_number[name]]
    assert one_number["element"] == DEFAULT["element_floors_fp32"]
    assert ("element" in sharper) is (precision is Precision.FP16)


def test_what_the_emulation_shows_itself_is_legal_a_few_times_over():
    shown = dataclasses.replace(CURVED, emulated=Deviations(element=20.0, channel_gain=100.0))
    limits = Yardstick(shown, Precision.FP16, DEFAULT).limits((64, 64))
    times = DEFAULT["emulation_times"]
    assert (limits["element"], limits["channel_gain"]) == (20 * times, 100 * times)
    assert limits["tensor"] == DEFAULT["tensor_rmse_floors"]


def test_an_offset_that_all_elements_share_is_legal_where_the_emulations_have_such_too():
    """A deep network adds one number to all of an output, another one after each feed.

    The largest of six such numbers is now and then a third of the next one.
    """
    rng = np.random.default_rng(0)
    reference = normal(64, 16)

    def drawn() -> np.ndarray:
        return reference + 1e-2 * (rng.standard_normal(reference.shape) + rng.standard_normal())

    for _ in range(100):
        floor = fitted_floor([reference] * 3, [[drawn() for _ in range(3)] for _ in range(2)], 1, Precision.FP16)
        assert floor is not None
        yardstick = Yardstick(floor, Precision.FP16, DEFAULT)
        found = measure(reference, drawn(), yardstick).deviations
        assert found.offset <= yardstick.limits(reference.shape)["offset"]


def test_what_is_not_finite_is_said_and_what_is_huge_is_measured():
    reference = normal(8, 8)
    actual = reference.copy()
    actual[2, 2] = np.nan
    assert not measure(reference, actual, Yardstick(CURVED, Precision.FP32, DEFAULT)).is_finite
    huge = 1e300 * reference
    assert measure(huge, huge, Yardstick(CURVED, Precision.FP32, DEFAULT)).is_finite
