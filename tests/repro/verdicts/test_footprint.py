"""What judging takes is told before, from shapes alone, and it takes no more."""

from __future__ import annotations

import dataclasses
import math
import tracemalloc

import numpy as np
import pytest

from cases.builder import GraphBuilder
from cases.inputs import standard_feeds
from repro.verdicts.emulation import emulated_floors
from repro.verdicts.footprint import judging_bytes
from repro.verdicts.judge import judge
from repro.verdicts.references import Given, float64_outputs
from repro.verdicts.subject import graph_subject
from repro.verdicts.verdict import Status
from runner import memory
from runner.memory import TooMuchMemory
from runner.run import Fingerprint, Outcome, Precision, Run

SHAPE = (1, 8400, 64)
"""Large enough that one feed is emulated, and not all of them."""
FIXED_BYTES = 4 << 20
"""Of modules that are loaded on the way, and of tables that do not grow with the model."""


@pytest.mark.parametrize("fault", [0.0, 1.0])
def test_feeds_references_floors_runs_and_verdicts_take_no_more_than_was_said(fault: float):
    g = GraphBuilder()
    x = g.input("x", SHAPE)
    graph = g.build([g.unary("TANH", g.add(x, g.const(np.ones(64, np.float32))), name="y")])
    wanted = judging_bytes(graph, 0)
    tracemalloc.start()
    try:
        feeds = standard_feeds([graph.tensors["x"]], 0)
        references = float64_outputs(graph, feeds)
        floors = emulated_floors(graph, feeds, references, Precision.FP16)
        subject = graph_subject("s", graph, feeds, Given(references))
        subject = dataclasses.replace(subject, given_floors={Precision.FP16: floors})
        wrong = np.where(np.arange(math.prod(SHAPE)).reshape(SHAPE) % 7, 0.0, fault)
        outputs = tuple(tuple((array + wrong).astype(np.float32) for array in of_feed) for of_feed in references)
        run = Run("s", Outcome.OK, Fingerprint("t", "", {}, "", "", "fp16", ""), outputs, ("y",))
        (verdict,) = judge(run, subject)
        taken = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert verdict.status is (Status.FAIL if fault else Status.PASS)
    assert wanted / 4 < taken < wanted + FIXED_BYTES


def test_a_subject_that_would_not_fit_is_refused_before_its_feeds_are_made():
    g = GraphBuilder()
    graph = g.build([g.unary("NEG", g.input("x", (1 << 20, 1 << 10)), name="y")])
    subject = graph_subject("huge", graph, (), Given(()))
    with memory.limited("2GiB"), pytest.raises(TooMuchMemory, match="huge: evaluating and judging it would take about"):
        _ = subject.feeds
