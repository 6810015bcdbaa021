"""Workarounds on drawn graphs: what they may change, and what they must not."""

from __future__ import annotations

from repro.fixes.workarounds import avoid_hazards
from repro.hazards.lint import find_hazards
from repro.hazards.rules import RULES
from repro.selftest.draws.draw import draw


def test_workarounds_leave_no_hazard_and_keep_names_and_order():
    mended = 0
    for index in range(400):
        graph = draw(2, index).graph
        if not find_hazards(graph):
            continue
        fixed = avoid_hazards(graph)
        assert all(not RULES[hazard.rule].workaround for hazard in fixed.left), index
        if fixed.left:
            continue
        assert fixed.graph.inputs == graph.inputs
        assert fixed.graph.outputs == graph.outputs
        for name in (*graph.inputs, *graph.outputs):
            assert fixed.graph.tensors[name].shape == graph.tensors[name].shape
        assert fixed.removed
        assert fixed.added
        mended += 1
    assert mended > 60
