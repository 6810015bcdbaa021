"""The cases of one op each: of every cell that no other case is of, drawn as they were, fed what tells something."""

from __future__ import annotations

import numpy as np
import pytest

from cases.drawn_ops.cases import DRAWS, cases, kept, name_of
from cases.drawn_ops.cells import cells
from cases.drawn_ops.feeds import feeds_of
from cases.evaluation.evaluate import evaluate
from cases.graph import Graph
from cases.inputs import StandardFeeds
from repro.verdicts.subject import case_subject


def test_each_case_is_of_the_cell_that_it_is_called_by_and_small():
    for case in cases():
        kind, type_ = case.reason.split(" in ")
        graph = case.graph() if case.graph is not None else None
        assert isinstance(graph, Graph)
        assert case.name == name_of(kind, type_)
        assert (kind, type_) in cells(graph)
        assert max(int(np.prod(tensor.shape)) for tensor in graph.tensors.values()) <= 500


def test_the_outputs_vary_in_every_feed():
    for case in cases()[::6]:
        subject = case_subject(case)
        for feed in subject.feeds:
            values = evaluate(subject.graph, feed)
            assert all(np.ptp(values[name].astype(float)) > 0 for name in subject.graph.outputs), case.name


def test_a_planned_case_is_fed_by_what_its_op_takes_unless_other_inputs_are_asked_for():
    (case,) = (case for case in cases() if case.name == "one-op/floor-mod-int16")
    subject = case_subject(case)
    for fed, drawn in zip(subject.feeds[0], feeds_of(subject.graph, 0)[0], strict=True):
        np.testing.assert_array_equal(fed, drawn)
    assert isinstance(case_subject(case, kind="gaussian").plan, StandardFeeds)


@pytest.mark.parametrize("kind", ["EQUAL", "NOT_EQUAL"])
def test_numbers_that_are_asked_whether_they_are_equal_sometimes_are(kind: str):
    for type_ in DRAWS[kind]:
        graph = kept(kind, type_)
        for seed in range(3):
            (answer,) = evaluate(graph, feeds_of(graph, seed)[0]).values()
            assert 0 < answer.astype(float).mean() < 1, type_
