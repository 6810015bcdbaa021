"""Labels on a picture: none lies on another, and none leaves it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from repro.display.label_places import overlap, place_labels

CANVAS = (200.0, 120.0)
_edges = st.tuples(*[st.integers(-20, 220).map(float)] * 4)
_boxes = _edges.map(lambda e: (min(e[0], e[2]), min(e[1], e[3]), max(e[0], e[2]), max(e[1], e[3])))
_labels = st.lists(st.tuples(_boxes, st.tuples(st.integers(5, 90), st.integers(8, 16))), max_size=20)


@given(_labels)
def test_no_label_lies_on_another_or_leaves_the_picture(labels):
    places = place_labels([box for box, _ in labels], [size for _, size in labels], CANVAS)
    assert len(places) == len(labels)
    placed = [place for place in places if place is not None]
    for number, place in enumerate(placed):
        assert (place[0] >= 0, place[1] >= 0, place[2] <= CANVAS[0], place[3] <= CANVAS[1]) == (True,) * 4
        assert not any(overlap(place, other) for other in placed[:number])


def test_a_lone_label_stands_on_top_of_its_box():
    assert place_labels([(50.0, 60.0, 90.0, 100.0)], [(30, 12)], CANVAS) == [(50.0, 48.0, 80.0, 60.0)]


def test_what_finds_no_room_is_left_out_and_the_first_has_its_place():
    same = [(10.0, 10.0, 20.0, 20.0)] * 40
    places = place_labels(same, [(100, 60)] * 40, (110.0, 70.0))
    assert places[0] is not None
    assert places.count(None) == 39
    assert place_labels([same[0]], [(300, 10)], CANVAS) == [None]
