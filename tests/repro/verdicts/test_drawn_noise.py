"""The noise of an output is drawn several times, once for a file and its feeds, and never less than nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cases.builder import GraphBuilder
from cases.graph import Graph
from cases.tflite.write import write_tflite
from repro.verdicts import drawn_noise
from repro.verdicts.drawn_noise import drawn_errors
from runner.run import Precision


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPRO_CACHE", str(tmp_path))


def graph(bias: float = 0.0) -> Graph:
    g = GraphBuilder()
    y = g.fully_connected(g.input("x", (1, 64)), np.random.default_rng(0).normal(0, 1, (1, 64)))
    return g.build([g.add(y, g.const(np.full((1, 1), bias)), name="y")])


def feeds(*seeds: int) -> tuple[tuple[np.ndarray, ...], ...]:
    made = {seed: (np.random.default_rng(seed).normal(0, 3, (1, 64)).astype(np.float32),) for seed in seeds}
    return tuple(made[seed] for seed in seeds)


def test_an_error_is_drawn_for_each_feed_and_a_feed_that_comes_again_has_the_same():
    first, second, again = drawn_errors(graph(), b"", feeds(1, 2, 1), "y", Precision.FP16)
    assert first == again != second
    assert all(2**-14 < error < 1 for error in (first, second))


def test_float32_is_quieter_than_float16():
    (half,), (single,) = (
        drawn_errors(graph(), b"", feeds(1), "y", precision) for precision in (Precision.FP16, Precision.FP32)
    )
    assert 0 < single < half / 100


def test_what_leaves_float32_on_the_way_counts_for_nothing():
    (error,) = drawn_errors(graph(), b"", ((np.full((1, 64), 3e38, np.float32),),), "y", Precision.FP32)
    assert error == 0


def test_it_is_drawn_once_for_a_file_its_feeds_and_a_precision(monkeypatch: pytest.MonkeyPatch):
    made: list[int] = []
    make = drawn_noise._made
    monkeypatch.setattr(drawn_noise, "_made", lambda *given: made.append(1) or make(*given))
    asked = [
        (graph(), feeds(1), Precision.FP16),
        (graph(), feeds(2), Precision.FP16),
        (graph(), feeds(1), Precision.FP32),
        (graph(1.0), feeds(1), Precision.FP16),
    ]
    first, second = (
        [drawn_errors(one, write_tflite(one), fed, "y", precision) for one, fed, precision in asked] for _ in range(2)
    )
    assert first == second
    assert len(made) == len(asked)
