"""The numeric rule: its limits from both sides, what has no power, and what must not decide (scale, order, blocks)."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repro.verdicts import deviations, rule_without_emulation
from repro.verdicts.judge import judge_arrays
from repro.verdicts.noise_floor import Floor
from repro.verdicts.numeric_rule import judge_numbers
from repro.verdicts.thresholds import DEFAULT
from repro.verdicts.verdict import NumericVerdict, Status
from runner.run import Precision
from tests.repro.verdicts.judging import EMULATED, normal

BOTH = pytest.mark.parametrize("precision", list(Precision))
RULE = Floor(0.0, "rule", 16)
seeds = st.integers(0, 2**20)


def judged(reference: np.ndarray, actual: np.ndarray, floor: Floor = EMULATED) -> NumericVerdict:
    return judge_numbers(reference, actual, floor, Precision.FP32, DEFAULT)


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        (np.zeros((4, 8)), "constant"),
        (np.full((4, 8), 3.5), "constant"),
        (np.where(np.eye(8) > 0, np.nan, 1.0), "not finite"),
        (np.where(np.eye(8) > 0, np.inf, 1.0), "not finite"),
        (1000 + 1e-3 * normal(16, 16), "roundings"),
        (np.zeros(()), "one zero"),
        (np.zeros((0, 4)), "no elements"),
    ],
)
@BOTH
def test_a_comparison_without_power_is_invalid_even_when_equal(reference, words: str, precision: Precision):
    verdict = judge_arrays(reference.astype(np.float32), reference, EMULATED, precision=precision)
    assert verdict.status is Status.INVALID
    assert words in verdict.reason


def test_a_floor_within_twenty_decibels_of_the_signal_has_no_power():
    reference = normal(64, 16)
    judged = [judge_arrays(reference.astype(np.float32), reference, Floor(s, "emulation", 1)) for s in (0.09, 0.2)]
    assert [v.status for v in judged] == [Status.PASS, Status.INVALID]
    assert "rounding alone may move this output by 21 % of its spread" in judged[1].reason
    assert "noise floor" in judged[1].detail


def test_one_element_is_judged_by_its_own_size():
    floor = Floor(1e-4, "emulation", 1)
    assert judge_arrays(np.array([2.0], np.float32), np.array([2.0]), floor).status is Status.PASS
    assert judge_arrays(np.array([2.1], np.float32), np.array([2.0]), floor).status is Status.FAIL


@pytest.mark.parametrize("factor", [0.5, 2.0])
@pytest.mark.parametrize(
    ("threshold", "place"),
    [
        ("element_floors_fp32", (5, 7)),
        ("group_rmse_floors_fp32", (slice(5, 6), slice(None))),
        ("group_rmse_floors_fp32", (slice(None), 7)),
    ],
)
def test_limits_of_element_row_and_channel(threshold: str, place, factor: float):
    s = 1e-3
    reference = normal(256, 128)
    actual = reference.copy()
    signs = np.sign(normal(256, 128, seed=1))[place]
    actual[place] += signs * factor * DEFAULT[threshold] * s
    verdict = judge_arrays(actual.astype(np.float32), reference, Floor(s, "emulation", 1))
    assert verdict.status is (Status.PASS if factor < 1 else Status.FAIL), verdict.reason


@BOTH
@pytest.mark.parametrize("change", [lambda a: a * 1.01, lambda a: a + 0.03, lambda a: -a, lambda a: a[::-1]])
def test_coherent_and_gross_errors_fail_with_and_without_an_emulation(precision: Precision, change):
    reference = normal(512, 64)
    noise = DEFAULT.ulp(precision) * normal(512, 64, seed=1)
    for floor in (Floor(float(np.std(noise)), "emulation", 1), None):
        healthy = judge_arrays((reference + noise).astype(np.float32), reference, floor, precision=precision)
        faulty = judge_arrays(change(reference + noise).astype(np.float32), reference, floor, precision=precision)
        assert healthy.status is Status.PASS, healthy.reason
        assert faulty.status is Status.FAIL


def test_values_beyond_float16_do_not_hide_the_others():
    """Anchors of an invalid position hold FLT_MAX; the rest of the tensor is judged at its own size."""
    reference = normal(512, 4)
    reference[:20] = np.finfo(np.float32).max
    floor = Floor(1e30, "emulation", 1, curve=(1e-3, 1e-7, 0.0))
    actual = reference.astype(np.float32)
    wrong = actual.copy()
    wrong[100:110] += 0.5
    overflowed = actual.copy()
    overflowed[:20] = np.inf
    for precision in Precision:
        assert judge_arrays(actual, reference, floor, precision=precision).status is Status.PASS
        assert judge_arrays(wrong, reference, floor, precision=precision).status is Status.FAIL
    half = judge_arrays(overflowed, reference, floor, precision=Precision.FP16)
    assert half.status is Status.PASS
    assert "beyond float16's range" in half.reason
    assert judge_arrays(overflowed, reference, floor, precision=Precision.FP32).signature == "nonfinite"


@pytest.mark.parametrize("floor", [Floor(1e-3, "emulation", 1, curve=(0.0, 2e-3, 0.0)), RULE])
@pytest.mark.parametrize(
    ("true", "got", "status"),
    [
        (65000.0, np.inf, Status.PASS),
        (-65000.0, -np.inf, Status.PASS),
        (65000.0, 65504.0, Status.PASS),
        (65000.0, -np.inf, Status.FAIL),
        (65000.0, np.nan, Status.FAIL),
        (40000.0, np.inf, Status.FAIL),
        (3e9, np.inf, Status.PASS),
        (3e9, 65504.0, Status.PASS),
    ],
)
def test_at_the_end_of_float16_a_rounding_more_is_infinite(true: float, got: float, status: Status, floor: Floor):
    """What the noise of a value carries beyond the end is legal, of the same sign, and no more than that."""
    reference = 4096 * normal(32, 8)
    actual = reference.astype(np.float16).astype(np.float32)
    reference[3, 5], actual[3, 5] = true, got
    assert judge_arrays(actual, reference, floor, precision=Precision.FP16).status is status
    far = actual.copy()
    far[7, 1] += 2000
    assert judge_arrays(far, reference, floor, precision=Precision.FP16).status is Status.FAIL


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**20), st.sampled_from([(300, 4), (17, 256), (1, 5000), (64, 16)]), st.floats(1e-3, 1e3))
def test_noise_at_the_floor_never_alarms_and_a_shuffle_always_does(seed: int, shape: tuple[int, int], scale: float):
    rng = np.random.default_rng(seed)
    reference = scale * rng.standard_normal(shape)
    noise = scale * 1e-3 * rng.standard_normal(shape)
    floor = Floor(scale * 1e-3, "emulation", 1)
    assert judge_arrays((reference + noise).astype(np.float32), reference, floor).status is Status.PASS
    shuffled = rng.permutation(reference.ravel()).reshape(shape).astype(np.float32)
    assert judge_arrays(shuffled, reference, floor).status is Status.FAIL


def test_values_that_are_all_the_same_number_of_floors_are_judged():
    """The floor is a share of each value, so in units of its floor the reference is one number."""
    reference = np.repeat(2.0 ** np.arange(8), 32).astype(np.float32).reshape(1, -1)
    floor = Floor(1e-4, "emulation", 1, curve=(0.0, 1e-6, 0.0))
    right = judge_arrays(reference, reference, floor)
    wrong = judge_arrays(reference * np.float32(1.001), reference, floor)
    assert (right.status, wrong.status) == (Status.PASS, Status.FAIL)


@given(seeds, st.integers(-20, 20), st.floats(0, 20), st.sampled_from([EMULATED, RULE]))
def test_a_scale_decides_nothing(seed: int, power: int, size: float, floor: Floor):
    reference, noise = normal(16, 8, seed=seed), size * 1e-4 * normal(16, 8, seed=seed + 1)
    factor = 2.0**power
    scaled_floor = dataclasses.replace(floor, rmse=factor * floor.rmse)
    plain = judged(reference, reference + noise, floor)
    scaled = judged(factor * reference, factor * (reference + noise), scaled_floor)
    assert scaled.status is plain.status
    assert scaled.power == pytest.approx(factor * plain.power)


@given(seeds, st.floats(0, 40), st.floats(1, 10), st.sampled_from([EMULATED, RULE]))
def test_a_larger_error_never_passes_where_a_smaller_one_fails(seed: int, size: float, factor: float, floor: Floor):
    reference, error = normal(12, 8, seed=seed), size * 1e-4 * normal(12, 8, seed=seed + 1)
    if judged(reference, reference + error, floor).status is Status.FAIL:
        assert judged(reference, reference + factor * error, floor).status is Status.FAIL


@given(seeds, st.floats(0, 10), st.sampled_from([EMULATED, RULE]))
def test_the_order_of_rows_and_channels_decides_nothing(seed: int, size: float, floor: Floor):
    rng = np.random.default_rng(seed)
    reference, error = rng.standard_normal((12, 8)), size * 1e-4 * rng.standard_normal((12, 8))
    rows, channels = rng.permutation(12), rng.permutation(8)
    actual = reference + error
    shuffled = judged(reference[rows][:, channels], actual[rows][:, channels], floor)
    assert shuffled.status is judged(reference, actual, floor).status


@pytest.mark.parametrize("block", [1, 7, 64])
@pytest.mark.parametrize("place", [(0, 0), (30, 5), (slice(None), 3), (17, slice(None))])
def test_how_many_elements_are_read_at_a_time_decides_nothing(block: int, place, monkeypatch: pytest.MonkeyPatch):
    reference = normal(31, 16)
    actual = reference.copy()
    actual[place] += 1e-2
    whole = [judged(reference, actual, floor) for floor in (EMULATED, RULE)]
    for module in (deviations, rule_without_emulation):
        monkeypatch.setattr(module, "BLOCK", block)
    blocks = [judged(reference, actual, floor) for floor in (EMULATED, RULE)]
    assert [v.status for v in blocks] == [v.status for v in whole] == [Status.FAIL] * 2
    assert [v.power for v in blocks] == pytest.approx([v.power for v in whole])


def test_what_is_read_is_not_written():
    reference, actual = normal(8, 8), normal(8, 8).astype(np.float32)
    reference.flags.writeable = actual.flags.writeable = False
    assert judged(reference, actual).status is Status.PASS
    curved = dataclasses.replace(EMULATED, curve=(1e-4, 1e-4, 1e-5), channels=(1.0,) * 8)
    assert judged(reference, actual, curved).status is Status.PASS


@BOTH
def test_a_reference_wholly_beyond_float16_is_judged_in_fp32_only(precision: Precision):
    reference = 1e6 * (2 + normal(16, 8) ** 2)
    verdict = judge_numbers(reference, reference.astype(np.float32), Floor(1.0, "emulation", 1), precision, DEFAULT)
    assert verdict.status is (Status.INVALID if precision is Precision.FP16 else Status.PASS), verdict.reason
    assert ("beyond float16's range" in verdict.reason) is (precision is Precision.FP16)


def test_infinities_among_finite_values_fail_and_are_counted():
    reference = normal(4, 8)
    actual = reference.copy()
    actual[1, :3] = np.inf
    verdict = judged(reference, actual)
    assert (verdict.status, verdict.reason) == (Status.FAIL, "3/32 elements not finite")


def test_values_of_eight_bits_are_no_float16_however_near_they_are():
    """A bfloat16 is off by an eighth of a percent, which is within the floor of a sum."""
    reference = normal(32, 16)
    floor = Floor(4e-3, "emulation", 1, curve=(4e-3, 0.0, 0.0))
    half = reference.astype(np.float16).astype(np.float32)
    coarse = ((half.view(np.uint32) + np.uint32(0x8000)) & np.uint32(0xFFFF0000)).view(np.float32)
    one_left = coarse.copy()
    one_left[-1, -1] = half[np.unravel_index(int((half != coarse).argmax()), half.shape)]
    reference[-1, -1] = one_left[-1, -1]
    for actual, status in ((half, Status.PASS), (coarse, Status.FAIL), (one_left, Status.PASS)):
        verdict = judge_numbers(reference, actual, floor, Precision.FP16, DEFAULT)
        assert verdict.status is status, verdict.reason


@pytest.mark.parametrize("size", [0.5, 2.0])
@pytest.mark.parametrize(("name", "place"), [("row_gain", np.s_[5, :]), ("channel_gain", np.s_[:, 7])])
def test_a_gain_of_one_row_or_channel_is_seen_far_below_the_noise_of_an_element(name: str, place, size: float):
    """Half a floor in each of 4,096 elements is 32 standard errors, where the limit is 10."""
    reference = normal(4096, 4096)[: 64 if name == "row_gain" else None, : 64 if name == "channel_gain" else None]
    noise = 1e-2
    floor = Floor(noise, "emulation", 1, curve=(noise, 0.0, 0.0))
    actual = reference + noise * normal(*reference.shape, seed=1)
    limit = DEFAULT["coherent_errors_fp16"] * noise / 64
    actual[place] += size * limit * reference[place]
    verdict = judge_numbers(reference, actual, floor, Precision.FP16, DEFAULT)
    assert verdict.status is (Status.PASS if size < 1 else Status.FAIL), verdict.reason
    if size > 1:
        group, which = name.split("_")[0], 5 if name == "row_gain" else 7
        assert f"all values of {group} {which} are " in verdict.reason


@pytest.mark.parametrize(
    ("place", "size"),
    [
        pytest.param(np.s_[:, :], "noise", id="tensor"),
        pytest.param(np.s_[3, :], "noise", id="row"),
        pytest.param(np.s_[:, 5], "noise", id="channel"),
        pytest.param(np.s_[3, 5], "one", id="element"),
        pytest.param(np.s_[:, :], "gain", id="gain"),
        pytest.param(np.s_[:, :], "offset", id="offset"),
    ],
)
def test_the_plain_words_say_the_same_as_the_measures(place, size: str):
    """By how much it is off beside what rounding explains is by how much the limit is broken, in each kind of limit."""
    reference = normal(64, 48)
    of_size = {"noise": 1e-3 * normal(64, 48, seed=2), "one": np.full_like(reference, 1e-3)}
    # A gain or an offset of two floors is seen in all values together only.
    of_size |= {"gain": 2e-5 * reference, "offset": np.full_like(reference, 2e-5)}
    error = np.zeros_like(reference)
    error[place] = of_size[size][place]
    verdict = judged(reference, reference + error, Floor(1e-5, "emulation", 1))
    assert verdict.status is Status.FAIL
    number = r"([+-]?[\d.]+(?:e[+-]?\d+)?)"
    off = re.search(rf"(?:off by|shifted together by|are) {number}", verdict.reason)
    explained = re.search(rf"rounding explains {number}", verdict.reason)
    broken = re.search(rf"is {number} (?:noise floors|standard errors), the limit is {number}", verdict.detail)
    assert off is not None, verdict
    assert explained is not None, verdict
    assert broken is not None, verdict
    assert ("standard errors" in verdict.detail) is (size in ("gain", "offset"))
    said = abs(float(off[1])) / float(explained[1])
    assert said == pytest.approx(float(broken[1]) / float(broken[2]), rel=0.06)  # two digits are shown
