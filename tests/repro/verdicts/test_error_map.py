"""Where an output is wrong: a grid in which the worst element of each block can be seen, whatever the values."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from repro.records.strict import fitted
from repro.verdicts.error_map import ABOVE, BELOW, LEVELS, MOST, NOT_FINITE, UNWRITTEN, ErrorMap, error_map
from repro.verdicts.judge import judge_arrays
from runner.run import SENTINEL


def made(reference: np.ndarray, actual: np.ndarray) -> ErrorMap:
    drawn = error_map(reference, actual)
    assert drawn is not None
    return drawn


@pytest.mark.parametrize("place", [(0, 0, 0), (0, 399, 255), (0, 123, 45)])
def test_one_wrong_element_of_a_hundred_thousand_is_a_cell(place: tuple[int, ...]):
    reference = np.random.default_rng(0).standard_normal((1, 400, 256))
    actual = reference.astype(np.float32)
    actual[place] += 50
    drawn = made(reference, actual)
    assert (drawn.of, drawn.rows, drawn.columns) == ((400, 256), MOST, MOST)
    row, column = place[1] * MOST // 400, place[2] * MOST // 256
    worst = [n for n, mark in enumerate(drawn.error) if mark == max(drawn.error)]
    assert worst == [row * MOST + column]
    assert drawn.actual[worst[0]] == ABOVE


def test_each_kind_of_value_has_its_mark():
    reference = np.array([[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]])
    actual = np.array([[0.0, -9.0, 99.0, np.nan, np.inf, SENTINEL]], np.float32)
    drawn = made(reference, actual)
    assert drawn.expected == "".join(LEVELS[n] for n in (0, 3, 6, 9, 12, 15))
    assert drawn.actual == LEVELS[0] + BELOW + ABOVE + NOT_FINITE + NOT_FINITE + UNWRITTEN
    assert drawn.error[0] == LEVELS[0], "no error is the lowest level"
    assert drawn.error[3:] == NOT_FINITE * 2 + UNWRITTEN
    assert drawn.largest == 2, "what nothing wrote is not on the scale of the error"
    assert (drawn.low, drawn.high) == (0.0, 5.0)


def test_the_error_is_on_a_log_scale_over_its_decades():
    reference = np.zeros((1, 4))
    drawn = made(reference, np.array([[1e-3, 1e-2, 1e-1, 1.0]]))
    assert (drawn.smallest, drawn.largest) == (-3, 0)
    assert drawn.error == LEVELS[1] + LEVELS[6] + LEVELS[10] + LEVELS[15]


def test_two_shapes_and_no_elements_have_no_map():
    assert error_map(np.zeros((2, 3)), np.zeros((3, 2))) is None
    assert error_map(np.zeros((0, 3)), np.zeros((0, 3))) is None


@given(
    hnp.array_shapes(min_dims=0, max_dims=4, min_side=1, max_side=40).flatmap(
        lambda shape: st.tuples(
            hnp.arrays(np.float64, shape, elements=st.floats(width=64)),
            hnp.arrays(
                st.sampled_from([np.dtype(np.float32), np.dtype(np.int32), np.dtype(bool)]),
                shape,
                elements=None,
            ),
        )
    )
)
def test_any_two_arrays_give_a_map_that_a_record_keeps(pair: tuple[np.ndarray, np.ndarray]):
    drawn = made(*pair)
    cells = drawn.rows * drawn.columns
    assert 0 < cells <= MOST * MOST
    assert len(drawn.expected) == len(drawn.actual) == len(drawn.error) == cells
    marks = set(LEVELS) | {BELOW, ABOVE, UNWRITTEN, NOT_FINITE}
    assert set(drawn.expected + drawn.actual + drawn.error) <= marks
    assert fitted(ErrorMap, dataclasses.asdict(drawn)) == drawn


def test_another_version_of_a_map_is_not_taken_for_this_one():
    drawn = made(np.zeros((2, 2)), np.ones((2, 2)))
    with pytest.raises(ValueError):
        fitted(ErrorMap, {**dataclasses.asdict(drawn), "version": 2})


def test_bare_arrays_have_no_map_and_keep_their_verdict():
    verdict = judge_arrays(np.zeros(8, np.float32), np.arange(8.0))
    assert (str(verdict.status), verdict.error_map) == ("FAIL", None)
