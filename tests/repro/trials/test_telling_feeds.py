"""Where the usual inputs tell nothing, others are fed under which a wrong output would be seen; never a user's own."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from cases.builder import GraphBuilder
from cases.graph import Graph, Op, Tensor
from cases.inputs import GivenFeeds
from cases.tflite.write import write_tflite
from repro.trials import telling_feeds
from repro.trials.check import check
from repro.trials.given_feeds import AnyInputs
from repro.trials.load import fed_subject
from repro.trials.telling_feeds import among_its_feeds, check_tellingly, telling_subject
from repro.verdicts.references import OwnOps
from repro.verdicts.subject import Subject
from repro.verdicts.verdict import Status
from runner.run import Precision
from tests.repro.simulated_delegate import Fault, SimulatedDelegate

ANSWERS_ZERO = Fault(
    "zeros", 2, lambda graph, op, values: (np.zeros((1, 12, 12, 1), np.float32),) if op.kind == "LOGISTIC" else None
)


def no_cpu() -> SimulatedDelegate:
    raise AssertionError("every op is known")


def segmenter() -> Graph:
    """Says where a picture is bright over an area: a sigmoid, which white noise leaves at 1e-9."""
    g = GraphBuilder()
    x = g.input("x", (1, 16, 16, 3))
    grey = g.conv2d(x, np.full((1, 1, 1, 3), 1 / 3, np.float32), np.zeros(1, np.float32))
    above = g.sub(g.pool("AVERAGE_POOL_2D", grey, 5, 1), g.const(0.7))
    return g.build([g.unary("LOGISTIC", g.scaled(above, 80.0), name="bright")])


def subject(inputs: AnyInputs | None = None, seed: int = 0) -> Subject:
    graph = segmenter()
    return fed_subject("segmenter", write_tflite(graph), graph, inputs, seed, OwnOps(no_cpu))


@pytest.mark.parametrize("seed", range(3))
def test_a_segmenter_that_noise_leaves_dark_is_judged_on_pictures(seed: int):
    target, cpu, asked = SimulatedDelegate(), SimulatedDelegate(), subject(seed=seed)
    assert [v.status for v in check(asked, target, cpu, Precision.FP16).verdicts] == [Status.INVALID]
    checked = check_tellingly(asked, target, cpu, Precision.FP16)
    assert [v.status for v in checked.verdicts] == [Status.PASS]
    assert checked.inputs_note.startswith("inputs pictures 0 to 1: 3 of ")
    assert "the usual inputs say nothing of output 0 'bright': rounding alone" in checked.inputs_note
    assert checked.inputs_note in str(checked)
    feeds = checked.subject.feeds
    assert len(feeds) == 4
    assert len({feed[0].tobytes() for feed in feeds}) == 3
    assert np.array_equal(feeds[0][0], feeds[3][0])


def test_what_noise_hides_pictures_show():
    checked = check_tellingly(subject(), SimulatedDelegate(ANSWERS_ZERO), SimulatedDelegate(), Precision.FP16)
    assert [v.status for v in checked.verdicts] == [Status.FAIL]


def test_the_same_seed_feeds_the_same():
    first, second = (telling_subject(subject(), Precision.FP16, 0) for _ in range(2))
    assert first is not None
    assert second is not None
    assert first.plan.key == second.plan.key


@pytest.mark.parametrize("inputs", [["0"], {"x": "uniform:0,1"}])
def test_what_a_user_gives_is_never_replaced(inputs: list[str] | dict[str, str]):
    given: AnyInputs = [np.full((1, 16, 16, 3), 0.5, np.float32)] if isinstance(inputs, list) else inputs
    assert telling_subject(subject(given), Precision.FP16, 0) is None
    checked = check_tellingly(subject(given), SimulatedDelegate(), SimulatedDelegate(), Precision.FP16)
    assert [v.status for v in checked.verdicts] == [Status.INVALID]
    assert checked.inputs_note == ""


def test_where_something_is_wrong_already_nothing_else_is_fed():
    """Two outputs, one of which says nothing and one of which is wrong."""
    g = GraphBuilder()
    x = g.input("x", (1, 16, 16, 3))
    dark = g.unary(
        "LOGISTIC", g.conv2d(x, np.zeros((1, 1, 1, 3), np.float32), np.full(1, -30, np.float32)), name="dark"
    )
    graph = g.build([dark, g.unary("NEG", x, name="minus")])
    one = fed_subject("two", write_tflite(graph), graph, None, 0, OwnOps(no_cpu))
    loses = Fault("loses", 1, loses=lambda graph, name: name == "minus")
    checked = check_tellingly(one, SimulatedDelegate(loses), SimulatedDelegate(), Precision.FP32)
    assert [v.status for v in checked.verdicts] == [Status.INVALID, Status.FAIL]
    assert checked.subject.plan is one.plan


def test_an_output_that_no_input_moves_stays_invalid_and_keeps_the_usual_inputs():
    g = GraphBuilder()
    x = g.input("x", (1, 16, 16, 3))
    still = g.conv2d(x, np.zeros((1, 1, 1, 3), np.float32), np.full(1, 2, np.float32), name="still")
    graph = g.build([still])
    one = fed_subject("still", write_tflite(graph), graph, None, 0, OwnOps(no_cpu))
    assert telling_subject(one, Precision.FP16, 0) is None
    checked = check_tellingly(one, SimulatedDelegate(), SimulatedDelegate(), Precision.FP16)
    assert [v.status for v in checked.verdicts] == [Status.INVALID]


def of_two(kind: str, dtype: str = "float32") -> Subject:
    """An op whose answer random numbers leave the same nearly everywhere: a comparison, or all of many truth values."""
    if dtype == "bool":
        tensors = {name: Tensor(name, shape, "bool") for name, shape in (("x", (1, 16, 64)), ("y", (1, 16)))}
        axes = Tensor("axes", (1,), "int32", np.array([2], np.int32))
        op = Op(kind, ("x", "axes"), ("y",), {"keep_dims": False})
        graph = Graph({**tensors, "axes": axes}, (op,), ("x",), ("y",)).validate()
    else:
        g = GraphBuilder()
        graph = g.build([g.binary(kind, g.input("x", (4, 6)), g.input("z", (4, 6)))])
    return fed_subject(kind, write_tflite(graph), graph, None, 0, OwnOps(no_cpu))


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [("EQUAL", "float32"), ("NOT_EQUAL", "float32"), ("REDUCE_ALL", "bool"), ("REDUCE_ANY", "bool")],
)
def test_numbers_that_meet_and_truth_values_that_are_rare_are_tried(kind: str, dtype: str):
    asked = of_two(kind, dtype)
    target, cpu = SimulatedDelegate(), SimulatedDelegate()
    assert [v.status for v in check(asked, target, cpu, Precision.FP32).verdicts] == [Status.INVALID]
    assert [v.status for v in check_tellingly(asked, target, cpu, Precision.FP32).verdicts] == [Status.PASS]


def test_of_many_feeds_the_three_that_tell_most_are_taken():
    rng = np.random.default_rng(0)
    dark, half = np.zeros((1, 16, 16, 3)), np.repeat([[0.2], [1.0]], [8, 8], axis=0).reshape(1, 16, 1, 1)
    pictures = [np.broadcast_to(half * rng.uniform(0.9, 1.0), dark.shape) for _ in range(3)]
    feeds = tuple((np.asarray(one, np.float32),) for one in (dark, pictures[0], dark + 0.1, *pictures[1:]))
    asked = dataclasses.replace(subject(), plan=GivenFeeds((*feeds, feeds[0])))
    taken = among_its_feeds(asked, Precision.FP16).feeds
    assert [any(feed[0] is one[0] for feed in taken) for one in feeds] == [False, True, False, True, True]
    assert taken[0] is taken[3]
    few = dataclasses.replace(subject(), plan=GivenFeeds((*feeds[:3], feeds[0])))
    assert among_its_feeds(few, Precision.FP16) is few


def test_no_more_feeds_are_evaluated_than_three_that_tell_more_than_enough(monkeypatch: pytest.MonkeyPatch):
    rng = np.random.default_rng(0)
    edges = np.repeat([[0.2], [1.0]], [8, 8], axis=0).reshape(1, 16, 1, 1)
    pictures = [
        np.asarray(np.broadcast_to(edges * rng.uniform(0.9, 1.0), (1, 16, 16, 3)), np.float32) for _ in range(5)
    ]
    asked = dataclasses.replace(subject(), plan=GivenFeeds(tuple((one,) for one in pictures)))
    made: list[int] = []
    make = telling_feeds._candidate
    monkeypatch.setattr(telling_feeds, "_candidate", lambda *given: made.append(1) or make(*given))
    taken = among_its_feeds(asked, Precision.FP16).feeds
    assert len(made) == 3
    assert {id(feed[0]) for feed in taken} == {id(one) for one in pictures[:3]}


def test_a_search_that_would_take_minutes_is_left_out():
    """2**35 terms over all candidates: a wide convolution of a picture of four million pixels has more."""
    g = GraphBuilder()
    x = g.input("x", (1, 2048, 2048, 3))
    graph = g.build([g.conv2d(x, np.zeros((64, 3, 3, 3), np.float32), np.zeros(64, np.float32))])
    large = dataclasses.replace(subject(), given_graph=graph)
    assert telling_subject(large, Precision.FP16, 0) is None
