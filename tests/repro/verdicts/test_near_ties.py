"""Positions, comparisons and cuts: legal where the values they hang on are within their noise, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cases.graph import Graph, Op, Tensor
from cases.inputs import GivenFeeds
from cases.tflite.extras import on_grid
from cases.tflite.write import write_tflite
from repro.verdicts.judge import judge
from repro.verdicts.near_ties import NearTies
from repro.verdicts.references import OWN_OPS_ONLY
from repro.verdicts.subject import Subject
from repro.verdicts.thresholds import DEFAULT
from repro.verdicts.verdict import Status
from runner.run import Fingerprint, Outcome, Precision, Run

ROWS = 6


def chosen(kind: str, dtype: str = "int32", channels: int = 5, k: int = 1) -> Graph:
    """TANH of x [6, channels], then what chooses by it, laid out anew."""
    tensors = {
        "x": Tensor("x", (ROWS, channels)),
        "v": Tensor("v", (ROWS, channels)),
        "largest": Tensor("largest", (ROWS, k)),
        "axis": Tensor("axis", (), "int32", np.array(1, np.int32)),
        "k": Tensor("k", (), "int32", np.array(k, np.int32)),
        "zero": Tensor("zero", (), "float32", np.array(0, np.float32)),
    }
    inputs, outputs, shape = {
        "ARG_MAX": (("v", "axis"), ("chosen",), (ROWS,)),
        "ARG_MIN": (("v", "axis"), ("chosen",), (ROWS,)),
        "TOPK_V2": (("v", "k"), ("largest", "chosen"), (ROWS, k)),
        "GREATER": (("v", "zero"), ("chosen",), (ROWS, channels)),
        "CAST": (("v",), ("chosen",), (ROWS, channels)),
    }[kind]
    size = int(np.prod(shape))
    tensors["chosen"] = Tensor("chosen", shape, dtype)
    tensors["shape"] = Tensor("shape", (2,), "int32", np.array([1, size], np.int32))
    tensors["y"] = Tensor("y", (1, size), dtype)
    ops = (
        Op("TANH", ("x",), ("v",)),
        Op(kind, inputs, outputs, {"output_type": 2} if kind.startswith("ARG") else {}),
        Op("RESHAPE", ("chosen", "shape"), ("y",)),
    )
    used = {name for op in ops for name in (*op.inputs, *op.outputs)}
    return Graph({name: tensors[name] for name in tensors if name in used}, ops, ("x",), ("y",))


def legal(graph: Graph, x: np.ndarray, right: np.ndarray, actual: np.ndarray, precision: Precision) -> np.ndarray:
    found = NearTies(graph, ((x,),), precision, DEFAULT).are_legal("y", 0, right.reshape(1, -1), actual.reshape(1, -1))
    assert found is not None
    return found.reshape(actual.shape)


def drawn(seed: int, gap: float) -> np.ndarray:
    """Rows whose two largest values, at places 1 and 3, are `gap` apart, the others clearly below."""
    x = np.random.default_rng(seed).uniform(-1, -0.5, (ROWS, 5)).astype(np.float32)
    x[:, 1], x[:, 3] = 0.5, 0.5 - gap
    return x


@pytest.mark.parametrize(("gap", "is_near"), [(1e-7, True), (1e-2, False)])
@given(seed=st.integers(0, 2**16))
@settings(max_examples=5, deadline=None)
def test_the_place_of_a_value_as_large_is_legal_and_of_a_smaller_one_is_not(gap: float, is_near: bool, seed: int):
    x, right = drawn(seed, gap), np.full(ROWS, 1)
    found = legal(chosen("ARG_MAX"), x, right, np.array([3, 1, 3, 0, 9, -1]), Precision.FP32)
    assert found.tolist() == [is_near, True, is_near, False, False, False]
    mirrored = legal(chosen("ARG_MIN"), -x, right, np.array([3, 1, 3, 0, 9, -1]), Precision.FP32)
    assert mirrored.tolist() == found.tolist()


def test_what_fp16_cannot_tell_apart_is_a_tie_in_fp16_alone():
    x, right, other = drawn(0, 5e-4), np.full(ROWS, 1), np.full(ROWS, 3)
    assert legal(chosen("ARG_MAX"), x, right, other, Precision.FP16).all()
    assert not legal(chosen("ARG_MAX"), x, right, other, Precision.FP32).any()


def test_ranks_of_equal_values_may_change_places_and_none_comes_twice():
    x = drawn(0, 1e-7)
    right = np.tile([1, 3], (ROWS, 1))
    swapped, twice, wrong = np.tile([3, 1], (ROWS, 1)), np.tile([1, 1], (ROWS, 1)), np.tile([1, 0], (ROWS, 1))
    graph = chosen("TOPK_V2", k=2)
    assert legal(graph, x, right, swapped, Precision.FP32).all()
    assert not legal(graph, x, right, twice, Precision.FP32).any()
    assert not legal(graph, x, right, wrong, Precision.FP32)[:, 1].any()


def test_a_comparison_may_go_either_way_only_at_its_edge():
    x = np.tile(np.array([1e-9, -1e-9, 0.1, -0.1, 1.0], np.float32), (ROWS, 1))
    right = x > 0
    found = legal(chosen("GREATER", "bool"), x, right, ~right, Precision.FP32)
    assert (found == [True, True, False, False, False]).all()


def test_a_cut_number_may_be_the_next_one_only_near_a_whole_number():
    x = np.tile(np.arctanh(np.array([0.5, 0.9999999, -0.5, 0.2, -0.9], np.float64)).astype(np.float32), (ROWS, 1))
    right = np.zeros((ROWS, 5), np.int32)
    found = legal(chosen("CAST"), x, right, np.ones((ROWS, 5), np.int32), Precision.FP32)
    assert (found == [False, True, False, False, False]).all()


def bytes_of(kind: str, shape: tuple[int, ...], made: str = "bool") -> Graph:
    """An op of one or two inputs of uint8 on grids of steps 0.05 and 0.1; a result of uint8 is on the first."""
    grids = {"x": on_grid(0.05, 104), "z": on_grid(0.1, 114)}
    names = ("x", "z") if kind != "AVERAGE_POOL_2D" else ("x",)
    tensors = {name: Tensor(name, shape, "uint8", raw=grids[name]) for name in names}
    tensors["y"] = Tensor("y", (1, 1, 1, 3) if kind == "AVERAGE_POOL_2D" else shape, made)
    attrs = {"filter_height": 2, "filter_width": 2, "stride_h": 2, "stride_w": 2, "padding": "VALID"}
    if made == "uint8":
        tensors["y"] = Tensor("y", tensors["y"].shape, made, raw=grids["x"])
    return Graph(tensors, (Op(kind, names, ("y",), attrs if len(names) == 1 else {}),), names, ("y",))


def legal_of_feed(graph: Graph, feed: tuple[np.ndarray, ...], right, actual, precision=Precision.FP32) -> list[bool]:
    ties = NearTies(graph, (feed,), precision, DEFAULT)
    found = ties.are_legal("y", 0, np.asarray(right), np.asarray(actual))
    assert found is not None
    return found.reshape(-1).tolist()


@pytest.mark.parametrize("precision", list(Precision))
def test_bytes_on_two_grids_that_stand_for_one_number_may_compare_either_way(precision: Precision):
    """18 on the first grid and 71 on the second both stand for -4.3, but not to a delegate that rounds."""
    x, z = np.array([18, 19, 200], np.uint8), np.array([71, 71, 71], np.uint8)
    right = np.array([False, True, True])
    assert legal_of_feed(bytes_of("NOT_EQUAL", (3,)), (x, z), right, ~right, precision) == [True, False, False]


def test_a_byte_may_be_its_neighbour_only_where_the_number_lies_halfway():
    """Means of 100.5, 100.25 and 100.0 steps."""
    x = np.array([[[100, 100, 100], [101, 100, 100]], [[100, 100, 100], [101, 101, 100]]], np.uint8)[None]
    graph, right = bytes_of("AVERAGE_POOL_2D", (1, 2, 2, 3), "uint8"), np.array([[[[101, 100, 100]]]], np.uint8)
    assert legal_of_feed(graph, (x,), right, right - 1) == [True, False, False]
    assert legal_of_feed(graph, (x,), right, right + 1) == [False, True, False]
    assert legal_of_feed(graph, (x,), right, right - 2) == [False, False, False]


@pytest.mark.parametrize(("kind", "right", "other"), [("FLOOR_DIV", 3.0, 2.0), ("FLOOR_MOD", 0.0, 0.7)])
def test_a_quotient_that_is_about_whole_may_be_the_next_one(kind: str, right: float, other: float):
    x, z = np.array([2.1, 2.2, 2.45], np.float32), np.full(3, 0.7, np.float32)
    tensors = {name: Tensor(name, (3,)) for name in ("x", "z", "y")}
    graph = Graph(tensors, (Op(kind, ("x", "z"), ("y",)),), ("x", "z"), ("y",))
    wanted = np.full(3, right) if kind == "FLOOR_DIV" else np.mod(x.astype(float), z.astype(float))
    assert legal_of_feed(graph, (x, z), wanted, np.full(3, other, np.float32)) == [True, False, False]


def test_other_whole_numbers_hang_on_nothing():
    graph = Graph({"x": Tensor("x", (4,)), "y": Tensor("y", (4,))}, (Op("NEG", ("x",), ("y",)),), ("x",), ("y",))
    ties = NearTies(graph, ((np.zeros(4, np.float32),),), Precision.FP32, DEFAULT)
    assert ties.are_legal("y", 0, np.zeros(4), np.ones(4)) is None
    assert ties.are_legal("x", 0, np.zeros(4), np.ones(4)) is None


@pytest.mark.parametrize(("place", "status"), [(3, Status.PASS), (0, Status.FAIL), (9, Status.FAIL)])
def test_the_judge_passes_a_near_tie_and_fails_another_place_and_one_outside_of_the_tensor(place: int, status: Status):
    """9 of 5 stands for LiteRT's ARG_MAX over channels that are no multiple of 4: a padding lane wins."""
    graph, rng = chosen("ARG_MAX"), np.random.default_rng(0)
    near = drawn(0, 1e-7)
    feeds = tuple((np.concatenate([near[:1], rng.standard_normal((5, 5)).astype(np.float32)]),) for _ in range(3))
    subject = Subject("ties", write_tflite(graph), GivenFeeds(feeds), OWN_OPS_ONLY, given_graph=graph)
    outputs = [right.copy() for (right,) in subject.references]
    for output in outputs:
        output[0, 0] = place
    fingerprint = Fingerprint("t", "", {}, "", "", "fp32", "")
    run = Run("ties", Outcome.OK, fingerprint, tuple((output,) for output in outputs), ("y",))
    (verdict,) = judge(run, subject)
    assert verdict.status is status
