"""Quantised outputs: what integer kernels round differently is legal, and no more."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repro.verdicts.steps import judge_steps, legal_steps, step_floor
from repro.verdicts.thresholds import DEFAULT
from repro.verdicts.verdict import Status

RNG = np.random.default_rng(0)
RIGHT = RNG.integers(-128, 127, (32, 16)).astype(np.int8)
ONE_APART = RIGHT.astype(np.int16) + (RNG.random(RIGHT.shape) < 0.1)
FLOOR = step_floor([RIGHT], [[RIGHT], [ONE_APART]], 1)


def off_by(steps: int, *, everywhere: bool = False) -> np.ndarray:
    actual = RIGHT.astype(np.int16)
    actual[np.s_[:] if everywhere else np.s_[3, 5]] += steps
    return actual


def test_where_the_emulations_agree_no_step_is_legal():
    exact = step_floor([RIGHT], [[RIGHT], [RIGHT]], 1)
    assert legal_steps(exact, DEFAULT) == 0
    assert judge_steps(RIGHT, RIGHT, exact, DEFAULT).status is Status.PASS
    assert judge_steps(RIGHT, off_by(1), exact, DEFAULT).status is Status.FAIL


@given(st.integers(0, 2**16), st.integers(1, 12))
@settings(max_examples=25, deadline=None)
def test_what_another_kernel_is_off_by_is_legal_and_a_few_times_as_much_is_not(seed: int, steps: int):
    rng = np.random.default_rng(seed)
    noise = rng.integers(-steps, steps, RIGHT.shape, endpoint=True)
    noise[0, :2] = steps, -steps
    wanted = 20 * RIGHT.astype(np.int64)
    floor = step_floor([wanted], [[wanted + noise]], 1)
    assert judge_steps(wanted, wanted + rng.permuted(noise), floor, DEFAULT).status is Status.PASS
    wrong = wanted.copy()
    wrong[rng.integers(32), rng.integers(16)] += 3 * steps
    assert judge_steps(wanted, wrong, floor, DEFAULT).status is Status.FAIL


def test_one_element_that_is_clearly_off_is_named_with_its_steps():
    verdict = judge_steps(RIGHT, off_by(9), FLOOR, DEFAULT)
    assert verdict.status is Status.FAIL
    assert verdict.reason == "1/512 elements differ, element 53 by 9 steps; 2 are legal"


def test_a_step_in_one_element_is_legal_and_a_step_in_every_element_is_not():
    assert judge_steps(RIGHT, off_by(1), FLOOR, DEFAULT).status is Status.PASS
    verdict = judge_steps(RIGHT, off_by(1, everywhere=True), FLOOR, DEFAULT)
    assert (verdict.status, "the tensor is off by 1 steps RMS" in verdict.reason) == (Status.FAIL, True)


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        (np.full((4, 4), 7, np.int8), "the reference is constant (7)"),
        (np.arange(16, dtype=np.int8).reshape(4, 4) % 2, "varies by 0.5 steps"),
        (np.zeros((0, 4), np.int8), "no elements"),
    ],
)
def test_a_comparison_without_power_is_no_pass(reference: np.ndarray, words: str):
    verdict = judge_steps(reference, reference, FLOOR, DEFAULT)
    assert (verdict.status, words in verdict.reason) == (Status.INVALID, True)
