"""The judge: three values, and the order of its questions."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cases.builder import GraphBuilder
from cases.evaluation.arithmetic import Arithmetic
from cases.evaluation.evaluate import FLOAT16, FLOAT16_TRUNCATED, FLOAT32, FLOAT64, evaluate, evaluate_runs
from cases.inputs import GivenFeeds, StandardFeeds
from repro.verdicts.emulation import emulated_floors
from repro.verdicts.judge import judge, judge_arrays
from repro.verdicts.verdict import Status
from runner.run import SENTINEL, Fingerprint, Outcome, Precision, Run
from tests.cases.stateful import smoothing
from tests.repro.verdicts.judging import EMULATED, Scene, normal, scene

BOTH = pytest.mark.parametrize("precision", list(Precision))


class Unanswerable:
    """A reference that must not be asked."""

    def outputs(self, graph, model, feeds):
        raise AssertionError("a run without outputs needs no reference")

    def words(self, graph):
        raise AssertionError("nobody asked")


@BOTH
def test_a_healthy_run_passes_and_says_its_power(precision: Precision):
    verdicts = scene(precision).judge()
    assert [v.status for v in verdicts] == [Status.PASS, Status.PASS]
    assert [v.name for v in verdicts] == ["y", "w"]
    for verdict in verdicts:
        assert verdict.floor == "emulation"
        assert 0 < verdict.power < 0.1
        assert verdict.metrics["pearson"] > 0.9999


@BOTH
def test_only_the_broken_output_fails(precision: Precision):
    def change(outputs):
        for feed in outputs:
            feed[1] = feed[1] * np.float32(1.05)

    y, w = scene(precision).judge(change)
    assert (y.status, w.status, w.signature) == (Status.PASS, Status.FAIL, "wrong")
    assert "RMS, and rounding explains" in w.reason
    assert "noise floors" in w.detail


@pytest.mark.parametrize("outcome", [o for o in Outcome if o is not Outcome.OK])
def test_a_run_that_did_not_end_well_is_its_own_status(outcome: Outcome):
    fingerprint = Fingerprint("gpu:test", "0", {}, "", "", "fp32", "")
    named = Run("t", outcome, fingerprint, output_names=("a", "b"), message="why")
    nameless = Run("t", outcome, fingerprint, message="why")
    unanswered = dataclasses.replace(scene().subject, reference=Unanswerable())
    assert [(v.output, str(v.status), v.reason) for v in judge(named, unanswered)] == [
        (0, str(outcome), "why"),
        (1, str(outcome), "why"),
    ]
    assert [v.output for v in judge(nameless, unanswered)] == [-1]


def test_references_that_do_not_belong_to_the_run_are_refused():
    made = scene()
    with pytest.raises(ValueError, match="pair up"):
        judge(made.run(), dataclasses.replace(made.subject, plan=GivenFeeds(made.feeds[:2])))
    with pytest.raises(ValueError, match="floors"):
        judge(made.run(), dataclasses.replace(made.subject, given_floors={made.precision: made.floors[:1]}))


def test_the_sentinel_and_nan_need_no_power():
    constant = np.ones((4, 8))
    assert judge_arrays(np.full((4, 8), SENTINEL), constant, EMULATED).signature == "unwritten"
    assert judge_arrays(np.full((4, 8), np.nan, np.float32), constant, EMULATED).signature == "nonfinite"


def test_a_wrong_shape_or_dtype_is_wrong():
    reference = normal(4, 8)
    assert judge_arrays(reference.reshape(8, 4).astype(np.float32), reference).signature == "wrong"
    assert judge_arrays(reference.astype(np.int32), reference).status is Status.FAIL


def test_integers_and_booleans_are_compared_exactly():
    values = np.arange(32, dtype=np.int32)
    off = values.copy()
    off[7] += 1
    assert judge_arrays(values, values).status is Status.PASS
    assert judge_arrays(off, values).status is Status.FAIL
    assert judge_arrays(values % 2 == 0, values % 2 == 0).status is Status.PASS
    assert judge_arrays(np.ones(8, bool), np.ones(8, bool)).status is Status.INVALID


@settings(max_examples=150, deadline=None)
@given(
    hnp.arrays(np.float32, hnp.array_shapes(max_dims=4, max_side=6), elements=st.floats(width=32)),
    hnp.arrays(np.float32, hnp.array_shapes(max_dims=4, max_side=6), elements=st.floats(width=32)),
    st.sampled_from(list(Precision)),
    st.sampled_from([None, EMULATED]),
)
def test_any_two_arrays_give_a_verdict_and_only_a_finite_equal_shape_can_pass(reference, actual, precision, floor):
    verdict = judge_arrays(actual, reference, floor, precision=precision)
    assert verdict.status in (Status.PASS, Status.FAIL, Status.INVALID)
    if verdict.status is Status.PASS:
        assert reference.shape == actual.shape
        assert np.isfinite(reference).all()
        assert reference.size == 1 or np.ptp(reference.astype(np.float64)) > 0
    assert bool(verdict.signature) == (verdict.status is Status.FAIL)
    assert bool(verdict.reason) or verdict.status is Status.PASS


def test_an_output_that_follows_no_input_that_was_fed_has_shown_nothing():
    """Clipped to one value, say: a stale output would be as right. What no input reaches is judged all the same."""
    g = GraphBuilder()
    x = g.input("x", (1, 64))
    ramp = np.arange(64, dtype=np.float32)
    clipped = g.add(g.scaled(x, 0.0), g.const(ramp), name="clipped")
    anchors = g.add(g.const(ramp), g.const(ramp), name="anchors")
    graph = g.build([clipped, anchors])
    feeds = StandardFeeds(0).make([graph.tensors["x"]])
    right = (ramp.astype(np.float64).reshape(1, 64), 2.0 * ramp)
    references = tuple(right for _ in feeds)
    made = Scene(graph, feeds, references, (EMULATED, EMULATED), Precision.FP32)
    first, second = made.judge()
    assert (first.status, first.reason) == (Status.INVALID, "the reference is the same for every input (run 1 of 3)")
    assert second.status is Status.PASS


def test_a_file_whose_output_is_an_input_blames_no_target():
    g = GraphBuilder()
    x = g.input("x", (1, 64))
    graph = g.build([g.unary("RELU", x, name="y"), x])
    feeds = StandardFeeds(0).make([graph.tensors["x"]])
    references = tuple((np.maximum(feed[0], 0.0).astype(np.float64), feed[0].astype(np.float64)) for feed in feeds)
    made = Scene(graph, feeds, references, (EMULATED, EMULATED), Precision.FP32)

    def lost(outputs):
        for feed in outputs:
            feed[0][:], feed[1][:] = 0.0, SENTINEL

    for verdict in made.judge(lost):
        assert verdict.status is Status.INVALID
        assert verdict.reason.startswith("'x' is an input and an output")


@BOTH
def test_what_leaves_float32_is_invalid_unless_nothing_wrote_it(precision: Precision):
    made = scene(precision)
    floors = tuple(dataclasses.replace(floor, leaves_float32=True) for floor in made.floors)
    made = dataclasses.replace(made, floors=floors)

    def damaged(outputs):
        for feed in outputs:
            feed[0][:], feed[1][:] = np.nan, SENTINEL

    first, second = made.judge(damaged)
    assert (first.status, "float32's range" in first.reason) == (Status.INVALID, True)
    assert (second.status, second.signature) == (Status.FAIL, "unwritten")


def mute_at(*mute: int, feeds: int = 4) -> Scene:
    """The scene with outputs that say nothing (all zeros) after some of the feeds a, b, c, a."""
    whole = scene()
    zeros = tuple(np.zeros_like(output) for output in whole.references[0])
    references = [zeros if k in mute else outputs for k, outputs in enumerate(whole.references)]
    return dataclasses.replace(whole, feeds=whole.feeds[:feeds], references=tuple(references[:feeds]))


LATE = {
    "by a run": lambda outputs: [outputs[0], *outputs[:-1]],
    "by two runs": lambda outputs: [*outputs[:2], *outputs[:-2]],
    "right on the first input only": lambda outputs: [outputs[0], *([-o for o in feed] for feed in outputs[1:])],
    "unwritten": lambda outputs: [[np.full_like(o, SENTINEL) for o in feed] for feed in outputs],
}


@pytest.mark.parametrize("mute", [(0, 3), (1,), (2,)])
def test_one_of_three_feeds_may_say_nothing_where_the_first_comes_again(mute: tuple[int, ...]):
    one = mute_at(*mute)
    assert [v.status for v in one.judge()] == [Status.PASS, Status.PASS]
    for late in LATE.values():

        def change(outputs, late=late):
            outputs[:] = late(list(outputs))

        assert [v.status for v in one.judge(change)] == [Status.FAIL, Status.FAIL]


@pytest.mark.parametrize(("mute", "feeds"), [((1, 2), 4), ((0, 1, 3), 4), ((2,), 3), ((1,), 2)])
def test_where_fewer_feeds_tell_or_the_first_does_not_come_again_the_output_is_invalid(mute, feeds: int):
    verdict = mute_at(*mute, feeds=feeds).judge()[0]
    assert verdict.status is Status.INVALID
    assert f"(run {mute[0] + 1} of {feeds})" in verdict.reason


def grown(kind: str, seed: int) -> Scene:
    """Exponentials or products of what three drawn inputs hold, some of them beyond float16's range."""
    g = GraphBuilder()
    x = g.input("x", (1, 3, 4, 8))
    if kind == "EXP":
        y = g.unary("EXP", g.scaled(x, 8.0), name="y")
    else:
        # Of three factors, so that no product of two leaves the range.
        (y,) = g.op("REDUCE_PROD", (g.scaled(x, 60.0), g.const([1], dtype="int32")), name="y")
    graph = g.build([y])
    rng = np.random.default_rng(seed)
    feeds = tuple((size * rng.standard_normal((1, 3, 4, 8)).astype(np.float32),) for size in (1.0, 0.3, 0.6))
    references = tuple((evaluate(graph, feed, FLOAT64)["y"],) for feed in feeds)
    floors = emulated_floors(graph, feeds, references, Precision.FP16)
    return Scene(graph, feeds, references, floors, Precision.FP16)


@pytest.mark.parametrize("arithmetic", [FLOAT16, FLOAT16_TRUNCATED], ids=lambda one: one.name)
@pytest.mark.parametrize("kind", ["EXP", "REDUCE_PROD"])
def test_what_outgrows_float16_after_one_feed_takes_no_power_from_the_others(kind: str, arithmetic: Arithmetic):
    told = 0
    for seed in range(8):
        made = grown(kind, seed)
        half = [evaluate(made.graph, feed, arithmetic)["y"] for feed in made.feeds]

        def held(outputs: list[list[np.ndarray]], size: float, half: Sequence[np.ndarray] = half) -> None:
            """What this arithmetic gives, but `size` times as much of the second feed."""
            for k, (of_feed, right) in enumerate(zip(outputs, half, strict=True)):
                of_feed[0][...] = size * right if k == 1 else right

        assert made.judge(partial(held, size=1.0))[0].status is not Status.FAIL
        told += made.judge(partial(held, size=1.5))[0].status is Status.FAIL
    assert told == 8


def test_an_output_that_float16_holds_nowhere_blames_no_target():
    made = grown("EXP", 0)
    beyond = dataclasses.replace(made, references=tuple((1e9 * (1 + r[0]),) for r in made.references))

    def overflow(outputs: list[list[np.ndarray]]) -> None:
        for of_feed in outputs:
            of_feed[0].fill(np.inf)

    (verdict,) = beyond.judge(overflow)
    assert (verdict.status, "beyond float16's range" in verdict.reason) == (Status.INVALID, True)


def remembering_scene(precision: Precision) -> Scene:
    """A model that keeps something from run to run, after four runs of which the last is fed as the first."""
    graph = smoothing((1, 32, 16), 0.9)
    feeds = StandardFeeds(0, again=True).make([graph.tensors[n] for n in graph.inputs])
    references = tuple(tuple(run[n] for n in graph.outputs) for run in evaluate_runs(graph, feeds))
    return Scene(graph, feeds, references, emulated_floors(graph, feeds, references, precision), precision)


@BOTH
def test_a_state_that_changes_as_it_must_is_right_and_any_other_is_wrong(precision: Precision):
    made = remembering_scene(precision)
    graph, feeds = made.graph, made.feeds
    assert feeds[0] is feeds[-1]
    kinds = {Precision.FP32: FLOAT32, Precision.FP16: FLOAT16}
    healthy = evaluate_runs(graph, feeds, kinds[precision])
    forgetful = [evaluate(graph, feed, kinds[precision]) for feed in feeds]
    late = [forgetful[0], *evaluate_runs(graph, feeds[1:], kinds[precision])]

    def judged(runs: Sequence[Mapping[str, np.ndarray]]) -> list[Status]:
        def change(outputs: list[list[np.ndarray]]) -> None:
            outputs[:] = [[run[name].astype(np.float32) for name in graph.outputs] for run in runs]

        verdicts = made.judge(change)
        assert not any("not deterministic" in verdict.reason for verdict in verdicts)
        return [verdict.status for verdict in verdicts]

    assert judged(healthy) == [Status.PASS] * 2
    assert judged(forgetful) == judged(late) == [Status.FAIL] * 2


def test_a_first_run_that_says_nothing_leaves_the_answer_to_those_behind_it():
    graph = smoothing((1, 4, 8))
    graph = dataclasses.replace(graph, outputs=("kept",))
    feeds = StandardFeeds(0, again=True).make([graph.tensors[n] for n in graph.inputs])
    references = tuple((run["kept"],) for run in evaluate_runs(graph, feeds))
    made = Scene(graph, feeds, references, emulated_floors(graph, feeds, references, Precision.FP32), Precision.FP32)
    assert [len(np.unique(run[0])) == 1 for run in references] == [True, False, False, False]
    assert made.judge()[0].status is Status.PASS

    def stuck(outputs: list[list[np.ndarray]]) -> None:
        outputs[1:] = [outputs[0]] * 3

    assert made.judge(stuck)[0].status is Status.FAIL
