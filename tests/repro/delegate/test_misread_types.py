"""What is misread for a type or a rank is foretold, of every model that a finding claims something of."""

from __future__ import annotations

import numpy as np
import pytest

from cases.builder import GraphBuilder
from cases.drawn_ops.one_op import Fixed, OneOp, fixed, shaped
from cases.evaluation.evaluate import FLOAT64, evaluate
from cases.findings.registry import FINDING_MODELS
from cases.graph import Graph, Op, Tensor
from cases.tflite.write import write_tflite
from repro.delegate.misread_types import (
    bitcast_misread,
    constant_data_misread,
    displaced,
    loses_range,
    whole_constant_misread,
)
from repro.delegate.replay import replay
from repro.hazards.lint import find_hazards, find_risks
from repro.hazards.rules import RULES
from runner.run import Feed, Job, Precision
from runner.targets import open_target

SLUGS = (
    *("transposed-same-padding", "integer-constant-misread", "integer-activation", "integer-pad", "half-constant"),
    *("gather-batch", "top-k-slice", "one-hot-places", "select-condition", "update-constant-aborts"),
    *("small-constant-aborts", "matmul-weights-transposed", "quantised-pointwise", "embedding-one-scale"),
    *("half-constant-output", "one-hot-values-abort", "embedding-rank-aborts", "computed-bias-aborts", "bitcast-size"),
)


@pytest.mark.parametrize("slug", SLUGS)
def test_each_model_of_a_finding_is_named_if_it_is_wrong_and_else_not(slug: str):
    for model in FINDING_MODELS[slug]:
        assert model.build is not None
        graph = model.build()
        hazards = find_hazards(graph)
        assert {RULES[hazard.rule].finding for hazard in hazards} == (set() if model.healthy else {slug}), model.name
        if model.wrong:
            assert {index for hazard in hazards for index in hazard.affected} == set(model.wrong), model.name


def test_axes_are_displaced_where_ranks_differ_and_letters_do():
    assert displaced((4,), (1, 3, 4)) == [0]
    assert displaced((3, 4), (1, 3, 4)) == [0]
    assert displaced((1, 4), (1, 2, 3, 4)) == []
    assert displaced((1, 3, 4), (1, 3, 4)) == []


def test_a_constant_whose_rows_are_alike_is_read_right_along_any_axis_for_which_a_kernel_compiles():
    alike = np.ones((4,), np.int32)
    assert whole_constant_misread("ADD", alike, (3, 4), (3, 4), False) == ""
    assert whole_constant_misread("ADD", alike, (1, 3, 4), (1, 3, 4), False) == "integer-constant-batch"
    assert whole_constant_misread("ADD", np.arange(4), (1, 3, 4), (1, 3, 4), False) == "integer-constant-batch"
    assert whole_constant_misread("ADD", np.arange(4), (3, 4), (3, 4), False) == "integer-constant-axis"
    assert whole_constant_misread("SUB", np.ones((3, 4)), (3, 4), (3, 4), True) == "integer-constant-first"
    assert whole_constant_misread("ADD", np.ones((3, 4)), (3, 4), (3, 4), True) == ""


def repeated(seed: int) -> tuple[Graph, Feed, bool]:
    """A drawn op of a constant and a tensor of whole numbers; whether the tensor is repeated for the constant."""
    rng = np.random.default_rng(seed)
    result = tuple(int(size) for size in rng.integers(1, 4, rng.integers(1, 5)))
    (constant, runtime) = (tuple(int(rng.choice([1, size])) for size in result) for _ in range(2))
    values = rng.choice([-7, -3, 2, 5, 9], constant).astype(np.int32)
    g = GraphBuilder()
    x = g.input("x", runtime, "int32")
    kind = str(rng.choice(["SUB", "DIV", "FLOOR_DIV", "FLOOR_MOD", "LESS"]))
    g.op(kind, (g.const(values, dtype="int32"), x), name="y")
    graph = g.build(["y"])
    return graph, (rng.choice([1, 2, 3, 11], runtime).astype(np.int32),), runtime != graph.tensors["y"].shape


@pytest.mark.parametrize("seed", range(20))
def test_a_tensor_that_is_repeated_for_a_constant_in_front_of_it_stays_the_second_operand(seed: int):
    graph, _, is_repeated = repeated(seed)
    constant = graph.tensors[graph.ops[0].inputs[0]].data
    is_named = "integer-constant-first" in {hazard.rule for hazard in find_hazards(graph)}
    assert is_named is (not is_repeated and constant is not None and constant.size > 1)


@pytest.mark.gpu
@pytest.mark.slow
def test_which_operand_a_constant_of_whole_numbers_is_taken_for_is_as_the_delegate_does_it():
    drawn = [repeated(seed) for seed in range(200)]
    jobs = [Job(write_tflite(graph), (feed,), Precision.FP32, "repeated") for graph, feed, _ in drawn]
    with open_target("gpu:lavapipe", workers=2) as target:
        runs = target.run_many(jobs)
    wrong = {
        index
        for index, ((graph, feed, _), run) in enumerate(zip(drawn, runs, strict=True))
        if not np.array_equal(run.outputs[0][0], evaluate(graph, feed, FLOAT64)["y"])
    }
    foretold = {index for index, (graph, _, _) in enumerate(drawn) if find_hazards(graph)}
    assert len(wrong) > 20
    assert wrong <= foretold
    # What is foretold and right gives the same with its operands changed over.
    assert len(foretold - wrong) < 10


@pytest.mark.parametrize("dtype", ["int16", "int32", "float32"])
def test_a_pad_is_read_right_in_floats_only(dtype: str):
    x = np.ones((1, 3, 4), dtype)
    graph = shaped(OneOp("PAD", (x, fixed([[0, 0], [0, 1], [0, 0]])), (dtype,)))
    assert {hazard.rule for hazard in find_hazards(graph)} == (set() if dtype == "float32" else {"integer-pad"})


@pytest.mark.parametrize(
    ("source", "result", "is_right"),
    [
        ("int8", "int32", True),
        ("uint8", "float32", True),
        ("int32", "uint8", True),
        ("float32", "uint8", True),
        ("float32", "int32", True),
        ("int16", "int16", True),
        ("int8", "int16", False),
        ("int16", "uint8", False),
        ("int16", "float32", False),
        ("int32", "int8", False),
        ("float32", "int16", False),
    ],
)
def test_bits_are_read_as_another_size_between_bytes_and_words_only(source: str, result: str, is_right: bool):
    sizes = {"int8": 1, "uint8": 1, "int16": 2}
    parts = sizes.get(source, 4) / sizes.get(result, 4)
    wide, narrow = ((2, int(1 / parts)), (2,)) if parts < 1 else ((2,), (2, int(parts)))
    shapes = ((2,), (2,)) if parts == 1 else (wide, narrow)
    read, made = Tensor("x", shapes[0], source), Tensor("y", shapes[1], result)
    in_half = "bitcast-in-half" if parts == 1 else "bitcast-bytes-in-half"
    in_half = in_half if "float32" in (source, result) else ""
    assert bitcast_misread(read, made) == (in_half if is_right else "bitcast-size")


def test_a_vector_of_bytes_is_no_number():
    assert bitcast_misread(Tensor("x", (4,), "int8"), Tensor("y", (), "int32")) == "bitcast-size"
    assert bitcast_misread(Tensor("x", (), "int32"), Tensor("y", (4,), "uint8")) == "bitcast-size"
    assert bitcast_misread(Tensor("x", (), "int32"), Tensor("y", (), "float32")) == "bitcast-in-half"
    assert bitcast_misread(Tensor("x", (), "float32"), Tensor("y", (), "float32")) == ""


@pytest.mark.parametrize(
    ("source", "result", "is_risky"),
    [
        ("int8", "uint8", True),
        ("int16", "int8", True),
        ("int32", "int16", True),
        ("uint8", "int8", True),
        ("uint8", "int16", False),
        ("int8", "int32", False),
        ("int32", "int32", False),
        ("float32", "int8", False),
        ("int32", "bool", False),
    ],
)
def test_a_cast_to_a_smaller_type_is_a_risk_and_no_hazard(source: str, result: str, is_risky: bool):
    assert loses_range(source, result) == is_risky
    graph = shaped(OneOp("CAST", (np.ones((2, 3), source),), (result,)))
    assert not find_hazards(graph)
    assert ("cast-saturates" in {risk.rule for risk in find_risks(graph)}) == is_risky


@pytest.mark.parametrize("kind", ["SELECT", "SELECT_V2"])
def test_one_truth_per_row_is_what_select_means_and_its_second_version_does_not(kind: str):
    truths, x = np.array([True, False, True]), np.ones((3, 1, 3), np.float32)
    graph = shaped(OneOp(kind, (truths, x, -x)))
    assert {hazard.rule for hazard in find_hazards(graph)} == (set() if kind == "SELECT" else {"select-condition"})


@pytest.mark.parametrize(
    ("shape", "axis", "is_wrong"),
    [
        ((2, 4, 3), 1, True),
        ((1, 4, 3), 1, False),
        ((1, 4, 3, 4), 3, True),
        ((1, 4, 3, 4), 1, False),
        ((2, 1, 3), 1, False),
    ],
)
def test_a_gather_of_batches_is_wrong_where_batches_or_axes_are_mixed_up(shape, axis: int, is_wrong: bool):
    x, rows = np.ones(shape, np.float32), np.zeros(shape[:1], np.int32)
    graph = shaped(OneOp("GATHER", (x, rows), attrs={"axis": axis, "batch_dims": 1}))
    assert {hazard.rule for hazard in find_hazards(graph)} == ({"gather-batch"} if is_wrong else set())


@pytest.mark.parametrize("shape", [(3, 4), (1, 1)])
def test_rows_of_a_constant_that_nothing_reads_end_the_process(shape):
    graph = shaped(OneOp("GATHER", (Fixed(np.ones(shape, np.int16)), np.zeros(2, np.int32)), ("int16",), {"axis": 0}))
    assert {hazard.rule for hazard in find_hazards(graph)} == {"small-constant-aborts"}


@pytest.mark.parametrize("held_in", ["an input", "float32", "float16"])
@pytest.mark.parametrize("kind", ["PRELU", "CUMSUM", "SPLIT", "UNPACK", "PACK"])
def test_a_constant_that_is_all_that_an_op_reads_ends_the_process(kind: str, held_in: str):
    """Measured on lavapipe; a float16 in front of a CUMSUM is refused aloud, as other kinds refuse any constant."""
    data, axis = np.ones((2, 4), np.float32), Tensor("axis", (), "int32", np.array(1, np.int32))
    tensors = {"axis": axis, "slopes": Tensor("slopes", (4,), data=data[0])}
    before: tuple[Op, ...] = ()
    if held_in == "float16":
        tensors |= {"half": Tensor("half", (2, 4), "float16", data.astype(np.float16)), "x": Tensor("x", (2, 4))}
        before = (Op("DEQUANTIZE", ("half",), ("x",)),)
    else:
        tensors["x"] = Tensor("x", (2, 4), data=data if held_in == "float32" else None)
    inputs = {"PRELU": ("x", "slopes"), "CUMSUM": ("x", "axis"), "SPLIT": ("axis", "x")}.get(kind, ("x",))
    shapes = {"SPLIT": [(2, 2)] * 2, "UNPACK": [(4,)] * 2, "PACK": [(1, 2, 4)]}.get(kind, [(2, 4)])
    made = {f"y{k}": Tensor(f"y{k}", shape) for k, shape in enumerate(shapes)}
    op = Op(kind, inputs, tuple(made), {"axis": 0, "num_splits": 2})
    graph = Graph({**tensors, **made}, (*before, op), ("x",) if held_in == "an input" else (), tuple(made)).validate()
    aborts = held_in == "float32" or (held_in == "float16" and kind != "CUMSUM")
    assert constant_data_misread(graph, op) == ("constant-data-aborts" if aborts else "")
    if kind != "CUMSUM":  # which has rules of its own
        assert [event.rule for event in replay(graph).events] == ["constant-data-aborts"] * aborts


def test_several_constants_are_packed():
    tensors = {name: Tensor(name, (4,), data=np.ones(4, np.float32)) for name in ("a", "b")}
    op = Op("PACK", ("a", "b"), ("y",), {"axis": 0})
    assert constant_data_misread(Graph({**tensors, "y": Tensor("y", (2, 4))}, (op,), (), ("y",)), op) == ""
