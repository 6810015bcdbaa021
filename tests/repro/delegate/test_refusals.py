"""What the delegate refuses is told from the file: held against what it says itself, over ops of every kind."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from cases.builder import GraphBuilder
from cases.drawn_ops.one_op import OneOp
from cases.drawn_ops.table import DRAWS
from cases.graph import Graph, Op, Tensor
from cases.tflite.extras import OpExtras, TensorExtras
from cases.tflite.read import read_tflite
from cases.tflite.write import write_tflite
from repro.delegate.refusals import LARGEST_VERSION, SUPPORTED, composite_that_crashes, why_refused
from repro.hazards.lint import find_hazards
from runner import targets
from runner.run import Job, Outcome, Precision
from tests.cases.evaluation.drawn_ops import ops
from tests.cases.evaluation.kernels import shaped
from tests.cases.tflite.signatures import plain, with_composite

MODELS = Path(__file__).resolve().parents[2] / "reports" / "models"
# What its WebGPU kernels lack is no answer of the parser's: reinterpreting bytes.
NOT_THE_PARSERS = frozenset({"BITCAST"})
DRAWN_EACH = 10


def one(kind: str, *inputs: Tensor, output: str = "float32", shape: tuple[int, ...] = (1, 4), version: int = 1) -> str:
    """What is said of one op."""
    tensors = {tensor.name: tensor for tensor in (*inputs, Tensor("y", shape, output))}
    op = Op(kind, tuple(tensor.name for tensor in inputs), ("y",), raw=OpExtras(version))
    return why_refused(Graph(tensors, (op,), (inputs[0].name,), ("y",)), op)


X = Tensor("x", (1, 4))


@pytest.mark.parametrize("kind", sorted(LARGEST_VERSION))
def test_a_newer_version_than_the_parser_takes_is_refused(kind: str):
    table = Tensor("t", (4, 2), "int32", np.zeros((4, 2), np.int32))
    said = one(kind, X, table, table, table, version=LARGEST_VERSION[kind] + 1)
    assert f"the delegate takes at most {LARGEST_VERSION[kind]}" in said or "has no" in said
    assert kind in SUPPORTED


def test_indices_of_a_gather_are_one_row_of_int32():
    assert one("GATHER", X, Tensor("i", (1, 6), "int32")) == "its indices 'i' have rank 2, the delegate takes rank 1"
    assert one("GATHER", X, Tensor("i", (6,), "int64")) == "its indices 'i' are int64, the delegate takes int32"
    assert one("GATHER", X, Tensor("i", (6,), "int32")) == ""


@pytest.mark.parametrize(
    ("shape", "is_refused"),
    [((6, 8), False), ((6, 1, 1, 8), False), ((6, 2, 8), True), ((6, 1, 2, 8), True), ((6, 2, 1, 8), True)],
)
def test_a_table_of_integers_has_two_axes_or_two_more_of_one(shape, is_refused: bool):
    ids = Tensor("ids", (4,), "int32")
    held = {dtype: Tensor("t", shape, dtype, np.zeros(shape, dtype)) for dtype in ("int8", "float32")}
    assert bool(one("EMBEDDING_LOOKUP", ids, held["int8"], version=1)) is is_refused
    assert one("EMBEDDING_LOOKUP", ids, held["float32"]) == ""


def test_types_are_asked_of_what_is_computed_and_not_of_constants():
    wide = Tensor("x", (1, 4), "int64")
    assert one("CAST", wide) == "'x' is int64, which the delegate does not take there"
    assert one("CAST", X, output="int64") == "'y' is int64, which the delegate does not take there"
    assert one("ADD", X, Tensor("c", (1, 4), "int32", np.zeros((1, 4), np.int32))) == ""
    assert one("TANH", Tensor("x", (1, 4), "int32")) == "'x' is int32, which the delegate does not take there"
    assert one("ABS", Tensor("x", (1, 4), "int32"), output="int32") == ""


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("tf_56081_slice_scalar", "STRIDED_SLICE"),
        ("litert_9523_dequantize_fc", "FULLY_CONNECTED"),
        ("tiny_lin__weight_only_wi8_afp32", "FULLY_CONNECTED"),
        ("tf_58746_transpose_conv", "TRANSPOSE_CONV"),
        ("tf_40574_lstm", "WHILE"),
    ],
)
def test_models_of_public_reports_are_foreseen(model: str, kind: str):
    graph = read_tflite((MODELS / f"{model}.tflite").read_bytes())
    assert {op.kind for op in graph.ops if why_refused(graph, op)} == {kind}


def test_a_composite_ends_the_process_where_its_name_is_known_and_is_refused_elsewhere():
    known, foreign = (with_composite(plain("ABS"), name) for name in ("odml.rms_norm", "theirs"))
    assert composite_that_crashes(known.ops[0]) == "odml.rms_norm"
    assert not composite_that_crashes(foreign.ops[0])
    assert why_refused(known, known.ops[0]) == ""
    (hazard,) = find_hazards(known)
    assert (hazard.rule, hazard.effect, hazard.affected) == ("composite-aborts", "abort", (0,))
    assert "odml.rms_norm" in hazard.message
    assert why_refused(foreign, foreign.ops[0]) == "the delegate knows no composite theirs"
    assert find_hazards(foreign) == ()


def test_what_is_kept_from_run_to_run_is_not_loaded():
    g = GraphBuilder()
    graph = g.build([g.unary("NEG", g.input("x", (1, 4)), name="y")])
    op = replace(graph.ops[0], kind="ADD", inputs=("x", "s"))
    state = Tensor("s", (1, 4), raw=TensorExtras(is_variable=True))
    assert "kept from run to run" in why_refused(replace(graph, tensors={**graph.tensors, "s": state}, ops=(op,)), op)


def drawn(kind: str, each: int) -> list[Graph]:
    """Graphs of one op of a kind that TFLite's own kernels take."""
    graphs: list[Graph] = []

    @settings(max_examples=each, phases=[Phase.generate], suppress_health_check=list(HealthCheck), derandomize=True)
    @given(ops(kind))
    def keep(one: OneOp) -> None:
        with suppress(ValueError, RuntimeError):
            graphs.append(shaped(one)[0])

    keep()
    return graphs


@pytest.mark.slow
@pytest.mark.gpu
@pytest.mark.parametrize("each", [2, pytest.param(DRAWN_EACH, marks=pytest.mark.long)])
def test_ops_of_every_kind_are_refused_just_where_it_is_foretold(each: int):
    graphs = [graph for kind in sorted(DRAWS.keys() - NOT_THE_PARSERS) for graph in drawn(kind, each)]
    feeds = [tuple(np.ones(g.tensors[n].shape, g.tensors[n].dtype) for n in g.inputs) for g in graphs]
    jobs = (Job(write_tflite(graph), (feed,)) for graph, feed in zip(graphs, feeds, strict=True))
    wrong = []
    with targets.open_target("gpu", workers=2) as target:
        for graph, run in zip(graphs, target.run_many(jobs), strict=True):
            said = why_refused(graph, graph.ops[0])
            if run.outcome in (Outcome.OK, Outcome.REFUSED) and (run.outcome is Outcome.REFUSED) != bool(said):
                shapes = [graph.tensors[name].shape for name in graph.ops[0].inputs if name]
                wrong.append(f"{graph.ops[0].kind} of {shapes}: {run.outcome} ({run.message}), foretold '{said}'")
    assert len(graphs) > 50 * each
    assert not wrong, "\n".join(wrong)


@pytest.mark.slow
@pytest.mark.gpu
@pytest.mark.parametrize("held", [True, False])
def test_a_reshape_to_no_dimensions_is_taken_where_the_file_holds_its_empty_shape(held: bool):
    shape = Tensor("s", (0,), "int32", np.zeros(0, np.int32), TensorExtras(has_empty_data=True) if held else None)
    tensors = {"x": Tensor("x", (1, 1)), "s": shape, "y": Tensor("y", ()), "z": Tensor("z", ())}
    ops = (Op("RESHAPE", ("x", "s"), ("y",)), Op("ABS", ("y",), ("z",)))
    graph = read_tflite(write_tflite(Graph(tensors, ops, ("x",), ("z",))))
    with targets.open_target("gpu") as target:
        run = target.run(Job(write_tflite(graph), ((np.full((1, 1), -2, np.float32),),)))
    assert (run.outcome is Outcome.REFUSED) == bool(why_refused(graph, graph.ops[0])) == (not held)
    assert held is False or run.outputs[0][0] == 2


@pytest.mark.slow
@pytest.mark.gpu
@pytest.mark.parametrize("name", ["odml.rms_norm", "odml.rope", "theirs"])
def test_a_composite_ends_as_foretold_by_its_name(name: str):
    graph = read_tflite((MODELS / "mlc_1134_rms_norm_composite.tflite").read_bytes())
    record = graph.ops[0].raw.options_2
    record.name = name.encode()
    feed = tuple(np.ones(graph.tensors[n].shape, np.float32) for n in graph.inputs)
    with targets.open_target("gpu") as target:
        run = target.run(Job(write_tflite(graph), (feed,), Precision.FP32))
    assert run.outcome is (Outcome.CRASH if composite_that_crashes(graph.ops[0]) else Outcome.REFUSED)
