"""Matching detections, by token and by box."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro.layouts.chain import snr_db
from repro.layouts.detections import match_by_box, match_by_token


@dataclass(frozen=True)
class Found:
    box: tuple[float, float, float, float]
    label: int = 0
    score: float = 0.9


def boxes_of(seed: int, count: int) -> np.ndarray:
    draw = np.random.default_rng(seed)
    return np.concatenate([draw.uniform(0.3, 0.7, (1, count, 2)), draw.uniform(0.1, 0.3, (1, count, 2))], axis=-1)


@given(st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_rows_in_another_order_match_by_token(seed, count):
    boxes, tokens = boxes_of(seed, count), np.random.default_rng(seed).permutation(500)[:count]
    order = np.random.default_rng(seed + 1).permutation(count)
    match = match_by_token(boxes, tokens, boxes[:, order], tokens[order])
    assert match.overlap == 1
    np.testing.assert_allclose(match.iou, 1)


def test_tokens_that_only_one_side_selected_are_not_compared():
    boxes = boxes_of(1, 4)
    match = match_by_token(boxes, np.array([1, 2, 3, 4]), boxes[:, :2], np.array([1, 9]))
    assert match.overlap == 0.25
    np.testing.assert_allclose(match.iou, [1.0])
    assert match_by_token(boxes, np.array([1, 2, 3, 4]), boxes, np.array([5, 6, 7, 8])).overlap == 0


def test_best_overlap_first_one_to_one():
    a, near, far = Found((0, 0, 1, 1)), Found((0, 0, 1, 0.9)), Found((0, 0, 1, 0.6))
    match = match_by_box([a], [far, near])
    assert [(i, j) for i, j, _ in match.pairs] == [(0, 1)]
    assert match.pairs[0][2] == pytest.approx(0.9)
    assert match.extra == (0,)
    assert match.lost == ()


def test_the_class_breaks_a_tie_of_boxes():
    box = (0.1, 0.1, 0.5, 0.5)
    match = match_by_box([Found(box, 1), Found(box, 2)], [Found(box, 2), Found(box, 1)])
    assert [(i, j) for i, j, _ in match.pairs] == [(0, 1), (1, 0)]


def test_below_half_overlap_is_lost_and_extra():
    match = match_by_box([Found((0, 0, 1, 1))], [Found((0.8, 0.8, 1.8, 1.8))])
    assert (match.pairs, match.lost, match.extra) == ((), (0,), (0,))
    assert match_by_box([], [Found((0, 0, 1, 1))]).extra == (0,)


def test_snr_counts_the_variance_and_fails_for_nan():
    """A constant that dominates must not pay for a wrong signal."""
    signal = np.sin(np.arange(1000.0))
    assert snr_db(signal + 1e6, signal + 1e6) == 300
    assert snr_db(signal + 1e6, np.full(1000, 1e6)) == pytest.approx(0, abs=0.1)
    assert np.isnan(snr_db(signal, np.full(1000, np.nan)))
    assert np.isnan(snr_db(np.ones(4), np.ones(4)))
