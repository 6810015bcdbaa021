"""What overflows in fp16 is computed scaled down, with the same bits in float32 and nothing too large in between."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cases.builder import GraphBuilder
from cases.evaluation.evaluate import FLOAT32, evaluate
from cases.evaluation.ranges import ranges_of
from cases.graph import Graph
from repro.fixes.fp16_range import hold_in_fp16
from repro.fixes.scaled_down import scale_down
from repro.fixes.workarounds import avoid_hazards
from repro.trials.ranges import overflowing
from repro.verdicts.references import OwnOps
from repro.verdicts.subject import Subject, graph_subject

NORMS = ("layer norm", "layer norm by difference", "rms norm", "rms norm by sum", "unit length")


def norm(kind: str, channels: int) -> Graph:
    """A normalisation by hand over the last axis, with a weight and an offset behind it."""
    g = GraphBuilder()
    x = g.input("x", (1, 4, channels))
    centred = x
    if kind == "layer norm by difference":
        mean = g.mean(x, [2])
        square = g.binary("SQUARED_DIFFERENCE", x, mean, name="square")
        centred = g.sub(x, mean)
    else:
        centred = g.sub(x, g.mean(x, [2])) if kind == "layer norm" else x
        square = g.mul(centred, centred, name="square")
    if kind in ("rms norm by sum", "unit length"):
        variance = g.sum(square, [2])
        variance = g.scaled(variance, 1 / channels) if kind == "rms norm by sum" else variance
    else:
        variance = g.mean(square, [2])
    root = g.unary("RSQRT", g.add(variance, g.const(1e-3)))
    scaled = g.mul(g.mul(centred, root), g.const(np.linspace(0.5, 2, channels)))
    return g.build([g.add(scaled, g.const(np.linspace(-1, 1, channels)), name="y")])


def pooled_by_sum(scale: float) -> Graph:
    """A squeeze-excite block whose mean is a SUM and small weights."""
    g = GraphBuilder()
    x = g.input("x", (1, 16, 16, 4))
    weights = np.random.default_rng(0).standard_normal((4, 1, 1, 4)) * scale
    logits = g.conv2d(g.sum(x, [1, 2], name="total"), weights.astype(np.float32), np.ones(4, np.float32))
    return g.build([g.mul(x, g.unary("LOGISTIC", logits), name="y")])


def subject_of(graph: Graph, scale: float) -> Subject:
    shape = graph.tensors["x"].shape
    feed = (np.abs(scale * np.random.default_rng(1).standard_normal(shape)).astype(np.float32),)
    return graph_subject("test", graph, (feed,), OwnOps(None))  # type: ignore[arg-type]


def held(subject: Subject) -> tuple[Graph, int]:
    """The graph scaled down, and how many tensors were the reason."""
    mended = hold_in_fp16(avoid_hazards(subject.graph), subject)
    return mended.graph, len(mended.done)


@settings(max_examples=12, deadline=None)
@given(kind=st.sampled_from(NORMS), channels=st.sampled_from([8, 64]), scale=st.floats(400.0, 2000.0))
def test_a_norm_of_large_activations_keeps_its_bits_and_stays_within_fp16(kind: str, channels: int, scale: float):
    subject = subject_of(norm(kind, channels), scale)
    graph = subject.graph
    if kind == "layer norm":  # the delegate takes this one for one kernel, which works in float32
        assert held(subject) == (graph, 0)
        return
    fixed, count = held(subject)
    assert count == 1
    assert overflowing(fixed, ranges_of(fixed, subject.feeds, inside=False)) == []
    assert fixed.outputs == graph.outputs
    was, now = (evaluate(one, subject.feeds[0], FLOAT32)["y"] for one in (graph, fixed))
    np.testing.assert_allclose(now, was, rtol=1e-6, atol=1e-6)  # the emulation's own noise follows the number of ops
    exact, scaled = (evaluate(one, subject.feeds[0])["y"] for one in (graph, fixed))
    np.testing.assert_allclose(scaled, exact, rtol=1e-12)


def test_a_sum_into_small_weights_is_scaled_down_and_its_weights_up():
    subject = subject_of(pooled_by_sum(1e-5), 600.0)
    fixed, count = held(subject)
    assert count == 1
    assert [op.kind for op in fixed.ops] == ["MUL", *(op.kind for op in subject.graph.ops)]
    exact, scaled = (evaluate(one, subject.feeds[0])["y"] for one in (subject.graph, fixed))
    np.testing.assert_array_equal(scaled, exact)
    assert overflowing(fixed, ranges_of(fixed, subject.feeds, inside=False)) == []


def test_what_fp16_holds_is_left_alone():
    for graph, scale in ((norm("rms norm", 8), 1.0), (pooled_by_sum(1e-5), 10.0)):
        subject = subject_of(graph, scale)
        assert held(subject) == (graph, 0)


@pytest.mark.parametrize("why", ["an output", "two readers", "an op that does not scale", "a result that is large too"])
def test_what_has_no_such_form_is_left_as_it_is(why: str):
    g = GraphBuilder()
    x = g.input("x", (1, 64))
    square = g.unary("SQUARE", x, name="square")
    outputs = {
        "an output": lambda: [square],
        "two readers": lambda: [g.unary("RSQRT", square), g.unary("TANH", square)],
        "an op that does not scale": lambda: [g.unary("LOGISTIC", square)],
        "a result that is large too": lambda: [g.scaled(g.unary("SQRT", square), 1e9)],
    }[why]()
    subject = subject_of(g.build(outputs), 1e30 if why == "a result that is large too" else 500.0)
    found = {one.name: one for one in ranges_of(subject.graph, subject.feeds)}
    assert found["square"].stored.largest > 65504
    assert scale_down(subject.graph, "square", found) is None
    assert held(subject) == (subject.graph, 0)


def test_an_epsilon_that_becomes_zero_in_fp16_is_said():
    subject = subject_of(norm("rms norm", 8), 60_000.0)
    found = {one.name: one for one in ranges_of(subject.graph, subject.feeds)}
    scaled = scale_down(subject.graph, "square", found)
    assert scaled is not None
    assert "is zero in fp16" in scaled.words
    mild = subject_of(norm("rms norm", 8), 300.0)
    scaled = scale_down(mild.graph, "square", {one.name: one for one in ranges_of(mild.graph, mild.feeds)})
    assert scaled is not None
    assert "is zero in fp16" not in scaled.words
