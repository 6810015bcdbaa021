"""The first tensor that leaves fp16 is named, how much room is left is in bits, and a search finds where it breaks."""

from __future__ import annotations

import json

import numpy as np
import pytest

from cases.builder import GraphBuilder
from cases.graph import Graph
from cases.inputs import GivenFeeds
from repro.delegate.inside_norms import tensors_inside_norms
from repro.trials.ranges import SCALES, Leaves, find_ranges
from repro.verdicts.references import OwnOps
from repro.verdicts.subject import Subject, graph_subject
from runner.errors import BadInput


def no_cpu():
    raise AssertionError("float64 knows every op here")


def subject_of(graph: Graph, *feed: np.ndarray) -> Subject:
    return graph_subject("test", graph, (tuple(feed),), OwnOps(no_cpu))


def squared(scale: float, name: str = "square") -> Subject:
    """x, x * x, its mean, and 1 / sqrt of that: the tensors before and behind the square are small."""
    g = GraphBuilder()
    x = g.input("x", (1, 8, 64))
    square = g.unary("SQUARE", x, name=name)
    graph = g.build([g.mul(x, g.unary("RSQRT", g.mean(square, [2], name="mean"), name="root"), name="y")])
    return subject_of(graph, scale * np.linspace(1, 2, 512, dtype=np.float32).reshape(1, 8, 64))


def test_the_first_tensor_that_overflows_is_named_and_not_the_ones_behind_it():
    found = find_ranges(squared(200.0))
    assert not found.passed
    assert (found.leaving[0].name, found.leaving[0].how) == ("square", Leaves.ABOVE)
    assert found.leaving[0].largest == pytest.approx(160_000)
    assert "'square' (SQUARE) overflows: it reaches 1.6e+05, the largest fp16 number is 65504" in str(found)


def test_what_fp16_holds_passes_and_says_how_many_bits_are_left():
    found = find_ranges(squared(100.0))
    assert found.passed
    room = {one.name: found.headroom(one) for one in found.tensors}
    assert room["square"] == pytest.approx(np.log2(65504 / 40_000))
    assert room["x"] == pytest.approx(np.log2(65504 / 200))


def test_what_becomes_zero_is_named_too():
    found = find_ranges(squared(1e-5))
    assert (found.leaving[0].name, found.leaving[0].how) == ("square", Leaves.BELOW)


@pytest.mark.parametrize("start", [1.0, 0.01, 3000.0])
def test_the_search_finds_the_scale_at_which_the_square_of_the_largest_input_passes_fp16(start: float):
    found = find_ranges(squared(start), search=True)
    assert found.breaks_at is not None
    scale, what = found.breaks_at
    assert what.name == "square"
    assert scale * start == pytest.approx(np.sqrt(65504) / 2, rel=0.01)


def test_a_search_without_a_scale_that_breaks_says_so():
    g = GraphBuilder()
    x = g.input("x", (1, 4))
    bounded = subject_of(g.build([g.unary("TANH", g.op("CAST", [x])[0])]), np.zeros((1, 4), np.float32))
    assert f"nothing leaves fp16 with the inputs scaled by {SCALES[0]:g} to {SCALES[1]:g}" in str(
        find_ranges(bounded, search=True)
    )


@pytest.mark.parametrize(("kind", "is_kept_in_fp16"), [("conv", True), ("mean", False)])
def test_sums_that_cancel_are_named_where_the_delegate_keeps_them_in_fp16(kind: str, is_kept_in_fp16: bool):
    g = GraphBuilder()
    x = g.input("x", (1, 1, 1, 1024))
    weights = np.concatenate([np.ones(512), -np.ones(512)]).astype(np.float32).reshape(1, 1, 1, 1024)
    y = g.conv2d(x, weights, np.zeros(1, np.float32)) if kind == "conv" else g.mean(x, [3])
    found = find_ranges(subject_of(g.build([y]), np.full((1, 1, 1, 1024), 300.0, np.float32)))
    assert [one.how for one in found.leaving] == ([Leaves.INSIDE] if is_kept_in_fp16 else [])
    assert found.tensors[1].inside is not None
    assert found.tensors[1].inside.largest == 300 * (512 if is_kept_in_fp16 else 1024)


def layer_norm(recognised: bool) -> Graph:
    g = GraphBuilder()
    x = g.input("x", (1, 8, 64))
    mean = g.mean(x, [2], name="mean")
    centred = g.sub(x, mean, name="centred")
    square = g.mul(centred, centred, name="square") if recognised else g.binary("SQUARED_DIFFERENCE", x, mean, "square")
    variance = g.mean(square, [2], name="variance")
    root = g.unary("RSQRT", g.add(variance, g.const(1e-5), name="shifted"), name="root")
    return g.build([g.mul(centred, root, name="y")])


def test_a_norm_that_the_delegate_recognises_keeps_its_squares_in_float32():
    inside = {"mean", "centred", "square", "variance", "shifted", "root"}
    assert tensors_inside_norms(layer_norm(True)) == inside
    assert tensors_inside_norms(layer_norm(False)) == frozenset()
    x = 400 * np.random.default_rng(0).standard_normal((1, 8, 64)).astype(np.float32)
    assert find_ranges(subject_of(layer_norm(True), x)).passed
    assert find_ranges(subject_of(layer_norm(False), x)).leaving[0].name == "square"


def test_a_record_is_json_and_holds_every_tensor():
    found = find_ranges(squared(1e30), search=True)
    record = json.loads(json.dumps(found.as_json(), allow_nan=False))
    assert [one["name"] for one in record["tensors"]] == ["x", "square", "mean", "root", "y"]
    assert (record["first"]["name"], record["tensors"][1]["leaves"]) == ("x", "overflows")


def test_an_op_that_is_not_evaluated_is_refused_in_one_line():
    g = GraphBuilder()
    graph = g.build([g.unary("TANH", g.input("x", (1, 4)))])
    foreign = Graph(graph.tensors, tuple(_as_kind(op, "HASHTABLE") for op in graph.ops), graph.inputs, graph.outputs)
    subject = Subject("test", b"", GivenFeeds(((np.zeros((1, 4), np.float32),),)), OwnOps(no_cpu), given_graph=foreign)
    with pytest.raises(BadInput, match="float64 evaluation does not know HASHTABLE") as refused:
        find_ranges(subject)
    assert "\n" not in str(refused.value)


def _as_kind(op, kind: str):
    return type(op)(kind, op.inputs, op.outputs, op.attrs)
