"""What may go wrong: outputs in a dangerous role, what the delegate refuses, constants outside fp16."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cases.builder import GraphBuilder
from cases.findings.transposed_async_copy import MODELS as TRANSPOSED
from cases.graph import Graph, Op, Tensor
from cases.inputs import standard_feeds
from cases.tflite.write import write_tflite
from repro.delegate.adapters import Adapter, Api
from repro.delegate.graph import MAX_RANK
from repro.hazards.lint import find_hazards, find_risks, lint
from runner import targets
from runner.run import FP16_MAX, FP16_ROUNDS_TO_ZERO, Job, Outcome, Precision


def test_risks_do_not_count_as_hazards():
    g = GraphBuilder()
    y = g.unary("NEG", g.input("x", (1, 4, 8)), name="y")
    big = g.const(np.full((4, 8), 1e6), name="big")
    graph = g.build([y, g.mul(y, big)])
    assert find_hazards(graph) == ()
    assert [(risk.rule, risk.tensor) for risk in find_risks(graph)] == [("output-consumed", "y"), ("fp16-range", "big")]


def test_an_output_that_a_hazard_names_is_no_risk_beside_it():
    g = GraphBuilder()
    y = g.add(g.input("x", (1, 4, 8)), g.input("z", (1, 4, 8)), name="y")
    graph = g.build([y, g.sum(y, [2])])
    assert [hazard.rule for hazard in find_hazards(graph)] == ["add-reduce"]
    assert find_risks(graph) == ()


@pytest.mark.parametrize("is_read", [True, False])
def test_an_output_that_is_an_input_is_a_risk_of_its_own_whether_it_is_read_or_not(is_read: bool):
    g = GraphBuilder()
    x, z = g.input("x", (1, 4)), g.input("z", (1, 4))
    (risk,) = find_risks(g.build([x, g.unary("NEG", x if is_read else z)]))
    assert (risk.rule, risk.producer, risk.consumer, risk.affected) == (
        "output-is-input",
        "input",
        "NEG" if is_read else "",
        (0,),
    )


@pytest.mark.slow
@pytest.mark.gpu
def test_of_a_file_with_an_output_that_is_an_input_nothing_is_written_on_the_cpu_either():
    g = GraphBuilder()
    x = g.input("x", (1, 4))
    graph = g.build([g.unary("NEG", x), x])
    feeds = standard_feeds([graph.tensors["x"]], 0)
    for name in ("cpu", "gpu"):
        with targets.open_target(name) as target:
            (run,) = target.run_many([Job(write_tflite(graph), feeds, Precision.FP32, "both ends")])
        assert run.outcome is Outcome.OK
        for outputs, (fed,) in zip(run.outputs, feeds, strict=True):
            assert not any(np.intersect1d(np.abs(fed), np.abs(array)).size for array in outputs), name


@pytest.mark.parametrize("rank", range(1, 7))
def test_the_delegate_takes_ranks_up_to_its_limit(rank):
    g = GraphBuilder()
    risks = find_risks(g.build([g.unary("NEG", g.input("x", (2,) * rank), name="y")]))
    assert [(risk.rule, risk.tensor) for risk in risks] == ([] if rank <= MAX_RANK else [("op-refused", "y")])
    assert all(f"'x' has rank {rank}" in risk.message for risk in risks)


def test_an_op_that_the_delegate_does_not_have_is_named():
    g = GraphBuilder()
    graph = g.build([g.unary("NEG", g.input("x", (1, 4)), name="y")])
    strange = Graph(graph.tensors, (Op("GATHER_ND", ("x",), ("y",)),), graph.inputs, graph.outputs)
    (risk,) = find_risks(strange)
    assert (risk.rule, risk.output, risk.affected) == ("op-refused", None, ())
    assert "the delegate has no GATHER_ND" in risk.message


def test_a_split_into_one_part_is_refused():
    g = GraphBuilder()
    (risk,) = find_risks(g.build(g.split(g.input("x", (1, 4, 8)), 1, 2)))
    assert (risk.rule, risk.producer) == ("op-refused", "SPLIT")


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("reader", ["MUL", "SOME_OP"])
def test_sparse_halves_are_a_risk_where_the_gpu_reads_them_and_the_cpu_unpacks_them(dtype: str, reader: str):
    names = {"w": dtype, "whole": dtype, "floats": "float32", "x": "float32", "y": "float32"}
    tensors = {name: Tensor(name, (1, 4), kind) for name, kind in names.items()}
    tensors["w"] = Tensor("w", (1, 4), dtype, np.ones((1, 4), dtype))
    halves = [Op("DENSIFY", ("w",), ("whole",)), Op("DEQUANTIZE", ("whole",), ("floats",))]
    ops = (*halves, Op(reader, ("x", "floats"), ("y",)))
    found = {(risk.rule, risk.tensor, risk.consumer) for risk in find_risks(Graph(tensors, ops, ("x",), ("y",)))}
    at_risk = dtype == "float16" and reader == "MUL"
    assert (("sparse-half-weights", "floats", "MUL") in found) == at_risk


@pytest.mark.parametrize("model", TRANSPOSED, ids=lambda model: model.name)
@pytest.mark.parametrize("name", ["Mali-G715", "PowerVR Rogue GE8320"])
@pytest.mark.parametrize("over", Api)
def test_weights_that_are_copied_are_a_risk_on_a_powervr_over_opencl(model, name: str, over: Api):
    graph = model.build()
    found = [risk.affected for risk in find_risks(graph) if risk.rule == "transposed-async-copy"]
    assert set(found) == ({model.wrong} if model.wrong else set())
    named = {hazard.rule for hazard in lint(graph, (Adapter(name, Precision.FP32, over),))}
    is_at_risk = bool(model.wrong) and name.startswith("PowerVR") and over is Api.OPENCL
    assert ("transposed-async-copy" in named) == is_at_risk


def read_twice(kind: str) -> Graph:
    g = GraphBuilder()
    x = g.input("x", (1, 3, 3))
    return g.build([g.concat([x, x], 2) if kind == "CONCATENATION" else g.binary(kind, x, x)])


@pytest.mark.parametrize(("kind", "rules"), [("SUB", ["op-refused"]), ("ADD", []), ("MUL", []), ("CONCATENATION", [])])
def test_elementwise_ops_refuse_one_tensor_twice_or_take_it_for_another_op(kind, rules):
    assert [hazard.rule for hazard in lint(read_twice(kind))] == rules


def fp16_risks(values: list[float]) -> list[str]:
    g = GraphBuilder()
    constant = g.const(np.array(values, np.float32), name="k")
    graph = g.build([g.mul(g.input("x", (1, 4, len(values))), constant)])
    return [risk.tensor for risk in find_risks(graph) if risk.rule == "fp16-range"]


@given(st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=4))
def test_a_constant_is_named_where_fp16_makes_it_infinite_or_nothing_but_zeros(values):
    held = np.array(values, np.float32)
    with np.errstate(over="ignore"):
        half = held.astype(np.float16)
    peak = float(np.abs(held).max())
    assume(not FP16_MAX < peak < 65520)  # rounds down to the largest number, and is named all the same
    overflows = not np.isfinite(half).all()
    assume(peak != FP16_ROUNDS_TO_ZERO)  # the tie, which rounds to zero and is not named
    vanishes = peak > 0 and not half.any()
    assert bool(fp16_risks(values)) == (overflows or vanishes)


def silus(*biases: float) -> Graph:
    """A SiLU behind a convolution for each bias, and each behind the last; the first is an output."""
    g = GraphBuilder()
    x = g.input("x", (1, 4, 4, 4))
    outputs = []
    for bias in biases:
        s = g.conv2d(x, np.eye(4).reshape(4, 1, 1, 4), np.full(4, bias))
        x = g.mul(g.unary("LOGISTIC", s), s)
        outputs.append(x)
    return g.build([outputs[0], outputs[-1], g.unary("NEG", g.input("z", (1, 4)))])


def test_the_divisions_in_kernels_of_convolutions_are_one_risk_of_the_model():
    (risk,) = (risk for risk in find_risks(silus(0, 0, 0)) if risk.rule == "fast-math-division")
    assert (risk.producer, risk.consumer, risk.output, risk.affected) == ("CONV_2D", "LOGISTIC", None, (0, 1))
    assert "where its input is below -88 (in fp16 -11) (3 places in this model), it may be NaN" in risk.message


@pytest.mark.parametrize(("floor", "said"), [(-100, "below -88 (in fp16 -11)"), (-80, "below -11 in fp16"), (-10, "")])
def test_a_division_that_cannot_reach_so_far_is_no_risk(floor, said):
    g = GraphBuilder()
    s = g.conv2d(g.input("x", (1, 4, 4, 4)), np.eye(4).reshape(4, 1, 1, 4))
    risks = find_risks(g.build([g.unary("LOGISTIC", g.binary("MAXIMUM", s, g.const(np.float32(floor))))]))
    assert [risk.rule for risk in risks] == (["fast-math-division"] if said else [])
    assert all(f"where its input is {said}, " in risk.message for risk in risks)


def test_constants_of_other_types_have_no_range_to_leave():
    g = GraphBuilder()
    graph = g.build([g.mul(g.input("x", (1, 4), "int32"), g.const([100000] * 4, dtype="int32"))])
    assert find_risks(graph) == ()


@pytest.mark.parametrize(
    ("kind", "shape", "says"),
    [
        ("SUM", (1, 112, 112, 4), "it adds up 12544 numbers, and a mean of 5.2 is enough"),
        ("SUM", (1, 64, 64, 4), ""),
        ("MEAN", (1, 112, 112, 4), ""),
        ("CUMSUM", (1, 9000, 4), "it adds up 9000 numbers"),
        ("CUMSUM", (1, 64, 9000), ""),
    ],
)
def test_a_sum_that_is_long_enough_to_overflow_is_a_risk(kind: str, shape: tuple[int, ...], says: str):
    g = GraphBuilder()
    x = g.input("x", shape)
    total = g.op("CUMSUM", [x, g.const([1], dtype="int32")])[0] if kind == "CUMSUM" else g.reduce(kind, x, [1, 2])
    found = [risk.message for risk in find_risks(g.build([g.unary("TANH", total)])) if risk.rule == "fp16-long-sum"]
    assert len(found) == bool(says)
    assert all(says in message for message in found)
