"""A floor is written and read back exactly, and follows each feed where sizes differ."""

from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro.verdicts.noise_floor import Floor, floor_from_json

sizes = st.floats(0, 1e30)
floors = st.builds(
    Floor,
    rmse=sizes,
    source=st.sampled_from(["emulation", "rule"]),
    depth=st.integers(0, 1 << 20),
    gain=sizes,
    offset=sizes,
    levels=st.lists(st.tuples(sizes, sizes), max_size=3).map(tuple),
    by_feed=st.lists(sizes, max_size=3).map(tuple),
    why=st.sampled_from(["", "no emulation of X"]),
)


@given(floors)
def test_a_floor_comes_back_from_json_as_it_was(floor: Floor):
    assert floor_from_json(json.loads(json.dumps(dataclasses.asdict(floor)))) == floor


def test_a_record_of_an_older_program_lacks_what_came_later():
    assert floor_from_json({"rmse": 1.0, "source": "rule", "depth": 3}) == Floor(1.0, "rule", 3)


@pytest.mark.parametrize("record", [{}, {"rmse": 1.0, "source": "rule", "depth": 3, "colour": "red"}])
def test_another_record_is_refused(record: dict[str, object]):
    with pytest.raises(TypeError):
        floor_from_json(record)


def test_each_feed_has_its_own_size_where_sizes_differ():
    floor = Floor(1.0, "emulation", 1, by_feed=(0.5, 2.0))
    assert [floor.of_feed(k).rmse for k in range(3)] == [0.5, 2.0, 1.0]
    assert Floor(1.0, "emulation", 1).of_feed(0).rmse == 1.0
