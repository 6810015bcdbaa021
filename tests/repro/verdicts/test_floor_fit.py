"""The floor that emulations show: as wide as the noise where it is, no wider elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cases.builder import GraphBuilder
from cases.evaluation.evaluate import FLOAT64, evaluate
from repro.verdicts.deviations import Yardstick
from repro.verdicts.emulation import emulated_floors
from repro.verdicts.floor_fit import fitted_floor, relative_sizes
from repro.verdicts.noise_floor import Floor
from repro.verdicts.numeric_rule import judge_numbers
from repro.verdicts.thresholds import DEFAULT
from repro.verdicts.verdict import Status
from runner.run import Precision


def fitted(reference: np.ndarray, *errors: np.ndarray, precision: Precision = Precision.FP16) -> Floor:
    floor = fitted_floor([reference], [[reference + error] for error in errors], 1, precision)
    assert floor is not None
    return floor


def floors_of(floor: Floor, reference: np.ndarray) -> np.ndarray:
    return Yardstick(floor, Precision.FP16, DEFAULT).of(np.ascontiguousarray(reference, np.float64))


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**20),
    absolute=st.sampled_from([0.0, 1e-4, 1e-2]),
    relative=st.sampled_from([2e-3, 2e-2]),
    square=st.sampled_from([0.0, 1e-3]),
)
def test_the_curve_is_the_noise_it_was_fitted_to(seed: int, absolute: float, relative: float, square: float):
    rng = np.random.default_rng(seed)
    reference = rng.standard_normal((256, 64)) * 2.0 ** rng.integers(-8, 6, (256, 64))
    size = absolute + relative * np.abs(reference) + square * reference**2
    floor = fitted(reference, size * rng.standard_normal(reference.shape))
    ratio = floors_of(floor, reference) / size
    assert 0.4 < np.quantile(ratio, 0.01) < np.quantile(ratio, 0.99) < 2.5


@pytest.mark.parametrize("quiet", [0.1, 0.01])
def test_a_channel_with_less_noise_than_its_magnitude_says_gets_a_factor(quiet: float):
    rng = np.random.default_rng(0)
    reference = rng.standard_normal((512, 8))
    error = 1e-2 * rng.standard_normal(reference.shape)
    error[:, 3] *= quiet
    factors = fitted(reference, error).channels
    assert factors[3] < 0.25
    assert all(0.8 < factor < 1.3 for channel, factor in enumerate(factors) if channel != 3)


def test_few_rows_are_not_enough_to_tell_channels_apart():
    rng = np.random.default_rng(0)
    reference = rng.standard_normal((4, 64))
    assert fitted(reference, 1e-2 * rng.standard_normal(reference.shape)).channels == ()


def test_the_noisier_of_two_arithmetics_counts_at_every_magnitude():
    rng = np.random.default_rng(0)
    reference = rng.standard_normal((256, 16)) * 2.0 ** rng.integers(-6, 4, (256, 16))
    one, other = 1e-3 * rng.standard_normal(reference.shape), 1e-2 * reference * rng.standard_normal(reference.shape)
    both = floors_of(fitted(reference, one, other), reference)
    for error in (one, other):
        small = np.abs(error) > 8 * both
        assert small.mean() < 1e-3


def test_a_peaked_softmax_has_a_floor_far_below_its_peaks():
    """One probability near 1 in each row, 299 near 0: their errors differ a thousandfold."""
    g = GraphBuilder()
    x = g.input("x", (1, 32, 300))
    graph = g.build(outputs=[g.softmax(g.scaled(x, 4.0), name="y")])
    feed = (np.random.default_rng(0).standard_normal((1, 32, 300)).astype(np.float32),)
    reference = evaluate(graph, feed, FLOAT64)["y"]
    (floor,) = emulated_floors(graph, (feed,), ((reference,),), Precision.FP16)
    s = floors_of(floor, reference[0])
    assert np.median(s) < 1e-3 * s.max()
    assert np.median(s) < 1e-6


@given(st.integers(-3, 3))
def test_feeds_of_other_sizes_have_floors_of_their_own_sizes(power: int):
    rng = np.random.default_rng(0)
    reference = rng.standard_normal((64, 16))
    size = 4.0**power
    feeds = [reference, size * reference]
    by_feed = relative_sizes(feeds, Precision.FP16)
    assert by_feed == (() if power == 0 else (1.0, size))
    error = 1e-2 * rng.standard_normal(reference.shape)
    alone = fitted(reference, error)
    pooled = fitted_floor(feeds, [[reference + error, size * (reference + error)]], 1, Precision.FP16)
    assert pooled is not None
    np.testing.assert_allclose(floors_of(pooled, reference), floors_of(alone, reference), rtol=0.1)


@pytest.mark.parametrize(
    ("precision", "least"), [(Precision.FP32, 1e-194), (Precision.FP32, 1e-40), (Precision.FP16, 1e-9)]
)
def test_what_a_precision_takes_for_zero_says_no_more_of_small_values_than_a_zero(precision: Precision, least: float):
    """A MAXIMUM of sums and of a product of a thousand factors: half of it is that product, which is flushed."""
    rng = np.random.default_rng(0)
    sums, error = rng.standard_normal((64, 16)), 1e-5 * rng.standard_normal((64, 16))
    floors = []
    for product in (least, 0.0):
        reference = np.maximum(sums, product)
        floors.append(fitted(reference, np.where(sums > product, error, -reference), precision=precision))
    assert floors[0].curve == pytest.approx(floors[1].curve)
    assert floors[0].curve[0] > 1e-6


@given(st.floats(-300, 300), st.floats(-300, 300))
def test_feeds_of_any_sizes_have_a_ratio(first: float, second: float):
    sizes = relative_sizes([np.array([10.0**first, 0.0]), np.array([10.0**second, 0.0])], Precision.FP32)
    assert all(0 < size < np.inf for size in sizes)


def test_what_float16_cannot_hold_makes_no_feed_larger():
    reference = np.random.default_rng(0).standard_normal((64, 16))
    beside = reference.copy()
    beside[3, 5] = 1e9
    assert relative_sizes([reference, beside], Precision.FP16) == ()
    assert relative_sizes([reference, beside], Precision.FP32)[1] > 1e6


def test_what_ends_in_the_last_power_of_two_may_round_beyond_it():
    reference = np.array([[1.0, 2.0, 60000.0]])
    assert fitted_floor([reference], [[np.array([[1.001, 2.001, np.inf]])]], 1, Precision.FP16) is not None
    assert fitted_floor([reference / 2], [[np.array([[0.5, 1.001, np.inf]])]], 1, Precision.FP16) is None


def test_values_beyond_float16_may_overflow_and_no_others():
    reference = np.array([[1.0, 1e6]])
    assert fitted_floor([reference], [[np.array([[1.0, np.inf]])]], 1, Precision.FP16) is not None
    assert fitted_floor([reference], [[np.array([[np.inf, 1e6]])]], 1, Precision.FP16) is None


@pytest.mark.parametrize("beyond", [0, 1, 2])
def test_a_feed_whose_values_are_all_beyond_float16_leaves_the_floor_to_the_others(beyond: int):
    rng = np.random.default_rng(beyond)
    references = [rng.standard_normal((2, 8)) for _ in range(2)]
    noisy = [r * (1 + 1e-3 * rng.standard_normal(r.shape)) for r in references]
    references.insert(beyond, np.full((2, 8), 2e5))
    noisy.insert(beyond, np.full((2, 8), np.inf))
    floor = fitted_floor(references, [noisy], 1, Precision.FP16)
    assert floor is not None
    assert 3e-4 < floor.rmse < 3e-3
    assert fitted_floor(references[beyond : beyond + 1], [noisy[beyond : beyond + 1]], 1, Precision.FP16) is None
    noisy[beyond - 1] = np.full((2, 8), np.inf)
    assert fitted_floor(references, [noisy], 1, Precision.FP16) is None


def test_exact_arithmetic_leaves_only_the_rounding_of_the_values_themselves():
    reference = np.random.default_rng(0).standard_normal((64, 8))
    floor = fitted(reference, np.zeros_like(reference))
    assert floor.curve == (0.0, 0.0, 0.0)
    assert (floors_of(floor, reference) < 2.0**-10 * np.abs(reference) + 1e-7).all()


def test_an_arithmetic_that_saw_fewer_feeds_counts_as_much_as_one_that_saw_all():
    rng = np.random.default_rng(0)
    references = [rng.standard_normal((64, 8)) for _ in range(3)]
    loud = [references[0] + 1e-2 * rng.standard_normal((64, 8))]
    quiet = [reference + 1e-4 * rng.standard_normal((64, 8)) for reference in references]
    floor = fitted_floor(references, [loud, quiet], 1, Precision.FP16)
    assert floor is not None
    assert floor.rmse == pytest.approx(1e-2, rel=0.1)
    assert np.median(floors_of(floor, references[1])) > 5e-3


def test_a_large_output_has_the_floor_of_some_of_its_rows():
    rng = np.random.default_rng(0)
    reference = rng.standard_normal((1 << 15, 16))
    floor = fitted(reference, 1e-2 * reference * rng.standard_normal(reference.shape))
    few = fitted(reference[:4096], 1e-2 * reference[:4096] * rng.standard_normal((4096, 16)))
    assert np.median(floors_of(floor, reference)) == pytest.approx(np.median(floors_of(few, reference)), rel=0.1)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("seed", range(12))
def test_a_sigmoid_behind_a_noisy_sum_is_judged_by_its_largest_errors(seed: int):
    """What it is taken of is off by the same number in a whole area: 1e-7 becomes 1e-2 in one and stays in the next."""
    rng = np.random.default_rng(seed)
    is_front = rng.random((512, 1)) < 0.3
    areas = np.where(is_front, rng.normal(6, 2, is_front.shape), rng.normal(-16, 2.5, is_front.shape))
    noise = np.where(is_front, 0.3, 2.0)

    def drawn(feed: np.ndarray) -> np.ndarray:
        off = noise * rng.standard_normal(noise.shape)
        return sigmoid(np.repeat(feed + off, 8, axis=0) + 0.05 * rng.standard_normal((8 * len(feed), 1)))

    feeds = [areas, areas + 0.1, areas - 0.1]
    right = [sigmoid(np.repeat(feed, 8, axis=0)) for feed in feeds]
    floor = fitted_floor(right, [[drawn(feed) for feed in feeds] for _ in range(2)], 1, Precision.FP16)
    assert floor is not None
    assert floor.emulated.element < 256
    said = [
        judge_numbers(right[0], one, floor, Precision.FP16, DEFAULT).status for one in (drawn(areas), right[0][::-1])
    ]
    assert said == [Status.PASS, Status.FAIL]


def test_noise_that_follows_the_values_keeps_its_curve_however_far_these_reach():
    rng = np.random.default_rng(0)
    reference = rng.standard_normal((512, 8)) * 2.0 ** rng.integers(-12, 4, (512, 8))
    relative = fitted(reference, 1e-3 * reference * rng.standard_normal(reference.shape))
    assert relative.curve[1] > 0
