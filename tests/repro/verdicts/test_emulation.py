"""Noise floors: the precision's size, and the rule where emulation is impossible."""

from __future__ import annotations

import numpy as np

from cases.builder import GraphBuilder
from cases.evaluation.evaluate import FLOAT64, evaluate
from cases.graph import Graph, Op, Tensor
from repro.verdicts.emulation import emulated_floors, floors_for
from runner.run import Precision
from tests.repro.verdicts.judging import scene


def test_fp16_is_noisier_than_fp32_by_about_their_ulps_and_the_cache_agrees(tmp_path, monkeypatch):
    monkeypatch.setenv("REPRO_CACHE", str(tmp_path))
    made = scene()
    narrow = emulated_floors(made.graph, made.feeds, made.references, Precision.FP16)
    for wide, half in zip(made.floors, narrow, strict=True):
        assert wide.source == half.source == "emulation"
        assert 2.0**11 < half.rmse / wide.rmse < 2.0**15
    assert floors_for(made.graph, made.feeds, made.references, Precision.FP16) == narrow
    assert floors_for(made.graph, made.feeds, made.references, Precision.FP16) == narrow
    assert len(list((tmp_path / "floors").iterdir())) == 1


def test_a_kept_floor_belongs_to_its_reference(tmp_path, monkeypatch):
    """Judged once against the outputs of other weights, a graph is not left with a floor as large as its signal."""
    monkeypatch.setenv("REPRO_CACHE", str(tmp_path))
    made = scene()
    other = tuple(tuple(-array for array in outputs) for outputs in made.references)
    (misled, *_) = floors_for(made.graph, made.feeds, other, Precision.FP32)
    (honest, *_) = floors_for(made.graph, made.feeds, made.references, Precision.FP32)
    assert misled.rmse > 1e5 * honest.rmse


def test_an_unknown_op_falls_to_the_rule_and_says_why():
    tensors = {"x": Tensor("x", (4,)), "y": Tensor("y", (4,))}
    graph = Graph(tensors, (Op("SOME_OP", ("x",), ("y",)),), ("x",), ("y",))
    feed = (np.zeros(4, np.float32),)
    (floor,) = emulated_floors(graph, (feed,), ((np.zeros(4),),), Precision.FP32)
    assert floor.source == "rule"
    assert "SOME_OP" in floor.why


def test_an_emulation_that_overflows_falls_to_the_rule():
    g = GraphBuilder()
    x = g.input("x", (1, 64))
    huge = g.scaled(x, 1e6)
    graph = g.build(outputs=[g.scaled(huge, 1e-6, name="y")])
    feed = (np.random.default_rng(0).standard_normal((1, 64)).astype(np.float32),)
    reference = (evaluate(graph, feed, FLOAT64)["y"],)
    floors = {p: emulated_floors(graph, (feed,), (reference,), p)[0] for p in Precision}
    assert floors[Precision.FP32].source == "emulation"
    assert (floors[Precision.FP16].source, "not finite" in floors[Precision.FP16].why) == ("rule", True)
