"""Twins compute the same, and two runs of twins differ by no more than both may be wrong."""

from __future__ import annotations

import random
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings

from cases.builder import GraphBuilder
from cases.graph import Graph
from repro.fuzzer.generate import grow
from repro.fuzzer.twins import ARRANGEMENTS, disagreement, twin_of
from repro.verdicts.noise_floor import Floor
from runner.run import Fingerprint, Outcome, Run
from tests.repro.fuzzer.drawing import computed, generators

PRINT = Fingerprint("simulated", "0", {}, "", "", "fp32", "")


@settings(max_examples=40, deadline=None)
@given(generators)
def test_twins_compute_the_same(rng: random.Random):
    graph = grow(rng)
    twin = twin_of(rng, graph)
    if twin is None:
        return
    ours, theirs = computed(graph, seed=1), computed(twin.graph, seed=1)
    common = set(graph.outputs) & set(twin.graph.outputs)
    assert common
    for name in common:
        np.testing.assert_array_equal(ours[name], theirs[name])


def test_every_arrangement_occurs():
    seen = set()
    for seed in range(200):
        twin = twin_of(random.Random(seed), grow(random.Random(seed)))
        seen |= {twin.how} if twin is not None else set()
    assert seen == {how for how, _ in ARRANGEMENTS}


def two_outputs(*order: str) -> Graph:
    g = GraphBuilder()
    x = g.input("x", (4,))
    g.unary("NEG", x, "n")
    g.unary("ABS", x, "a")
    return g.build(order)


def ran(graph: Graph, values: Mapping[str, float]) -> Run:
    outputs = tuple(np.full(4, values[name], np.float32) for name in graph.outputs)
    return Run("r", Outcome.OK, PRINT, outputs=(outputs,))


@pytest.mark.parametrize(
    ("theirs", "differing"),
    [
        ({"n": 1.0, "a": 2.0}, None),
        ({"n": 1.0 + 11e-3, "a": 2.0}, None),  # within twelve floors
        ({"n": 1.0, "a": 2.0 + 13e-3}, "a"),
        ({"n": float("nan"), "a": 2.0}, "n"),
    ],
)
def test_runs_of_twins_are_compared_by_name_with_both_floors(theirs: dict, differing: str | None):
    graph, twin = two_outputs("n", "a"), two_outputs("a", "n")
    floors = [Floor(1e-3, "emulation", 1)] * 2
    ours = {"n": 1.0, "a": 2.0}
    assert disagreement(graph, ran(graph, ours), floors, twin, ran(twin, theirs)) == differing


def test_an_output_that_only_one_twin_has_and_a_run_without_outputs_are_no_disagreement():
    graph, twin = two_outputs("n", "a"), two_outputs("a")
    floors = [Floor(1e-3, "emulation", 1)] * 2
    ours = ran(graph, {"n": 1.0, "a": 2.0})
    assert disagreement(graph, ours, floors, twin, ran(twin, {"a": 2.0})) is None
    assert disagreement(graph, ours, floors, twin, Run("r", Outcome.CRASH, PRINT)) is None
