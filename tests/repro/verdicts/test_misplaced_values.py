"""The right values in the wrong place are recognised for what they are, and noise for nothing at all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro.verdicts.misplaced_values import SHARE, misplacement_of
from runner.run import Precision
from tests.repro.verdicts.judging import normal

R = normal(2, 12, 7)
seeds = st.integers(0, 2**20)


def words(actual: np.ndarray, reference: np.ndarray = R, precision: Precision = Precision.FP32) -> str:
    found = misplacement_of(actual.astype(np.float32), reference, precision)
    assert found is not None
    text, share = found
    assert share >= SHARE
    assert text.endswith(f"({round(share * actual.size)}/{actual.size})")
    return text.rpartition(" (")[0]


@pytest.mark.parametrize("precision", list(Precision))
@pytest.mark.parametrize(
    ("actual", "said"),
    [
        (-R, "the right values, negated"),
        (np.abs(R), "the right values without the sign"),
        (np.broadcast_to(R[1:, 3:4], R.shape), "row 15 in the place of all"),
        (np.broadcast_to(R[..., 2:3], R.shape), "channel 2 in the place of all"),
        (np.swapaxes(R, 1, 2).reshape(R.shape), "the right values with axes 1 and 2 transposed"),
        (np.roll(R, -3, 1), "the right values shifted by -3 along axis 1"),
        (np.roll(R, 2, 2), "the right values shifted by 2 along axis 2"),
        (np.roll(R.ravel(), 5).reshape(R.shape), "the right values shifted by 5 elements"),
        (np.clip(R, -0.5, 0.25), "the right values clipped to [-0.5, 0.25]"),
    ],
)
def test_an_arrangement_is_named(actual: np.ndarray, said: str, precision: Precision):
    assert words(actual, precision=precision) == said


@given(seeds, st.sampled_from([0, 1]))
def test_any_permutation_of_rows_or_channels_is_found(seed: int, axis: int):
    rng = np.random.default_rng(seed)
    reference = rng.standard_normal((16, 9))
    order = rng.permutation(reference.shape[axis])
    actual = reference.take(order, axis)
    found = misplacement_of(actual.astype(np.float32), reference, Precision.FP32)
    if (order == np.arange(len(order))).all():
        assert found is None, "the right values in their own places are no arrangement"
    else:
        assert found is not None
        assert any(name in found[0] for name in ("permuted", "shifted"))


@given(seeds, st.sampled_from([(8, 8), (1, 40), (3, 4, 5)]))
def test_garbage_is_no_arrangement(seed: int, shape: tuple[int, ...]):
    garbage = normal(*shape, seed=seed).astype(np.float32)
    assert misplacement_of(garbage, normal(*shape, seed=seed + 1), Precision.FP16) is None


@given(seeds)
def test_the_right_values_are_no_arrangement_of_themselves(seed: int):
    reference = normal(6, 5, seed=seed)
    assert misplacement_of(reference.astype(np.float32), reference, Precision.FP32) is None


@pytest.mark.parametrize(
    ("actual", "reference"),
    [
        (np.zeros(3, np.float32), normal(3)),
        (np.zeros((4, 4), np.int32), normal(4, 4)),
        (np.full((4, 4), np.nan, np.float32), normal(4, 4)),
        (normal(4, 4).astype(np.float32), np.full((4, 4), np.inf)),
        (normal(4, 4).astype(np.float32), np.ones((4, 4))),
    ],
    ids=["too few elements", "integers", "not finite", "reference not finite", "constant reference"],
)
def test_what_could_be_anything_is_called_nothing(actual: np.ndarray, reference: np.ndarray):
    assert misplacement_of(actual, reference, Precision.FP32) is None


def test_a_few_other_elements_do_not_hide_an_arrangement_and_many_do():
    actual = -R
    for places, found in ((4, True), (20, False)):
        damaged = actual.copy().ravel()
        damaged[:places] = 9.0
        arranged = misplacement_of(damaged.reshape(R.shape).astype(np.float32), R, Precision.FP32)
        assert (arranged is not None) is found
