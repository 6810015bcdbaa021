"""A small graph with its feeds, references and healthy runs, for the tests of the judge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cases.builder import GraphBuilder
from cases.evaluation.evaluate import FLOAT64, evaluate
from cases.graph import Graph
from cases.inputs import GivenFeeds, StandardFeeds
from cases.tflite.write import write_tflite
from repro.verdicts.emulation import emulated_floors
from repro.verdicts.judge import judge
from repro.verdicts.noise_floor import Floor
from repro.verdicts.references import Given
from repro.verdicts.subject import Subject
from repro.verdicts.verdict import Verdict
from runner.run import Fingerprint, Outcome, Precision, Run

EMULATED = Floor(1e-4, "emulation", 1)


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


@dataclass(frozen=True)
class Scene:
    graph: Graph
    feeds: tuple
    references: tuple
    floors: tuple[Floor, ...]
    precision: Precision

    @property
    def subject(self) -> Subject:
        return Subject(
            "test",
            write_tflite(self.graph),
            GivenFeeds(self.feeds),
            Given(self.references),
            given_graph=self.graph,
            given_floors={self.precision: self.floors},
        )

    def run(self, change: Callable[[list[list[np.ndarray]]], None] = lambda outputs: None) -> Run:
        outputs = [[np.asarray(r, dtype=np.float32) for r in feed] for feed in self.references]
        if self.precision is Precision.FP16:
            with np.errstate(over="ignore"):
                outputs = [[o.astype(np.float16).astype(np.float32) for o in feed] for feed in outputs]
        change(outputs)
        fingerprint = Fingerprint("gpu:test", "0", {}, "", "", str(self.precision), "")
        return Run("test", Outcome.OK, fingerprint, tuple(map(tuple, outputs)), self.graph.outputs)

    def judge(self, change: Callable[[list[list[np.ndarray]]], None] = lambda outputs: None) -> tuple[Verdict, ...]:
        return judge(self.run(change), self.subject)


def scene(precision: Precision = Precision.FP32) -> Scene:
    """y = x + z over [1,32,16], w = y through a 16x16 FULLY_CONNECTED."""
    g = GraphBuilder()
    x, z = g.input("x", (1, 32, 16)), g.input("z", (1, 32, 16))
    y = g.add(x, z, name="y")
    g.output(y, g.fully_connected(y, np.random.default_rng(0).standard_normal((16, 16)) / 4, name="w"))
    graph = g.build()
    feeds = StandardFeeds(0, again=True).make([graph.tensors[n] for n in graph.inputs])
    references = tuple(tuple(evaluate(graph, feed, FLOAT64)[n] for n in graph.outputs) for feed in feeds)
    return Scene(graph, feeds, references, emulated_floors(graph, feeds, references, precision), precision)
