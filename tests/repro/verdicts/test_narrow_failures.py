"""A FAIL by little, where float16 is loud, is noise if noise that is drawn again explains it, and else stays one."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import pytest

from cases.builder import GraphBuilder
from cases.evaluation.evaluate import FLOAT16_TRUNCATED, evaluate
from repro.verdicts.judge import judge
from repro.verdicts.narrow_failures import DRAWS, judged_again
from repro.verdicts.noise_floor import Floor
from repro.verdicts.numeric_rule import judge_numbers
from repro.verdicts.references import OWN_OPS_ONLY
from repro.verdicts.subject import Subject, graph_subject
from repro.verdicts.thresholds import DEFAULT
from repro.verdicts.verdict import Status
from runner.run import Fingerprint, Outcome, Precision, Run

RIGHT = np.random.default_rng(0).normal(0, 1, (64, 16))
LOUD = 0.03  # of the values: 30 dB below them


def floor(rmse: float) -> Floor:
    return Floor(rmse, "emulation", 1, curve=(rmse, 0.0, 0.0))


def judged(actual: np.ndarray, drawn: list[Floor], narrow: float = LOUD, precision: Precision = Precision.FP16):
    """The verdict, that before anything was drawn, and how many floors were asked for."""
    asked: list[Floor] = []

    def draws() -> Iterator[Floor]:
        for one in drawn:
            asked.append(one)
            yield one

    found = judge_numbers(RIGHT, actual, floor(narrow), precision, DEFAULT)
    again = judged_again(RIGHT, actual, found, floor(narrow), draws(), precision, DEFAULT)
    return again, found, len(asked)


def off_by(floors: float, narrow: float = LOUD) -> np.ndarray:
    """An output whose error is so many floors everywhere, in turns up and down."""
    signs = np.where(np.indices(RIGHT.shape).sum(axis=0) % 2, 1.0, -1.0)
    return (RIGHT + floors * narrow * signs).astype(np.float32)


def test_it_passes_with_the_first_draw_that_explains_it_and_nothing_more_is_drawn():
    again, found, asked = judged(off_by(5.0), [floor(LOUD), floor(2 * LOUD), floor(LOUD)])
    assert (found.status, again.status, asked) == (Status.FAIL, Status.PASS, 2)


def test_what_no_draw_explains_stays_the_failure_that_it_was():
    again, found, asked = judged(off_by(5.0), [floor(LOUD)] * 3)
    assert again is found
    assert (found.status, asked) == (Status.FAIL, 3)


def test_noise_that_drowns_the_output_leaves_nothing_to_be_told():
    again, _, _ = judged(off_by(5.0), [floor(LOUD), floor(20 * LOUD)])
    assert again.status is Status.INVALID


@pytest.mark.parametrize(
    ("floors", "narrow", "precision"),
    [(50.0, LOUD, Precision.FP16), (5.0, LOUD / 100, Precision.FP16), (5.0, LOUD, Precision.FP32)],
    ids=["off by far", "quiet", "fp32"],
)
def test_nothing_is_drawn_for(floors: float, narrow: float, precision: Precision):
    again, found, asked = judged(off_by(floors, narrow), [floor(1.0)], narrow, precision)
    assert again is found
    assert (found.status, asked) == (Status.FAIL, 0)


FEEDS = tuple((np.random.default_rng(seed).normal(0, 1, (1, 64, 16)).astype(np.float32),) for seed in (1, 2))


def loud(narrowed: float) -> Subject:
    """y = 0.7 * ((x + 200) - 200): float16 leaves some 25 dB of it. Its floor is that of the emulation, narrowed."""
    g = GraphBuilder()
    much = g.const(np.full((1, 1, 16), 200.0, np.float32))
    left = g.sub(g.add(g.input("x", (1, 64, 16)), much), much)
    graph = g.build([g.mul(left, g.const(np.full((1, 1, 16), 0.7, np.float32)), name="y")])
    one = graph_subject("loud", graph, (*FEEDS, FEEDS[0]), OWN_OPS_ONLY)
    (found,) = one.floors(Precision.FP16)
    return dataclasses.replace(one, given_floors={Precision.FP16: (found.widened(narrowed),)})


def status(subject: Subject, factor: float = 1.0) -> Status:
    """Of what float16 computes, with one channel too large by a factor."""
    values = [evaluate(subject.graph, feed, FLOAT16_TRUNCATED)["y"] for feed in subject.feeds]
    outputs = tuple((y.astype(np.float32),) for y in values)
    for (y,) in outputs:
        y[..., 3] *= factor
    fingerprint = Fingerprint("gpu:test", "0", {}, "", "", "fp16", "")
    (verdict,) = judge(Run("loud", Outcome.OK, fingerprint, outputs, ("y",)), subject)
    return verdict.status


def test_the_judge_draws_again_for_a_healthy_output_and_still_fails_a_wrong_channel():
    healthy = loud(0.2)
    (floor_of_y,), (right,) = healthy.given_floors[Precision.FP16], healthy.references[0]
    values = evaluate(healthy.graph, FEEDS[0], FLOAT16_TRUNCATED)["y"]
    assert judge_numbers(right, values, floor_of_y, Precision.FP16, DEFAULT).status is Status.FAIL
    assert status(healthy) is Status.PASS
    assert status(healthy, factor=1.5) is Status.FAIL


def test_floors_are_drawn_where_an_input_can_be_moved_and_are_near_the_first():
    subject = loud(1.0)
    (first,) = subject.given_floors[Precision.FP16]
    drawn = [one.rmse for one in subject.drawn_floors("y", Precision.FP16)]
    assert len(set(drawn)) == DRAWS
    assert all(0.8 < rmse / first.rmse < 1.25 for rmse in drawn)
    g = GraphBuilder()
    whole = g.build([g.unary("ABS", g.input("n", (1, 4), "int32"), "y")])
    fed = graph_subject("whole", whole, ((np.ones((1, 4), np.int32),),), OWN_OPS_ONLY)
    assert list(fed.drawn_floors("y", Precision.FP16)) == []
