"""A CAST to float32 that is an output, in fp16: which readers void the model, where, and what mends it."""

from __future__ import annotations

import numpy as np
import pytest

from cases.builder import GraphBuilder
from cases.evaluation.evaluate import FLOAT64, evaluate
from cases.findings import cast_output_moved
from cases.findings.cast_output_consumed import MODELS, cast_and, floats_of
from cases.findings.pieces import weights
from cases.graph import Graph
from repro.delegate.adapters import EVERY_ADAPTER, Adapter, Api, in_words
from repro.fixes.workarounds import avoid_hazards
from repro.hazards.hazard import Hazard, Level
from repro.hazards.lint import find_hazards, lint
from runner.run import Precision

RULE, MOVED = "cast-output-consumed", "cast-output-moved"
IN_FP16, IN_FP32 = (Adapter("llvmpipe", precision) for precision in (Precision.FP16, Precision.FP32))


IN_BUFFERS = (Adapter("NVIDIA H100", Precision.FP16), Adapter("llvmpipe", Precision.FP16, buffers=True))


def named(hazards: tuple[Hazard, ...], rule: str = RULE) -> list[Hazard]:
    return [hazard for hazard in hazards if hazard.rule == rule]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_each_model_of_the_finding_is_foretold_in_fp16_and_right_in_fp32(model):
    graph = model.build()
    found = named(find_hazards(graph, [IN_FP16]))
    assert {index for hazard in found for index in hazard.affected} == set(model.wrong)
    assert not named(lint(graph, [IN_FP32]))


def test_where_nobody_says_the_precision_it_is_a_risk():
    assert not named(find_hazards(cast_and()))
    (risk,) = named(lint(cast_and()))
    assert (risk.level, risk.affected) == (Level.RISKY, (0, 1))


@pytest.mark.parametrize("reader", ["FULLY_CONNECTED", "SUM"])
def test_kernels_that_convert_what_they_read_are_no_risk(reader: str):
    assert not named(lint(cast_and(reader)))


def of_rows(shape: tuple[int, ...], has_bias: bool) -> Graph:
    """A CAST that is an output and read by a FULLY_CONNECTED."""
    g = GraphBuilder()
    y = floats_of(g, g.input("x", shape, "int32"), "int32", "y")
    bias = np.ones(5, np.float32) if has_bias else None
    return g.build([y, g.fully_connected(y, weights(5, 4), bias, name="z")])


@pytest.mark.parametrize(
    ("shape", "has_bias", "is_void"),
    [((3, 4), True, True), ((1, 4), True, True), ((3, 4), False, False), ((2, 3, 4), True, False)],
)
def test_a_fully_connected_of_rows_does_not_convert_where_it_adds_a_bias(shape, has_bias: bool, is_void: bool):
    assert bool(named(find_hazards(of_rows(shape, has_bias), [IN_FP16]))) is is_void


@pytest.mark.parametrize("model", cast_output_moved.MODELS, ids=lambda model: model.name)
def test_what_moves_a_cast_is_foretold_where_tensors_are_buffers_and_right_elsewhere(model):
    graph = model.build()
    for adapter in IN_BUFFERS:
        found = named(find_hazards(graph, [adapter]), MOVED)
        assert {index for hazard in found for index in hazard.affected} == set(model.wrong)
    over_opencl = Adapter("NVIDIA H100", Precision.FP16, Api.OPENCL)
    for adapter in (IN_FP16, Adapter("NVIDIA H100", Precision.FP32), Adapter("Mali-G715", Precision.FP16), over_opencl):
        assert not named(lint(graph, [adapter]), MOVED)


def test_without_an_adapter_what_moves_a_cast_is_a_risk_that_names_those_with_buffers():
    (risk,) = named(lint(cast_output_moved.moved()), MOVED)
    assert (risk.level, risk.affected) == (Level.RISKY, (0, 1))
    names = ("Samsung Xclipse 940", "Apple M2", "NVIDIA H100")
    where = [a for a in EVERY_ADAPTER if a.name in names and a.precision is Precision.FP16 and a.api is Api.WEBGPU]
    assert risk.where == in_words(where)


@pytest.mark.parametrize("graph", [cast_and(), cast_and("CONCATENATION"), cast_output_moved.moved()])
def test_cast_twice_it_is_right_in_textures_and_in_buffers_and_nothing_else_changes(graph: Graph):
    mended = avoid_hazards(graph, also=(RULE, MOVED)).graph
    for adapter in (*IN_BUFFERS, IN_FP16):
        assert not find_hazards(mended, [adapter])
    assert [op.kind for op in mended.ops].count("CAST") == 2
    rng = np.random.default_rng(0)
    feed = tuple(
        rng.integers(-9, 9, graph.tensors[name].shape).astype(graph.tensors[name].dtype) for name in graph.inputs
    )
    before, after = (evaluate(each, feed, FLOAT64) for each in (graph, mended))
    assert all(np.array_equal(before[name], after[name]) for name in graph.outputs)
