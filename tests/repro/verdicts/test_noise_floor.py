"""A floor is written and read back exactly, and follows each feed where sizes differ."""

from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro.verdicts.noise_floor import Deviations, Floor, floor_from_json

sizes = st.floats(0, 1e30)
floors = st.builds(
    Floor,
    rmse=sizes,
    source=st.sampled_from(["emulation", "rule"]),
    depth=st.integers(0, 1 << 20),
    curve=st.one_of(st.just(()), st.tuples(sizes, sizes, sizes)),
    channels=st.lists(sizes, max_size=3).map(tuple),
    emulated=st.builds(Deviations, tensor=sizes, element=sizes, row_gain=sizes),
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
    with pytest.raises(ValueError, match="floor: "):
        floor_from_json(record)


def test_each_feed_has_its_own_size_where_sizes_differ():
    floor = Floor(1.0, "emulation", 1, by_feed=(0.5, 2.0))
    assert [floor.of_feed(k).rmse for k in range(3)] == [0.5, 2.0, 1.0]
    assert Floor(1.0, "emulation", 1).of_feed(0).rmse == 1.0


@given(st.tuples(sizes, st.floats(0, 1), st.floats(0, 1)), st.floats(0, 100), st.integers(-20, 20))
def test_a_floor_grows_with_its_reference(curve: tuple[float, float, float], power: float, exponent: int):
    """s(size p) of the floor made `size` times as large is size s(p)."""
    size = 2.0**exponent
    (a, b, c), (a2, b2, c2) = curve, Floor(1.0, "emulation", 1, curve=curve).scaled(size).curve
    assert a2 + b2 * size * power + c2 * (size * power) ** 2 == pytest.approx(size * (a + b * power + c * power**2))
