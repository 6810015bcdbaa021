"""What explains a failure: the lint, the numbers, the findings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from cases.builder import GraphBuilder
from cases.findings.norm_of_other_input import norm_of_other
from cases.findings.norm_one_pass_variance import norm_of_shifted
from cases.graph import Graph
from repro.fuzzer.explain import (
    ONE_PASS_NORM,
    beyond_fp16,
    explained_outputs,
    is_one_norm,
    known_bug,
    refusing_rule,
    right_by_nature,
)
from repro.fuzzer.pattern import role_pattern
from repro.hazards.lint import RULES

LATENT = next(rule.id for rule in RULES.values() if rule.latent)
CERTAIN = next(rule.id for rule in RULES.values() if not rule.latent)


@dataclass(frozen=True)
class Predicted:
    """What explaining reads of a hazard."""

    rule: str
    affected: tuple[int, ...] = ()
    effect: str = "wrong"


def hazards(*predicted: Predicted) -> Sequence:
    return predicted


def test_an_output_is_explained_by_the_first_rule_that_predicts_it():
    found = hazards(Predicted("first", (1, 2)), Predicted("second", (2, 3)))
    assert explained_outputs(found) == {1: "first", 2: "first", 3: "second"}
    assert explained_outputs(()) == {}


@pytest.mark.parametrize("effect", ["refused", "void", "abort"])
def test_a_graph_that_fails_as_a_whole_is_explained_by_a_rule_that_says_so(effect: str):
    assert refusing_rule(hazards(Predicted("other"), Predicted("ends-it", effect=effect))) == "ends-it"
    assert refusing_rule(hazards(Predicted("other"))) == ""


def test_a_prediction_is_no_mistake_where_values_decide_or_memory_may_hold_what_is_right():
    feeds = tuple((np.arange(4.0) + k, np.full(4, 9.0 + k)) for k in range(2))
    copies = [feed[0][::-1] for feed in feeds]
    others = [feed[0] * 0.5 + 7 for feed in feeds]
    assert right_by_nature(LATENT, others, feeds)
    assert right_by_nature(CERTAIN, copies, feeds)
    assert not right_by_nature(CERTAIN, others, feeds)


@pytest.mark.parametrize(
    ("value", "beyond"),
    [(1.0, False), (0.0, False), (32000.0, False), (33000.0, True), (2.0**-24, False), (2.0**-25, True)],
)
def test_what_fp16_cannot_hold_is_beyond_it(value: float, beyond: bool):
    assert beyond_fp16([np.ones(2), np.array([0.5, -value])]) is beyond


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_is_beyond_fp16(value: float):
    assert beyond_fp16([np.array([1.0, value])])


def test_only_numbers_with_a_fraction_can_be_beyond_fp16():
    assert not beyond_fp16([np.array([100000]), np.array([True]), np.zeros(0)])


@pytest.mark.parametrize(("graph", "whole"), [(norm_of_other("same"), True), (norm_of_shifted(), False)])
def test_a_graph_that_is_one_normalisation_is_told_from_one_that_holds_one(graph: Graph, whole: bool):
    assert is_one_norm(graph) is whole


def test_a_reduced_failure_belongs_to_the_lint_then_to_a_finding_then_to_nobody():
    g = GraphBuilder()
    graph = g.build([g.unary("NEG", g.input("x", (3,)), "n"), g.unary("ABS", "n", "a")])
    findings = {role_pattern(graph): "a-finding"}
    predicted = hazards(Predicted("a-rule", (1,)))
    assert known_bug(graph, "a", "wrong", predicted, findings) == "a-rule"
    assert known_bug(graph, "n", "wrong", predicted, findings) == "a-finding"
    assert known_bug(graph, "", "CRASH", predicted, {}) == ""
    assert known_bug(graph, "n", "wrong", predicted, {}) == ""


def test_a_whole_normalisation_that_is_wrong_is_the_one_whose_variance_cancels():
    norm = norm_of_other("same")
    assert known_bug(norm, norm.outputs[0], "wrong", (), {}) == ONE_PASS_NORM
    assert known_bug(norm, norm.outputs[0], "unwritten", (), {}) == ""
