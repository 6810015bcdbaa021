"""Outputs of few elements are judged by all feeds together where one alone tells too little of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from cases.builder import GraphBuilder
from cases.evaluation.evaluate import FLOAT16, FLOAT64, evaluate
from cases.graph import Graph
from cases.inputs import GivenFeeds
from cases.tflite.write import write_tflite
from repro.verdicts.emulation import emulated_floors
from repro.verdicts.few_elements import MOST
from repro.verdicts.judge import judge
from repro.verdicts.numeric_rule import signal_over_noise_db
from repro.verdicts.references import Given
from repro.verdicts.subject import Subject
from repro.verdicts.thresholds import DEFAULT
from repro.verdicts.verdict import Status, Verdict
from runner.run import Fingerprint, Outcome, Precision, Run

TERMS = 256
SEEDS = range(8)
Change = Callable[[list[np.ndarray], list[np.ndarray]], list[np.ndarray]]


def detector(weights: np.ndarray) -> Graph:
    """Says of a row in one number per output whether it is there: a sigmoid behind a sum of large terms that cancel."""
    g = GraphBuilder()
    x = g.input("x", (1, TERMS))
    return g.build([g.unary("LOGISTIC", g.fully_connected(x, weights), name="presence")])


def weights_of(seed: int, elements: int) -> np.ndarray:
    rng = np.random.default_rng([seed, 1])
    return rng.normal(0, 1, (elements, TERMS))


def feeds_of(seed: int, weights: np.ndarray) -> list[np.ndarray]:
    """Rows that are clearly there, clearly not, and in doubt, in noise that is the larger part of each."""
    rng = np.random.default_rng([seed, 2])
    signs = rng.permutation([6.0, -6.0, rng.uniform(-2, 2)])
    rows = []
    for logit in signs:
        row = rng.normal(0, 3, TERMS)
        now = weights @ row
        row += np.linalg.lstsq(weights, logit * rng.uniform(0.8, 1.0, len(weights)) - now, rcond=None)[0]
        rows.append(row.astype(np.float32)[None])
    return [*rows, rows[0]]


def judged(seed: int, change: Change, elements: int = 1) -> Verdict:
    """The verdict on a run that sums in another order than the emulations, and was then changed."""
    weights = weights_of(seed, elements)
    rows = feeds_of(seed, weights)
    order = np.random.default_rng([seed, 3]).permutation(TERMS)
    other = detector(weights[:, order])
    outputs = [evaluate(other, (row[:, order],), FLOAT16)["presence"].astype(np.float32) for row in rows]
    return judged_as(detector(weights), rows, outputs, change)


def judged_as(graph: Graph, rows: list[np.ndarray], outputs: list[np.ndarray], change: Change) -> Verdict:
    """The verdict on a detector that gave some outputs in fp16, which were then changed."""
    feeds = tuple((row,) for row in rows)
    references = tuple((evaluate(graph, feed, FLOAT64)["presence"],) for feed in feeds)
    outputs = change(outputs, [r[0].astype(np.float32) for r in references])
    floors = emulated_floors(graph, feeds, references, Precision.FP16)
    subject = Subject(
        "few", write_tflite(graph), GivenFeeds(feeds), Given(references), "", graph, {Precision.FP16: floors}
    )
    fingerprint = Fingerprint("gpu:test", "0", {}, "", "", "fp16", "")
    run = Run("few", Outcome.OK, fingerprint, tuple((one,) for one in outputs), graph.outputs)
    (verdict,) = judge(run, subject)
    return verdict


def unchanged(outputs: list[np.ndarray], _: list[np.ndarray]) -> list[np.ndarray]:
    return outputs


WRONG: dict[str, Change] = {
    "the same after every feed": lambda outputs, _: [outputs[0]] * len(outputs),
    "late by a run": lambda outputs, _: [outputs[-2], *outputs[:-1]],
    "the opposite": lambda outputs, _: [1 - one for one in outputs],
    "zeros": lambda outputs, _: [np.zeros_like(one) for one in outputs],
    "a half": lambda outputs, _: [np.full_like(one, 0.5) for one in outputs],
    "no sigmoid": lambda _, right: [np.log(r / (1 - r)) for r in right],
    "right after the first feed only": lambda outputs, _: [outputs[0], 1 - outputs[1], 1 - outputs[2], outputs[-1]],
}


@pytest.mark.parametrize("elements", [1, 3])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_right_output_passes_and_says_what_it_would_have_noticed(seed: int, elements: int):
    verdict = judged(seed, unchanged, elements)
    assert (verdict.status, verdict.reason) == (Status.PASS, "")
    assert 0 < verdict.power < 0.5


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_output_fails(wrong: str):
    for seed in SEEDS:
        verdict = judged(seed, WRONG[wrong])
        assert verdict.status is Status.FAIL, (wrong, seed)


def test_some_of_their_feeds_alone_tell_nothing():
    mute = []
    for seed in SEEDS:
        weights = weights_of(seed, 2)
        graph, feeds = detector(weights), tuple((row,) for row in feeds_of(seed, weights))
        references = tuple((evaluate(graph, feed, FLOAT64)["presence"],) for feed in feeds)
        (floor,) = emulated_floors(graph, feeds, references, Precision.FP16)
        power = [
            signal_over_noise_db(right, floor.of_feed(k), Precision.FP16, DEFAULT)
            for k, (right,) in enumerate(references)
        ]
        mute.append(min(power) < DEFAULT["floor_snr_db"])
    assert sum(mute) > len(mute) / 2


@pytest.mark.parametrize("elements", [1, 3])
@pytest.mark.parametrize("off", [0.0, 1e-4])
def test_an_output_that_no_feed_moves_is_invalid(elements: int, off: float):
    """Also where the run is off by what rounding may explain."""
    rows = feeds_of(0, weights_of(0, elements))
    still = detector(np.zeros((elements, TERMS)))
    outputs = [np.full((1, elements), 0.5 + off, np.float32) for _ in rows]
    assert judged_as(still, rows, outputs, unchanged).status is Status.INVALID


def test_larger_outputs_are_judged_after_each_feed_alone():
    weights = weights_of(0, MOST)
    graph, feeds = detector(weights), tuple((row,) for row in feeds_of(0, weights))
    references = tuple((evaluate(graph, feed, FLOAT64)["presence"],) for feed in feeds)
    (floor,) = emulated_floors(graph, feeds, references, Precision.FP16)
    assert floor.largest == 0
