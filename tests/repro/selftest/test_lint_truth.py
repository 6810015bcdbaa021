"""The confusion table's own arithmetic, and a small one against the real delegate."""

from __future__ import annotations

import numpy as np
import pytest
from click.testing import CliRunner

from cases.builder import GraphBuilder
from cases.drawn_ops.one_op import OneOp, shaped
from repro.delegate.adapters import Adapter
from repro.hazards.lint import find_hazards
from repro.records.journal import Journal
from repro.selftest import lint_truth
from repro.selftest.draws.draw import Draw, draw
from repro.selftest.lint_truth import (
    OLDEST,
    GraphOutcome,
    confirmed,
    confusion,
    feeds_for,
    judged,
    observe,
    tells_nothing,
    wrong_outputs,
)
from runner import targets
from runner.errors import BadInput, NothingRan
from runner.run import Fingerprint, Outcome, Precision, Run

PRINT = Fingerprint("test", "0", {}, "", "", "fp32", "")


def ran(*outputs: np.ndarray) -> Run:
    return Run("r", Outcome.OK, PRINT, outputs=(outputs,), output_names=tuple(f"o{i}" for i in range(len(outputs))))


def drawn_with(rule: str) -> Draw:
    return next(d for d in (draw(3, i) for i in range(2000)) if {h.rule for h in find_hazards(d.graph)} == {rule})


def test_feeds_cover_both_signs():
    normal, negative, positive = feeds_for(draw(0, 1).graph, 0, 1)
    assert all((array < 0).all() for array in negative)
    assert all((array > 0).all() for array in positive)
    assert len(normal) == len(negative)


def test_rounding_is_right_and_nonfinite_or_shifted_is_wrong():
    right = np.linspace(-3, 3, 8, dtype=np.float32)
    assert wrong_outputs(ran(right * (1 + 1e-6)), ran(right), 2e-4) == ()
    assert wrong_outputs(ran(right, right + 0.01), ran(right, right), 2e-4) == (1,)
    broken = right.copy()
    broken[3] = np.nan
    assert wrong_outputs(ran(broken), ran(right), 2e-4) == (0,)
    assert wrong_outputs(ran(broken), ran(broken), 2e-4) == ()


def test_hits_misses_and_false_hazards_are_told_apart():
    d = drawn_with("add-reduce")
    (hazard,) = find_hazards(d.graph)
    (index,) = hazard.affected
    other = next(i for i in range(len(d.graph.outputs)) if i != index)
    hit = confusion([(d, GraphOutcome("OK", (index,)))], 3)
    assert (hit.rows["add-reduce"].hits, hit.missed, hit.is_clean) == (1, 0, True)
    false = confusion([(d, GraphOutcome("OK", ()))], 3)
    assert (false.rows["add-reduce"].false, false.is_clean) == (1, False)
    missed = confusion([(d, GraphOutcome("OK", (index, other)))], 3)
    assert (missed.missed, missed.is_clean) == (1, False)
    refused = confusion([(d, GraphOutcome("REFUSED", ()))], 3)
    assert (refused.rows["add-reduce"].refused, refused.outputs) == (1, 0)


def test_an_output_that_is_one_number_has_no_power():
    d = drawn_with("add-reduce")
    feeds = feeds_for(d.graph, 3, d.index)
    flat = tuple(tuple(np.zeros_like(array) for array in feed) for feed in feeds)
    assert tells_nothing(d.graph, flat, 0) in (True, False)
    assert not all(tells_nothing(d.graph, feeds, index) for index in range(len(d.graph.outputs)))


def one_op(kind: str) -> Draw:
    g = GraphBuilder()
    x = g.input("x", (1, 3, 3))
    if kind == "RELU":
        return Draw(0, "test", g.build([g.unary("RELU", g.add(g.unary("TANH", x), g.const(-2.0)))]))
    if kind == "BATCH_MATMUL":
        return Draw(0, "test", g.build([g.batch_matmul(x, x)]))
    return Draw(0, "test", g.build([g.unary(kind, x) if kind != "TRANSPOSE" else g.transpose(x, [0, 2, 1])]))


@pytest.mark.parametrize(("kind", "expected"), [("RELU", True), ("TRANSPOSE", True), ("NEG", False)])
def test_an_output_that_an_input_or_nothing_decides_has_no_power(kind, expected):
    d = one_op(kind)
    assert tells_nothing(d.graph, feeds_for(d.graph, 3, 0), 0) is expected


def test_a_process_that_ends_is_predicted_or_missed():
    predicted = confusion([(one_op("BATCH_MATMUL"), GraphOutcome("CRASH", ()))], 3)
    assert (predicted.rows["same-operand-aborts"].hits, predicted.is_clean) == (1, True)
    missed = confusion([(one_op("NEG"), GraphOutcome("CRASH", ()))], 3)
    assert (missed.missed, missed.is_clean) == (1, False)
    survived = confusion([(one_op("BATCH_MATMUL"), GraphOutcome("OK", ()))], 3)
    assert (survived.rows["same-operand-aborts"].false, survived.is_clean) == (1, False)


def test_a_lint_that_was_held_against_nothing_has_not_passed(tmp_path, monkeypatch):
    monkeypatch.setattr(lint_truth, "journal_path", lambda target: tmp_path / "journal.jsonl")
    result = CliRunner().invoke(lint_truth.main, ["cpu/fp32", "--graphs", "0"])
    assert isinstance(result.exception, NothingRan)
    assert result.exception.exit_code == 3
    refused = confusion([(one_op("NEG"), GraphOutcome("REFUSED", ()))], 3)
    assert (refused.is_clean, refused.compared) == (True, False)


@pytest.mark.gpu
@pytest.mark.slow
def test_the_oldest_rules_neither_miss_nor_overcall(tmp_path):
    """A reduced `make lint-truth`: 400 graphs from a seed that no rule was tuned on."""
    name = targets.resolve(["gpu"])[0]
    with (
        targets.open_target(name, workers=2) as target,
        targets.open_target("cpu") as reference,
        Journal(tmp_path / "journal.sqlite") as journal,
    ):
        draws = [draw(2026, index) for index in range(400)]
        table = confusion(observe(draws, 2026, Precision.FP32, target, reference, journal), 2026)
        assert len(journal) == 400
    assert table.missed == 0, table.missed_examples
    for rule in OLDEST:
        assert table.rows[rule].false == 0, table.rows[rule].examples
        assert table.rows[rule].hits > 0


@pytest.mark.parametrize("setting", ["gpu:lavapipe", "gpu:lavapipe@nvidia/fp64", "/fp16x"])
def test_a_setting_is_a_target_and_a_precision(setting: str):
    result = CliRunner().invoke(lint_truth.main, [setting, "--graphs", "1"])
    assert isinstance(result.exception, BadInput)
    assert "write a target and a precision" in str(result.exception)


def test_a_rule_that_the_adapter_decides_has_a_row_where_the_adapter_is_known():
    nvidia = (Adapter("NVIDIA H100", Precision.FP32),)
    d = next(d for d in (draw(3, i) for i in range(2, 800, 8)) if len(find_hazards(d.graph, nvidia)) == 1)
    (hazard,) = find_hazards(d.graph, nvidia)
    hit = confusion([(d, GraphOutcome("OK", hazard.affected))], 3, nvidia)
    assert (hit.rows[hazard.rule].hits, hit.missed) == (1, 0)
    unknown = confusion([(d, GraphOutcome("OK", hazard.affected))], 3)
    assert hazard.rule not in unknown.rows
    assert unknown.missed == 1


def test_what_cannot_be_judged_speaks_neither_for_a_rule_nor_against_it():
    d = drawn_with("add-reduce")
    (hazard,) = find_hazards(d.graph)
    said = confusion([(d, GraphOutcome("OK", (), unjudged=hazard.affected))], 3)
    assert (said.rows["add-reduce"].false, said.rows["add-reduce"].powerless) == (0, 1)


def test_an_output_that_is_an_input_is_not_judged():
    g = GraphBuilder()
    x = g.input("x", (2, 3))
    graph = g.build([g.unary("NEG", x, name="y"), x])
    fed = np.arange(6, dtype=np.float32).reshape(2, 3)
    run = ran(-fed, fed)
    assert judged(run, run, graph, ((fed,),)).unjudged == (0, 1)


def test_a_rule_of_values_that_is_a_risk_is_foretold():
    graph = shaped(OneOp("CAST", (np.ones((2, 3), np.int32),), ("uint8",)))
    hit = confusion([(Draw(0, "surface", graph), GraphOutcome("OK", (0,)))], 3)
    assert (hit.missed, hit.rows["cast-saturates"].hits) == (0, 1)


def test_in_fp16_the_judge_says_what_is_rounding():
    seen = GraphOutcome("OK", (0, 1, 2))
    assert confirmed(seen, GraphOutcome("OK", (0,), unjudged=(2,))) == GraphOutcome("OK", (0,), unjudged=(2,))
    assert confirmed(seen, GraphOutcome("NO_REFERENCE", ())) == seen
