"""Ops drawn in a type are of that type, and TFLite's kernels compute what the evaluation computes of them."""

from __future__ import annotations

import contextlib
import itertools
import random

import numpy as np
import pytest

from cases.drawn_ops.cells import TYPES, cells
from cases.drawn_ops.draw import Draw
from cases.drawn_ops.feeds import feeds_of
from cases.drawn_ops.typed import KINDS, drawn_graph
from cases.evaluation.evaluate import evaluate, unsupported
from cases.graph import Graph, GraphError
from cases.tflite.write import write_tflite
from runner import targets
from runner.run import Job, Outcome, Precision


def drawn(kind: str, type_: str, seed: int) -> Graph:
    return drawn_graph(Draw(random.Random(f"{kind}/{type_}/{seed}")), kind, type_)


@pytest.mark.parametrize("type_", TYPES)
def test_what_is_drawn_is_of_the_cell(type_: str):
    for kind in ("ADD", "FULLY_CONNECTED", "GATHER"):
        assert (kind, type_) in cells(drawn(kind, type_, 1))


@pytest.mark.parametrize(("kind", "type_"), [("NEG", "int8 weights"), ("LOGICAL_AND", "float32"), ("QUANTIZE", "bool")])
def test_a_cell_that_no_graph_is_of_is_said(kind: str, type_: str):
    with pytest.raises(GraphError, match=f"no {kind} was drawn in {type_}"):
        drawn(kind, type_, 1)


@pytest.mark.parametrize("type_", ["float16 weights", "int8 weights", "int4 weights"])
def test_weights_in_fewer_bits_are_near_the_floats_that_they_were(type_: str):
    """Of a convolution: the product moves by a rounding of its weights, and not by their size."""
    graph = drawn("CONV_2D", type_, 2)
    stored = [tensor for tensor in graph.tensors.values() if tensor.dtype in ("float16", "int8", "int4")]
    assert stored
    feed = feeds_of(graph, 1)[0]
    value = evaluate(graph, feed)[graph.outputs[0]]
    assert np.isfinite(value).all()
    assert np.ptp(value) > 0 or "RELU" in graph.ops[-1].attrs["fused_activation_function"]


def test_feeds_have_whole_numbers_of_both_signs_and_no_zero_divisor():
    graph = drawn("FLOOR_MOD", "int32", 5)
    feeds = [array for feed in feeds_of(graph, 3) for array in feed]
    assert min(array.min() for array in feeds) < 0
    divisors = [
        feed[graph.inputs.index(name)]
        for name in graph.ops[0].inputs[1:]
        if name in graph.inputs
        for feed in feeds_of(graph, 3)
    ]
    assert all(np.all(array) for array in divisors)


@pytest.mark.slow
def test_the_cpu_computes_what_the_evaluation_computes_in_whole_numbers():
    """In a process of its own: some of TFLite's kernels die of a type."""
    graphs = []
    for kind, seed in itertools.product(KINDS, range(8)):
        with contextlib.suppress(GraphError):
            graph = drawn(kind, "int32", seed)
            evaluate(graph, feeds_of(graph, seed)[0])
            if not unsupported(graph) and all(tensor.raw is None for tensor in graph.tensors.values()):
                graphs.append((f"{kind} {seed}", graph, feeds_of(graph, seed)))
    compared = set()
    jobs = [Job(write_tflite(graph), feeds[:1], Precision.FP32, name) for name, graph, feeds in graphs]
    with targets.open_target("cpu:reference", workers=1) as cpu:
        for (name, graph, feeds), run in zip(graphs, cpu.run_many(jobs), strict=True):
            if run.outcome is Outcome.OK:
                ours = evaluate(graph, feeds[0])
                for output, result in zip(graph.outputs, run.outputs[0], strict=True):
                    np.testing.assert_array_equal(ours[output], result, name)
                compared.add(name.partition(" ")[0])
    assert len(compared) > 30
