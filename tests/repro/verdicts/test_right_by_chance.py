"""An output that repeats one input is no proof that anything was written."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from repro.verdicts.right_by_chance import holds_one_input
from tests.repro.verdicts.judging import normal


@given(st.integers(0, 1000), st.data())
def test_any_part_of_one_input_in_any_order_is_noticed(seed: int, data: st.DataObject):
    feeds = [(normal(4, 3, seed=seed + k), normal(6, seed=seed + 9 + k)) for k in range(2)]
    operand = data.draw(st.integers(0, 1))
    places = data.draw(st.lists(st.integers(0, 5), min_size=1, max_size=8))
    assert holds_one_input([feed[operand].ravel()[places] for feed in feeds], feeds)


def test_one_number_that_is_computed_makes_it_proof():
    (x,) = feed = (normal(4),)
    assert not holds_one_input([np.append(x, 2 * x[0])], [feed])


def test_numbers_of_two_inputs_in_one_output_were_put_there_by_somebody():
    feed = (normal(4), normal(4, seed=1))
    assert not holds_one_input([np.concatenate(feed)], [feed])


def test_every_feed_must_hold_the_same_input():
    feeds = [(normal(4, seed=k), normal(4, seed=k + 5)) for k in range(2)]
    assert not holds_one_input([feeds[0][0], feeds[1][1]], feeds)


def test_a_graph_without_inputs_is_never_right_by_chance():
    assert not holds_one_input([normal(4)], [()])
