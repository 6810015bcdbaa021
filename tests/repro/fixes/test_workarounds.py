"""Workarounds without a delegate: drawn graphs lose their hazards and keep every value and all of their ends."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from cases.edit import GraphEdit
from cases.evaluation.evaluate import evaluate
from cases.graph import Graph
from cases.input_plan.planned import PlannedFeeds
from cases.input_plan.roles import planned_inputs
from cases.inputs import StandardFeeds
from repro.fixes.rewrites import REWRITES
from repro.fixes.rewrites_in_parts import PART_REWRITES
from repro.fixes.rewrites_of_constants import CONSTANT_REWRITES
from repro.fixes.rewrites_of_integers import INTEGER_REWRITES
from repro.fixes.rewrites_of_types import TYPE_REWRITES
from repro.fixes.workarounds import WORKAROUNDS, Mended, avoid_hazards
from repro.hazards.lint import find_hazards
from repro.hazards.rules import RULES
from repro.selftest.draws.draw import draw

DRAWS = 400


def ends(graph: Graph) -> list[tuple[str, tuple[int, ...]]]:
    return [(name, tuple(graph.tensors[name].shape)) for name in (*graph.inputs, *graph.outputs)]


@functools.cache
def edited() -> tuple[Mended, ...]:
    """The fixes of those draws that a workaround changed."""
    fixes = (avoid_hazards(draw(7, index).graph) for index in range(DRAWS))
    return tuple(fixed for fixed in fixes if fixed.done)


def test_a_fixed_graph_computes_every_output_bit_for_bit_or_int16_within_a_step():
    assert len(edited()) > DRAWS / 5
    for seed, fixed in enumerate(edited()):
        graph = fixed.before
        plan = PlannedFeeds(StandardFeeds(seed), planned_inputs(graph))
        feed = plan.make([graph.tensors[name] for name in graph.inputs])[0]
        before, after = evaluate(graph, feed), evaluate(fixed.graph, feed)
        for name in graph.outputs:
            if graph.tensors[name].dtype == "int16":  # a step between two floats is rounded otherwise
                np.testing.assert_allclose(after[name], before[name], rtol=0, atol=1)
            else:
                np.testing.assert_array_equal(after[name], before[name])


def test_inputs_and_outputs_keep_names_order_and_shapes():
    for fixed in edited():
        assert ends(fixed.graph) == ends(fixed.before)
        fixed.graph.validate()


def test_what_was_done_is_a_hazard_less_and_what_is_left_is_said():
    for fixed in edited():
        assert not {(h.rule, h.tensor) for h, _ in fixed.done} & {(h.rule, h.tensor) for h in fixed.left}


def test_the_diff_is_the_ops_that_are_in_one_graph_only():
    for fixed in edited():
        assert set(map(id, fixed.removed)) == set(map(id, fixed.before.ops)) - set(map(id, fixed.graph.ops))
        assert set(map(id, fixed.added)) == set(map(id, fixed.graph.ops)) - set(map(id, fixed.before.ops))


@pytest.mark.parametrize("rule", ["add-reduce", "constant-axis", "split-merged", "padding-lanes", "fc-rank-1"])
def test_the_draws_meet_fusions_linking_and_parsing(rule: str):
    assert rule in {hazard.rule for fixed in edited() for hazard, _ in fixed.done}


def test_a_graph_without_hazards_is_left_as_it_is():
    graph = next(g for g in (draw(7, index).graph for index in range(DRAWS)) if not avoid_hazards(g).done)
    fixed = avoid_hazards(graph)
    assert fixed.graph is graph
    assert fixed.removed == fixed.added == ()


def test_workarounds_leave_no_hazard_and_keep_names_and_order():
    mended = 0
    for index in range(400):
        graph = draw(2, index).graph
        if not find_hazards(graph):
            continue
        fixed = avoid_hazards(graph)
        for hazard in (one for one in fixed.left if RULES[one.rule].workaround):
            # It may have no form for a type, and then does nothing.
            assert WORKAROUNDS[RULES[hazard.rule].workaround](GraphEdit(fixed.graph), hazard) == "", index
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


def test_no_two_workarounds_bear_one_name():
    """The later one would take the place of the earlier, for whatever rule names it."""
    parts = (REWRITES, TYPE_REWRITES, CONSTANT_REWRITES, INTEGER_REWRITES, PART_REWRITES)
    names = [name for part in parts for name in part]
    assert len(names) == len(set(names))
    assert len(WORKAROUNDS) - len(names) == sum(name.startswith(("emit", "block-")) for name in WORKAROUNDS)
