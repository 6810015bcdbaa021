"""Constants where a tensor is wanted, and the reverse: in the other form no hazard is left, and every bit stays."""

from __future__ import annotations

import numpy as np
import pytest

from cases.builder import GraphBuilder
from cases.evaluation.evaluate import evaluate
from cases.findings.one_hot_values_abort import encoded
from cases.findings.update_constant_aborts import updated
from cases.graph import Graph
from cases.inputs import standard_feeds
from cases.tflite.write import write_tflite
from repro import api
from repro.fixes.workarounds import avoid_hazards
from repro.verdicts.verdict import Status
from tests.repro.fixes.rewriting import kinds, rewritten
from tests.repro.trials.test_partial import with_sparse_weights


@pytest.mark.parametrize("dtype", ["float32", "int32", "bool"])
@pytest.mark.parametrize("rank", [3, 4])
@pytest.mark.parametrize(("whole", "part"), [("constant", "input"), ("input", "constant"), ("constant", "constant")])
def test_what_is_updated_is_joined_of_its_halves(whole: str, part: str, rank: int, dtype: str):
    new = rewritten(updated(whole, part, rank, dtype), "update-constant-aborts")
    assert kinds(new) == ["CONCATENATION"] * [whole, part].count("constant") + ["DYNAMIC_UPDATE_SLICE"]


def single() -> Graph:
    """One number is replaced in a row by a constant."""
    g = GraphBuilder()
    operands = (g.input("x", (1, 1, 1, 8)), g.const(np.full((1, 1, 1, 1), 3.0)), g.input("start", (4,), "int32"))
    return g.build(g.op("DYNAMIC_UPDATE_SLICE", operands, name="y"))


def half() -> Graph:
    """What is updated is held in float16."""
    g = GraphBuilder()
    (held,) = g.op("DEQUANTIZE", (g.const(np.arange(64).reshape(1, 8, 2, 4), dtype="float16"),))
    operands = (held, g.input("part", (1, 1, 2, 4)), g.input("start", (4,), "int32"))
    return g.build(g.op("DYNAMIC_UPDATE_SLICE", operands, name="y"))


def test_a_constant_of_one_element_has_no_halves_and_is_chosen():
    assert kinds(rewritten(single(), "update-constant-aborts")) == ["SELECT_V2", "DYNAMIC_UPDATE_SLICE"]


def test_what_is_held_in_float16_is_joined_in_float32():
    assert kinds(rewritten(half(), "update-constant-aborts"))[-2:] == ["CONCATENATION", "DYNAMIC_UPDATE_SLICE"]


def only_a_constant(kind: str) -> Graph:
    """An op of which all data is a constant, in front of a sum with an input."""
    g = GraphBuilder()
    table, axis = g.const(np.arange(64).reshape(1, 8, 2, 4) - 20), g.const(1, dtype="int32")
    inputs = {"PRELU": (table, g.const(np.full((1, 1, 4), 0.5))), "SPLIT": (axis, table)}.get(kind, (table, axis))
    first = g.op(kind, inputs, **({"num_splits": 2} if kind == "SPLIT" else {}))[0]
    return g.build([g.add(first, g.input("x", g.shape(first)), name="y")])


@pytest.mark.parametrize("kind", ["PRELU", "CUMSUM", "SPLIT"])
def test_what_is_all_that_an_op_reads_is_joined_of_its_halves(kind: str):
    assert kinds(rewritten(only_a_constant(kind), "constant-data-aborts")) == ["CONCATENATION", kind, "ADD"]


@pytest.mark.parametrize("kind", ["DIV", "FLOOR_DIV", "FLOOR_MOD"])
@pytest.mark.parametrize("shape", [(2, 4), (2, 3, 4)])
def test_a_quotient_of_a_constant_reads_it_as_a_tensor(kind: str, shape: tuple[int, ...]):
    g = GraphBuilder()
    constant = g.const(np.arange(1, 1 + np.prod(shape)).reshape(shape) * 7, dtype="int32")
    divisor = g.op("MAXIMUM", (g.input("x", shape, "int32"), g.const(1, dtype="int32")))[0]
    graph = g.build(g.op(kind, (constant, divisor), name="y"))
    assert kinds(rewritten(graph, "integer-constant-first")) == ["MAXIMUM", "CONCATENATION", kind]


@pytest.mark.parametrize("rank", [1, 2])
@pytest.mark.parametrize(("on", "off"), [("input", "constant"), ("constant", "input"), ("input", "input")])
def test_the_values_of_a_one_hot_are_chosen_behind_it(on: str, off: str, rank: int):
    new = rewritten(encoded(on, off, rank), "one-hot-values-abort")
    assert kinds(new) == ["ONE_HOT", "GREATER", "SELECT_V2"]


def test_sparse_weights_are_written_dense_in_float16_as_they_were():
    graph = with_sparse_weights("float16")
    mended = avoid_hazards(graph, also=["sparse-half-weights"]).graph
    assert kinds(mended) == [kind for kind in kinds(graph) if kind != "DENSIFY"]
    (dequantize,) = [op for op in mended.ops if op.kind == "DEQUANTIZE"]
    assert mended.tensors[dequantize.inputs[0]].dtype == "float16"
    feed = standard_feeds([graph.tensors["x"]], 0)[0]
    np.testing.assert_array_equal(evaluate(mended, feed)["z"], evaluate(graph, feed)["z"])


@pytest.mark.slow
@pytest.mark.gpu
def test_a_model_of_sparse_weights_is_refused_and_then_runs_on_the_gpu_alone():
    model = write_tflite(with_sparse_weights("float16"))
    assert {verdict.status for verdict in api.check(model, target="gpu:lavapipe").verdicts} == {Status.REFUSED}
    fixed = api.fix(model, target="gpu:lavapipe", precision="both", also=["sparse-half-weights"])
    assert api.check(fixed.model, target="gpu:lavapipe").passed


@pytest.mark.slow
@pytest.mark.gpu
@pytest.mark.parametrize(
    "build",
    [single, lambda: only_a_constant("SPLIT"), lambda: updated(dtype="bool"), lambda: encoded("input", "input", 2)],
)
def test_the_delegate_computes_them_right(build):
    fixed = api.fix(write_tflite(build()), target="gpu:lavapipe", precision="both")
    assert fixed.proof is not None
