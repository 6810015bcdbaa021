"""TOPK_V2 over channels that are no multiple of 4: those that fill no group of four are left out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cases.builder import GraphBuilder
from cases.findings.model import clean, control, face, finding_models, helps, minimal, still_wrong
from cases.findings.pieces import weights
from cases.graph import Graph
from runner.run import Outcome


def largest(shape: tuple[int, ...] = (1, 6), count: int = 2, last: float = 9.0, padded: int = 0) -> Graph:
    """The largest of a row whose last element is raised. padded: channels of a very small number behind it."""
    g = GraphBuilder()
    raised = np.zeros(shape[-1], np.float32)
    raised[-1] = last
    x = g.add(g.input("x", shape), g.const(raised.reshape((1,) * (len(shape) - 1) + (-1,))))
    if padded:
        x = g.concat([x, g.const(np.full((*shape[:-1], padded), -1e4))], len(shape) - 1)
    return g.build(g.op("TOPK_V2", (x, g.const(count, dtype="int32")), outputs=("values", "places")))


def classifier() -> Graph:
    """The two best of ten classes."""
    g = GraphBuilder()
    bias = np.zeros(10, np.float32)
    bias[9] = 9.0
    logits = g.fully_connected(g.input("x", (1, 16)), weights(10, 16), bias)
    return g.build(g.op("TOPK_V2", (logits, g.const(2, dtype="int32")), outputs=("values", "places")))


MODELS = finding_models(
    minimal("the 2 largest of 6, of which the last is the largest", largest).in_outputs(0, 1),
    control("of 8", largest, shape=(1, 8)),
    still_wrong("rows", "not one row alone: [1,4,6]", largest, shape=(1, 4, 6)).in_outputs(0, 1),
    replace(
        still_wrong("three", "of 3: running it ends the process", largest, shape=(1, 3)),
        wrong=(),
        outcome=Outcome.CRASH.value,
        targets=("gpu:lavapipe*", "gpu:swiftshader*", "gpu:nvidia-*", "gpu:web*"),
        elsewhere=(0, 1),
    ),
    clean("four", "of 4", largest, shape=(1, 4)),
    helps("padded", "two channels of -10,000 behind the six", largest, padded=2),
    face("classifier", "the two best of ten classes", classifier).in_outputs(0, 1),
)
