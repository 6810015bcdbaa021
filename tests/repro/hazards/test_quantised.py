"""The lint on quantised graphs, held against the delegate: what is parsed wrong stays wrong, fusions do not happen."""

from __future__ import annotations

import numpy as np
import pytest

from cases.catalogue import select
from cases.evaluation.evaluate import evaluate
from cases.evaluation.quantised import steps_apart
from cases.graph import Graph
from cases.inputs import standard_feeds
from cases.tflite.write import write_tflite
from repro.hazards.lint import find_hazards
from repro.hazards.rules import RULES
from runner import targets
from runner.run import Feed, Job, Outcome, Precision
from tests.repro.quantising import integers, quantised

ROUNDINGS = 3
"""Steps that a delegate may be off where several ops stand behind each other."""


def quantised_cases() -> list[tuple[str, Graph, Feed]]:
    """The minimal graph of every finding that a rule has, in 8 bits."""
    found = []
    for slug in sorted({rule.finding for rule in RULES.values() if rule.finding}):
        (case,) = select([f"findings/{slug}-minimal"])
        assert case.graph is not None
        graph = case.graph()
        if {graph.tensors[name].dtype for name in graph.inputs} == {"float32"}:
            feed = standard_feeds([graph.tensors[name] for name in graph.inputs], 1)[0]
            whole = quantised(graph, feed, "int8")
            found.append((case.name, whole, integers(whole, feed)))
    return found


@pytest.mark.slow
@pytest.mark.gpu
def test_every_hazard_of_a_quantised_graph_is_one_on_the_delegate():
    shown, spared = set[str](), 0
    with targets.open_target("gpu", workers=1) as gpu:
        for name, graph, feed in quantised_cases():
            run = gpu.run(Job(write_tflite(graph), (feed,), name=name, precision=Precision.FP32))
            if run.outcome is Outcome.REFUSED:
                continue
            hazards = find_hazards(graph)
            right = evaluate(graph, feed)
            for index, output in enumerate(graph.outputs):
                rules = {hazard.rule for hazard in hazards if index in hazard.affected}
                if run.outcome is not Outcome.OK:
                    assert rules, f"{name}: {run.message}"
                elif rules:
                    apart = steps_apart([np.asarray(run.outputs[0][index]), right[output]])
                    assert apart > ROUNDINGS, f"{name}: {rules} at '{output}', which is right"
                shown |= rules
                spared += not rules
    assert {"pad-rank-3", "fc-flattens", "softmax-rank-1", "grouped-conv", "batch-matmul-broadcast"} <= shown
    assert spared > len(shown)
