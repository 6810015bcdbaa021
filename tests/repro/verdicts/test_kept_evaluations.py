"""What is right is evaluated once for a file, a feed and an evaluator; and again where any of them is another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cases.builder import GraphBuilder
from cases.evaluation.resized import with_input_shapes
from cases.graph import Graph
from cases.tflite.write import write_tflite
from repro.verdicts import kept_evaluations
from repro.verdicts.emulation import emulated_floors, floors_for
from repro.verdicts.kept_evaluations import evaluated_outputs
from repro.verdicts.references import float64_outputs
from runner.cache import cache_root
from runner.run import Precision


@pytest.fixture(autouse=True)
def counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How often something was evaluated: one number for each time."""
    monkeypatch.setenv("REPRO_CACHE", str(tmp_path))
    monkeypatch.setattr(kept_evaluations, "_LONG", 1)
    made: list[int] = []
    make = kept_evaluations._made
    monkeypatch.setattr(kept_evaluations, "_made", lambda *given: made.append(1) or make(*given))
    return made


def graph(weight: float = 2.0) -> Graph:
    g = GraphBuilder()
    x = g.input("x", (1, 4))
    y = g.fully_connected(x, np.full((3, 4), weight))
    return g.build([y, g.unary("NEG", y, name="minus")])


def asked(graph: Graph, value: float = 1.0, *, strict_shapes: bool = False) -> tuple[np.ndarray, ...]:
    feed = (np.full(graph.tensors["x"].shape, value, np.float32),)
    return evaluated_outputs(graph, write_tflite(graph), feed, strict_shapes=strict_shapes)


def test_the_same_question_is_evaluated_once(counted: list[int]):
    for _ in range(2):
        y, minus = asked(graph())
        assert y.dtype == minus.dtype == np.float64
        assert np.array_equal(y, np.full((1, 3), 8.0))
        assert np.array_equal(minus, -y)
    assert len(counted) == 1


def test_another_question_has_its_own_answer(counted: list[int]):
    asked(graph())
    assert asked(graph(3.0))[0][0, 0] == 12
    assert asked(graph(), 2.0)[0][0, 0] == 16
    assert asked(with_input_shapes(graph(), {"x": (2, 4)}))[0].shape == (2, 3)
    asked(graph(), strict_shapes=True)
    assert len(counted) == 5


def test_floors_of_other_feeds_share_the_emulations_of_those_that_both_have(counted: list[int]):
    one = graph()
    feeds = [(np.full((1, 4), value, np.float32),) for value in (1.0, 2.0, 3.0)]
    references = float64_outputs(one, feeds)
    counted.clear()
    for k in range(3):
        floors_for(one, feeds[k : k + 1], references[k : k + 1], Precision.FP16, model=write_tflite(one))
    assert len(counted) == 6
    together = floors_for(one, feeds, references, Precision.FP16, model=write_tflite(one))
    assert len(counted) == 6
    assert together == emulated_floors(one, feeds, references, Precision.FP16)


def test_what_is_short_large_or_no_file_is_not_kept(counted: list[int], monkeypatch: pytest.MonkeyPatch):
    one = graph()
    evaluated_outputs(one, b"", (np.ones((1, 4), np.float32),))
    for name, value in (("_LONG", 1 << 24), ("_LARGEST", 8)):
        with monkeypatch.context() as patch:
            patch.setattr(kept_evaluations, name, value)
            asked(one)
    assert len(counted) == 3
    assert not (cache_root() / "evaluations").exists()
