"""Noise floors: the precision's size, and the rule where emulation is impossible."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from cases.builder import GraphBuilder
from cases.drawn_ops.one_op import OneOp
from cases.evaluation.arithmetic import Arithmetic
from cases.evaluation.evaluate import FLOAT32, FLOAT64, evaluate, evaluate_runs
from cases.graph import Graph, Op, Tensor
from cases.tflite.extras import on_grid
from repro.verdicts import emulation
from repro.verdicts.emulation import emulated_floors, floors_for
from runner.run import Precision
from tests.repro.verdicts.judging import Scene, scene


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


def emulated(monkeypatch: pytest.MonkeyPatch, made: Scene, feeds: tuple, precision: Precision) -> dict[str, list[int]]:
    """Which feeds each arithmetic sees, by their places."""
    seen: dict[str, list[int]] = {}

    def noted(graph: Graph, some: Sequence[tuple], arithmetic: Arithmetic) -> list[dict[str, np.ndarray]]:
        seen[arithmetic.name] = [next(k for k, other in enumerate(feeds) if other is feed) for feed in some]
        return evaluate_runs(graph, some, arithmetic)

    monkeypatch.setattr(emulation, "evaluate_runs", noted)
    emulated_floors(made.graph, feeds, made.references, precision)
    return seen


@pytest.mark.parametrize("precision", list(Precision))
def test_every_distinct_feed_is_emulated_and_the_one_that_comes_again_is_not(monkeypatch, precision: Precision):
    made = scene()
    assert list(emulated(monkeypatch, made, made.feeds, precision).values()) == [[0, 1, 2], [0, 1, 2]]


@pytest.mark.parametrize("precision", list(Precision))
def test_where_sums_are_many_rounding_every_term_is_for_the_first_feeds_alone(monkeypatch, precision: Precision):
    made = scene()
    monkeypatch.setattr(emulation, "_ROUNDED_TERMS", 1)
    assert list(emulated(monkeypatch, made, made.feeds, precision).values()) == [[0], [0, 1, 2]]


@pytest.mark.parametrize(("times", "is_witness"), [(8, True), (1000, False)])
def test_a_cpu_that_rounding_explains_widens_the_floor_and_one_that_quantises_does_not(times: int, is_witness: bool):
    made = scene()
    rounded = [evaluate(made.graph, feed, FLOAT32) for feed in made.feeds]
    cpu = tuple(
        tuple(right + times * (values[name] - right) for name, right in zip(made.graph.outputs, of_feed, strict=True))
        for values, of_feed in zip(rounded, made.references, strict=True)
    )
    beside = emulated_floors(made.graph, made.feeds, made.references, Precision.FP32, cpu)
    for alone, with_cpu in zip(made.floors, beside, strict=True):
        assert (with_cpu.rmse > 4 * alone.rmse) is is_witness
        assert is_witness or with_cpu == alone


def test_what_float32_cannot_compute_from_what_is_fed_is_no_targets_fault():
    g = GraphBuilder()
    x = g.input("x", (1, 64))
    huge = g.scaled(g.scaled(x, 1e30), 1e30)
    graph = g.build(outputs=[g.scaled(huge, 1e-30, name="y"), g.scaled(x, 2.0, name="z")])
    feed = (np.random.default_rng(0).standard_normal((1, 64)).astype(np.float32),)
    values = evaluate(graph, feed, FLOAT64)
    for precision in Precision:
        floors = emulated_floors(graph, (feed,), ((values["y"], values["z"]),), precision)
        assert [floor.leaves_float32 for floor in floors] == [True, False]


def test_integers_that_stand_for_real_numbers_have_a_floor_in_steps():
    op = quantised_relu()
    graph = op.graph([(4, 8)])
    reference = evaluate(graph, op.feed, FLOAT64)["out0"]
    (floor,) = emulated_floors(graph, (op.feed,), ((reference,),), Precision.FP32)
    assert floor.source == "steps"
    assert 0 < floor.rmse < 1


def quantised_relu() -> OneOp:
    """A RELU from a grid of 0.1 to one of 0.03: two thirds of its results lie between two steps."""
    x = np.random.default_rng(0).integers(-128, 127, (4, 8)).astype(np.int8)
    return OneOp("RELU", (x,), ("int8",), tensor_raws={"in0": on_grid(0.1), "out0": on_grid(0.06, -128)})
