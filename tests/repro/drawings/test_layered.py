"""The plain layout: every arrow points down, no two boxes of a layer overlap, all lies inside the picture."""

from __future__ import annotations

from hypothesis import given

from repro.drawings.layered import layered
from repro.drawings.picture import Picture
from repro.drawings.placed import box_size
from tests.repro.drawings.graphs import pictures

SLACK = 1e-6


@given(pictures())
def test_arrows_point_down_and_boxes_stand_apart_inside_the_picture(picture: Picture):
    placed = layered(picture)
    boxes = {n.id: (*placed.centres[n.id], *box_size(n)) for n in picture.nodes}
    for x, y, width, height in boxes.values():
        assert x - width / 2 >= -SLACK
        assert x + width / 2 <= placed.width + SLACK
        assert y - height / 2 >= -SLACK
        assert y + height / 2 <= placed.height + SLACK
    for edge, route in zip(picture.edges, placed.routes, strict=True):
        assert boxes[edge.source][1] < boxes[edge.target][1]
        assert [y for _, y in route] == sorted(y for _, y in route)
        assert (route[0][0], route[-1][0]) == (boxes[edge.source][0], boxes[edge.target][0])
    placed_boxes = list(boxes.values())
    for n, (x, y, width, height) in enumerate(placed_boxes):
        for ox, oy, owidth, oheight in placed_boxes[:n]:
            apart = abs(x - ox) >= (width + owidth) / 2 - SLACK or abs(y - oy) >= (height + oheight) / 2 - SLACK
            assert apart, "two boxes overlap"


def test_no_box_at_all_is_a_picture_too():
    assert layered(Picture((), ())).routes == ()
