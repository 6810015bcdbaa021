"""Draws: a function of seed and index, of every family, and valid."""

from __future__ import annotations

import numpy as np
import pytest

from cases.evaluation.evaluate import evaluate, unsupported
from cases.graph import GraphError
from cases.inputs import standard_feeds
from cases.tflite.write import write_tflite
from repro.selftest.draws.draw import FAMILIES, SURFACE, draw
from repro.selftest.draws.steps import Pen


def test_draws_are_a_function_of_seed_and_index():
    assert write_tflite(draw(5, 17).graph) == write_tflite(draw(5, 17).graph)
    assert write_tflite(draw(5, 17).graph) != write_tflite(draw(6, 17).graph)


def test_every_family_is_drawn_as_often_as_its_weight_says():
    drawn = [family for index in range(1334) if (family := draw(0, index).family) != SURFACE]
    assert sum(weight for weight, _, _ in FAMILIES) == pytest.approx(1.0)
    for weight, name, _ in FAMILIES:
        assert drawn.count(name) / len(drawn) == pytest.approx(weight, abs=0.04)
        assert name in drawn


@pytest.mark.parametrize("family", [name for _, name, _ in FAMILIES])
def test_draws_of_a_family_are_valid_and_compute_their_declared_shapes(family: str):
    (make,) = [maker for _, name, maker in FAMILIES if name == family]
    valid = 0
    for seed in range(40):
        try:
            graph = make(Pen(np.random.default_rng(seed)))
        except GraphError:
            continue  # shapes that do not fit are drawn again by `draw`
        valid += 1
        graph.validate()
        assert not unsupported(graph)
        feed = standard_feeds([graph.tensors[name] for name in graph.inputs], seed)[0]
        with np.errstate(all="ignore"):
            values = evaluate(graph, feed)
        assert {name: value.shape for name, value in values.items()} == {
            name: tuple(graph.tensors[name].shape) for name in graph.outputs
        }
    assert valid >= 20
