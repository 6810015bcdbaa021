"""Other models under the same key: they differ in what they compute and not in their sizes."""

from __future__ import annotations

import numpy as np
import pytest

from cases.catalogue import select
from cases.graph import Graph
from cases.inputs import StandardFeeds
from cases.tflite.read import read_tflite
from cases.tflite.write import write_tflite
from repro.restarts.others import another_model, with_another_op, with_other_weights
from repro.verdicts.references import OWN_OPS_ONLY
from repro.verdicts.subject import Subject, case_subject

HEALTHY = select(["findings/*-control"])[::5]


def shapes(graph: Graph) -> dict[str, tuple[int, ...]]:
    return {name: tensor.shape for name, tensor in graph.tensors.items()}


def computes_alike(one: Subject, graph: Graph) -> bool:
    other = Subject("other", write_tflite(graph), one.plan, OWN_OPS_ONLY)
    mine, theirs = one.judged_by(OWN_OPS_ONLY).references, other.references
    return all(np.array_equal(x, y) for a, b in zip(mine, theirs, strict=True) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("make", [with_other_weights, with_another_op])
def test_a_twin_has_the_same_shapes_can_be_written_and_computes_something_else(make):
    made = 0
    for case in HEALTHY:
        subject = case_subject(case)
        graph = make(subject.graph)
        if graph is None:
            continue
        made += 1
        assert shapes(read_tflite(write_tflite(graph), "twin")) == shapes(subject.graph)
        assert not computes_alike(subject, graph), case.name
    assert made >= 3


def test_a_graph_without_constants_has_no_twin_of_other_weights():
    assert with_other_weights(another_model(HEALTHY[0].graph())) is None


def test_another_model_has_inputs_of_its_own():
    graph = another_model(HEALTHY[0].graph())
    (feed, *_) = StandardFeeds(0).make([graph.tensors[name] for name in graph.inputs])
    assert [array.shape for array in feed] == [(1, 3, 5, 7)]
