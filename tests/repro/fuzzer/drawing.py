"""Randomness for tests of what is drawn, and what every drawn graph has to be."""

from __future__ import annotations

import random

import numpy as np
from hypothesis import strategies as st

from cases.evaluation.evaluate import FLOAT64, evaluate, unsupported
from cases.graph import Graph
from cases.inputs import standard_feeds

generators = st.integers(0, 2**32 - 1).map(random.Random)


def check_valid(graph: Graph) -> None:
    """Well formed, known to the evaluator, and every declared shape is what is computed."""
    graph.validate()
    assert not unsupported(graph)
    assert graph.outputs
    made = tuple(n for op in graph.ops for n in op.outputs)
    values = computed(graph, keep=made)
    for name in made:
        assert tuple(values[name].shape) == tuple(graph.tensors[name].shape)


def computed(graph: Graph, seed: int = 0, keep: tuple[str, ...] = ()) -> dict[str, np.ndarray]:
    """What the graph computes of a Gaussian feed, in float64."""
    feed = standard_feeds([graph.tensors[n] for n in graph.inputs], seed)[0]
    with np.errstate(all="ignore"):
        return evaluate(graph, feed, FLOAT64, keep=keep)
