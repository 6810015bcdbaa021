"""LSTM cells: every variant is held against TFLite's kernels in test_handlers.py; here is what states do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from cases.drawn_ops.one_op import OneOp, fixed
from cases.drawn_ops.recurrent import state
from cases.evaluation.arithmetic import FLOAT16, FLOAT32
from cases.evaluation.evaluate import evaluate
from cases.evaluation.handlers import unsupported
from cases.graph import Graph
from cases.tflite.extras import on_grid
from cases.tflite.read import read_tflite
from cases.tflite.write import write_tflite
from tests.cases.evaluation.kernels import computed

RNG = np.random.default_rng(5)
DEPTH, CELLS = 3, 2


def matrix(*shape: int) -> Any:
    return fixed(RNG.normal(size=shape), "float32")


def coupled_cell(weights: Any = None) -> OneOp:
    """An LSTM whose input gate is what the forget gate leaves (CIFG), without peepholes or a projection."""
    inputs = [None, *(weights or matrix(CELLS, DEPTH) for _ in range(3))]
    recurrent = [None, *(matrix(CELLS, CELLS) for _ in range(3))]
    biases = [None, *(matrix(CELLS) for _ in range(3))]
    states = [state((2, CELLS)), state((2, CELLS))]
    operands = [np.ones((2, DEPTH), np.float32), *inputs, *recurrent, None, None, None, *biases, None, None, *states]
    return OneOp("LSTM", operands, attrs={"fused_activation_function": "TANH"})


def test_states_start_at_zero_in_a_file_that_was_written_and_read():
    op = coupled_cell()
    graph = read_tflite(write_tflite(op.graph([(2, CELLS)])))
    assert [graph.role(name).producer for name in ("in18", "in19")] == ["state", "state"]
    np.testing.assert_allclose(evaluate(graph, op.feed)["out0"], computed(graph, op.feed)[0], rtol=1e-5)
    kept = evaluate(graph, op.feed, keep=("in19",))["in19"]
    assert kept.tolist() == np.zeros((2, CELLS)).tolist()


def test_a_sequence_is_as_many_steps_behind_each_other():
    op = coupled_cell()
    once = evaluate(op.graph([(2, CELLS)]), op.feed)["out0"]
    times = np.ones((2, 4, DEPTH), np.float32)
    walk = replace(op, kind="UNIDIRECTIONAL_SEQUENCE_LSTM", operands=[times, *op.operands[1:]])
    outputs = evaluate(walk.graph([(2, 4, CELLS)]), (times,))["out0"]
    np.testing.assert_allclose(outputs[:, 0], once)
    assert np.abs(np.diff(outputs, axis=1)).min() > 0


def test_emulations_are_near_and_weights_of_int8_are_their_real_numbers():
    op = coupled_cell()
    graph = op.graph([(2, CELLS)])
    exact = evaluate(graph, op.feed)["out0"]
    for arithmetic, tolerance in ((FLOAT32, 1e-5), (FLOAT16, 2e-2)):
        np.testing.assert_allclose(evaluate(graph, op.feed, arithmetic)["out0"], exact, atol=tolerance)
    values = RNG.integers(-127, 127, (CELLS, DEPTH)).astype(np.int8)
    records = {f"in{place}": on_grid(0.01) for place in (2, 3, 4)}
    quantised = replace(coupled_cell(fixed(values, "int8")), tensor_raws=records)
    weights = fixed(values * np.float32(0.01), "float32")
    floats = replace(
        quantised, operands=[weights if i in (2, 3, 4) else o for i, o in enumerate(quantised.operands)], tensor_raws={}
    )
    wanted = evaluate(floats.graph([(2, CELLS)]), op.feed)["out0"]
    ours = evaluate(quantised.graph([(2, CELLS)]), op.feed)["out0"]
    np.testing.assert_allclose(ours, wanted, rtol=1e-6)


def test_a_cell_in_integers_and_a_state_as_an_output_are_not_evaluated():
    op = coupled_cell()
    whole = replace(op, outputs=("int8",), tensor_raws={"out0": on_grid(0.01)})
    assert unsupported(whole.graph([(2, CELLS)])) == ["LSTM in integers"]
    graph = op.graph([(2, CELLS)])
    exposed = Graph(graph.tensors, graph.ops, graph.inputs, (*graph.outputs, "in19"))
    assert unsupported(exposed) == ["a state tensor as an output"]
