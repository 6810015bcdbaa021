"""The size of a box follows from its text."""

from __future__ import annotations

from repro.drawings.picture import Node, NodeKind
from repro.drawings.placed import CHARACTER, LINE, box_size


def test_a_note_is_a_line_more_and_may_be_the_widest():
    plain, noted = Node("n0", NodeKind.OP, ("ADD",)), Node("n0", NodeKind.OP, ("ADD",), wrong=True)
    assert box_size(noted)[1] - box_size(plain)[1] == LINE
    assert box_size(noted)[0] - box_size(plain)[0] == CHARACTER * (len("writes the wrong output") - len("ADD"))
