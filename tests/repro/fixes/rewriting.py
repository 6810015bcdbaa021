"""One hazard rewritten, and held against what it was."""

from __future__ import annotations

import numpy as np

from cases.edit import GraphEdit
from cases.evaluation.evaluate import evaluate
from cases.graph import Graph
from cases.inputs import standard_feeds
from repro.fixes.workarounds import WORKAROUNDS
from repro.hazards.hazard import Hazard
from repro.hazards.lint import find_hazards
from repro.hazards.rules import RULES


def hazard_of(graph: Graph, *rules: str) -> Hazard | None:
    return next((hazard for hazard in find_hazards(graph) if hazard.rule in rules), None)


def rewritten(graph: Graph, *rules: str, steps: int = 0) -> Graph:
    """The graph with the rewriting of its first hazard of these rules, held against what it was.

    steps: by how many an output of integers may differ.
    """
    hazard = hazard_of(graph, *rules)
    assert hazard is not None, find_hazards(graph)
    edit = GraphEdit(graph)
    words = WORKAROUNDS[RULES[hazard.rule].workaround](edit, hazard)
    assert words
    assert "\n" not in words
    new = edit.finished()
    assert (new.inputs, new.outputs) == (graph.inputs, graph.outputs)
    assert hazard_of(new, *rules) is None, "the hazard is still there"
    feed = standard_feeds([graph.tensors[name] for name in graph.inputs], 1, "watermark")[0]
    before, after = evaluate(graph, feed), evaluate(new, feed, strict_shapes=True)
    for name in graph.outputs:
        assert new.tensors[name].shape == graph.tensors[name].shape
        if steps:
            np.testing.assert_allclose(after[name], before[name], rtol=0, atol=steps)
        else:
            np.testing.assert_array_equal(after[name], before[name])
    return new


def kinds(graph: Graph) -> list[str]:
    return [op.kind for op in graph.ops]
