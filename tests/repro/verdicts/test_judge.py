"""The judge: three values, the order of its questions, and the rule's limits from both sides."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cases.inputs import GivenFeeds
from repro.verdicts.judge import judge, judge_arrays
from repro.verdicts.metrics import all_metrics
from repro.verdicts.noise_floor import Floor
from repro.verdicts.thresholds import DEFAULT, ENTRIES, load_thresholds
from repro.verdicts.verdict import Status
from runner.errors import BadInput
from runner.run import SENTINEL, Fingerprint, Outcome, Precision, Run
from tests.repro.verdicts.judging import scene

BOTH = pytest.mark.parametrize("precision", list(Precision))
EMULATED = Floor(1e-4, "emulation", 1)


class Unanswerable:
    """A reference that must not be asked."""

    def outputs(self, graph, model, feeds):
        raise AssertionError("a run without outputs needs no reference")

    def words(self, graph):
        raise AssertionError("nobody asked")


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


@BOTH
def test_a_healthy_run_passes_and_says_its_power(precision: Precision):
    verdicts = scene(precision).judge()
    assert [v.status for v in verdicts] == [Status.PASS, Status.PASS]
    assert [v.name for v in verdicts] == ["y", "w"]
    for verdict in verdicts:
        assert verdict.floor == "emulation"
        assert 0 < verdict.power < 0.1
        assert verdict.metrics["pearson"] > 0.9999


@BOTH
def test_only_the_broken_output_fails(precision: Precision):
    def change(outputs):
        for feed in outputs:
            feed[1] = feed[1] * np.float32(1.05)

    y, w = scene(precision).judge(change)
    assert (y.status, w.status, w.signature) == (Status.PASS, Status.FAIL, "wrong")
    assert "noise floors" in w.reason


@pytest.mark.parametrize("outcome", [o for o in Outcome if o is not Outcome.OK])
def test_a_run_that_did_not_end_well_is_its_own_status(outcome: Outcome):
    fingerprint = Fingerprint("gpu:test", "0", {}, "", "", "fp32", "")
    named = Run("t", outcome, fingerprint, output_names=("a", "b"), message="why")
    nameless = Run("t", outcome, fingerprint, message="why")
    unanswered = dataclasses.replace(scene().subject, reference=Unanswerable())
    assert [(v.output, str(v.status), v.reason) for v in judge(named, unanswered)] == [
        (0, str(outcome), "why"),
        (1, str(outcome), "why"),
    ]
    assert [v.output for v in judge(nameless, unanswered)] == [-1]


def test_references_that_do_not_belong_to_the_run_are_refused():
    made = scene()
    with pytest.raises(ValueError, match="pair up"):
        judge(made.run(), dataclasses.replace(made.subject, plan=GivenFeeds(made.feeds[:2])))
    with pytest.raises(ValueError, match="floors"):
        judge(made.run(), dataclasses.replace(made.subject, given_floors={made.precision: made.floors[:1]}))


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        (np.zeros((4, 8)), "constant"),
        (np.full((4, 8), 3.5), "constant"),
        (np.where(np.eye(8) > 0, np.nan, 1.0), "not finite"),
        (np.where(np.eye(8) > 0, np.inf, 1.0), "not finite"),
        (1000 + 1e-3 * normal(16, 16), "fp16 ulps"),
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
    assert "noise floor" in judged[1].reason


def test_the_sentinel_and_nan_need_no_power():
    constant = np.ones((4, 8))
    assert judge_arrays(np.full((4, 8), SENTINEL), constant, EMULATED).signature == "unwritten"
    assert judge_arrays(np.full((4, 8), np.nan, np.float32), constant, EMULATED).signature == "nonfinite"


def test_a_wrong_shape_or_dtype_is_wrong():
    reference = normal(4, 8)
    assert judge_arrays(reference.reshape(8, 4).astype(np.float32), reference).signature == "wrong"
    assert judge_arrays(reference.astype(np.int32), reference).status is Status.FAIL


def test_integers_and_booleans_are_compared_exactly():
    values = np.arange(32, dtype=np.int32)
    off = values.copy()
    off[7] += 1
    assert judge_arrays(values, values).status is Status.PASS
    assert judge_arrays(off, values).status is Status.FAIL
    assert judge_arrays(values % 2 == 0, values % 2 == 0).status is Status.PASS
    assert judge_arrays(np.ones(8, bool), np.ones(8, bool)).status is Status.INVALID


def test_one_element_is_judged_by_its_own_size():
    floor = Floor(1e-4, "emulation", 1)
    assert judge_arrays(np.array([2.0], np.float32), np.array([2.0]), floor).status is Status.PASS
    assert judge_arrays(np.array([2.1], np.float32), np.array([2.0]), floor).status is Status.FAIL


@pytest.mark.parametrize("factor", [0.5, 2.0])
@pytest.mark.parametrize(
    ("threshold", "place"),
    [
        ("element_floors", (5, 7)),
        ("group_rmse_floors", (slice(5, 6), slice(None))),
        ("group_rmse_floors", (slice(None), 7)),
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
    floor = Floor(1e30, "emulation", 1, levels=((0.0, 1e-3), (1e30, 1e31)))
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


@settings(max_examples=150, deadline=None)
@given(
    hnp.arrays(np.float32, hnp.array_shapes(max_dims=4, max_side=6), elements=st.floats(width=32)),
    hnp.arrays(np.float32, hnp.array_shapes(max_dims=4, max_side=6), elements=st.floats(width=32)),
    st.sampled_from(list(Precision)),
    st.sampled_from([None, EMULATED]),
)
def test_any_two_arrays_give_a_verdict_and_only_a_finite_equal_shape_can_pass(reference, actual, precision, floor):
    verdict = judge_arrays(actual, reference, floor, precision=precision)
    assert verdict.status in (Status.PASS, Status.FAIL, Status.INVALID)
    if verdict.status is Status.PASS:
        assert reference.shape == actual.shape
        assert np.isfinite(reference).all()
        assert reference.size == 1 or np.ptp(reference.astype(np.float64)) > 0
    assert bool(verdict.signature) == (verdict.status is Status.FAIL)
    assert bool(verdict.reason) or verdict.status is Status.PASS


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


def test_metrics_of_equal_and_constant_arrays():
    equal = all_metrics(normal(8, 8), normal(8, 8))
    assert equal["pearson"] == pytest.approx(1)
    assert (equal["max_abs"], equal["rmse"], equal["max_ulp"]) == (0, 0, 0)
    assert np.isnan(all_metrics(np.ones(8), np.ones(8))["pearson"])


def test_every_threshold_has_a_reason_and_a_table_can_replace_it(tmp_path):
    assert all(t.reason and t.since for t in ENTRIES.values())
    path = tmp_path / "stricter.toml"
    path.write_text('[element_floors]\nvalue = 2\nreason = "try"\nsince = "2026-01-01"\n', encoding="utf-8")
    stricter = load_thresholds(path)
    assert stricter["element_floors"] == 2
    assert stricter["tensor_rmse_floors"] == DEFAULT["tensor_rmse_floors"]
    reference = normal(64, 64)
    actual = (reference + 1e-3 * normal(64, 64, seed=2)).astype(np.float32)
    floor = Floor(1e-3, "emulation", 1)
    assert judge_arrays(actual, reference, floor).status is Status.PASS
    assert judge_arrays(actual, reference, floor, thresholds=stricter).status is Status.FAIL
    for text, words in (
        ('[no_such]\nvalue=1\nreason="a"\nsince="b"', "no threshold 'no_such'"),
        ("[element_floors]\nvalue = 2\n", "needs value, reason and since"),
        ('[element_floors]\nvalue = -2\nreason="a"\nsince="b"', "above 0"),
        ("not toml", "not readable TOML"),
    ):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(BadInput, match=words):
            load_thresholds(path)


def test_values_that_are_all_the_same_number_of_floors_are_judged():
    """Each value is a level of its own, so in units of its floor the reference is one number."""
    reference = np.repeat(2.0 ** np.arange(8), 32).astype(np.float32).reshape(1, -1)
    levels = tuple((float(2.0**k), float(2.0**k) * 1e-6) for k in range(8))
    floor = Floor(1e-4, "emulation", 1, levels=levels)
    right = judge_arrays(reference, reference, floor)
    wrong = judge_arrays(reference * np.float32(1.001), reference, floor)
    assert (right.status, wrong.status) == (Status.PASS, Status.FAIL)
