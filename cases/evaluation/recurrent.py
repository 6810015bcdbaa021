"""LSTM cells: one step (LSTM) and a walk along the time axis (UNIDIRECTIONAL_SEQUENCE_LSTM).

Key insight: both have the same 24 operands, and each of the four gates is the same sum: the input and the previous
output through matrices, the cell through a vector (peephole), normalised if the op has layer norms, plus a bias. A
gate's operands lie at fixed distances from each other. States are tensors that the runtime keeps between runs, zero
before the first.

Source: TFLite's `lstm_eval.cc`, `lstm_shared.h` (order of operands) and `reference/lstm_cell.h` (the basic kernel).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cases.evaluation.elementwise import activation
from cases.evaluation.step import Step, Value

_INPUT_GATE, _FORGET_GATE, _CELL_GATE, _OUTPUT_GATE = range(4)
_BASIC = 1  # the schema's LSTMKernelType
_PEEPHOLES = {_INPUT_GATE: 9, _FORGET_GATE: 10, _OUTPUT_GATE: 11}
_PROJECTION, _PROJECTION_BIAS, _OUTPUT_STATE, _CELL_STATE, _NORMS = 16, 17, 18, 19, 20
_NORM_EPSILON = 1e-8


def lstm(step: Step) -> Sequence[Value]:
    """One step: of (input, 4 input weights, 4 recurrent weights, ...) to the output, or the basic kernel."""
    if step.attrs.get("kernel_type", 0) == _BASIC:
        return _basic(step)
    output, cell = _cell(step, step[0], step[_OUTPUT_STATE], step[_CELL_STATE])
    _keep(step, output, cell)
    return (output,)


def sequence_lstm(step: Step) -> Sequence[Value]:
    """One step per time; the input is [time, batch, depth], or [batch, time, depth] unless `time_major`."""
    time_axis = 0 if step.attrs.get("time_major") else 1
    output, cell = step[_OUTPUT_STATE], step[_CELL_STATE]
    outputs = []
    for x in np.moveaxis(step[0], time_axis, 0):
        output, cell = _cell(step, x, output, cell)
        outputs.append(output)
    _keep(step, output, cell)
    return (np.stack(outputs, axis=time_axis),)


def _keep(step: Step, output: Value, cell: Value) -> None:
    """For the next run."""
    for index, value in ((_OUTPUT_STATE, output), (_CELL_STATE, cell)):
        if step.graph.tensors[step.op.inputs[index]].is_state:
            step.variables.states[step.op.inputs[index]] = value


def _cell(step: Step, x: Value, output: Value, cell: Value) -> tuple[Value, Value]:
    """The new output and the new cell state."""
    stored, kind = step.arithmetic.stored, step.attrs.get("fused_activation_function", "NONE")
    forget = _gate(step, _FORGET_GATE, x, output, cell, "SIGMOID")
    # Without an input gate (CIFG) what is not forgotten is taken in.
    coupled = step.optional(1 + _INPUT_GATE) is None
    take = stored(1 - forget) if coupled else _gate(step, _INPUT_GATE, x, output, cell, "SIGMOID")
    update = _gate(step, _CELL_GATE, x, output, cell, kind)
    cell = stored(stored(forget * cell) + stored(take * update))
    cell = _clipped(cell, step.attrs.get("cell_clip", 0.0))
    emit = _gate(step, _OUTPUT_GATE, x, output, cell, "SIGMOID")
    output = stored(emit * stored(activation(step, kind, cell)))
    projection = step.optional(_PROJECTION)
    if projection is not None:
        bias = step.optional(_PROJECTION_BIAS)
        output = step.arithmetic.matmul(output, projection.T)
        output = stored(output if bias is None else step.arithmetic.accumulate(output, bias))
        output = _clipped(output, step.attrs.get("proj_clip", 0.0))
    return output, cell


def _gate(step: Step, gate: int, x: Value, output: Value, cell: Value, kind: str) -> Value:
    arithmetic = step.arithmetic
    total = arithmetic.matmul(x, step[1 + gate].T)
    total = arithmetic.accumulate(total, arithmetic.matmul(output, step[5 + gate].T))
    peephole = step.optional(_PEEPHOLES[gate]) if gate in _PEEPHOLES else None
    if peephole is not None:
        total = arithmetic.accumulate(total, peephole * cell)
    norm, bias = step.optional(_NORMS + gate), step.optional(12 + gate)
    if norm is not None:
        centred = total - total.mean(axis=-1, keepdims=True)
        deviation = np.sqrt(np.square(centred).mean(axis=-1, keepdims=True) + _NORM_EPSILON)
        total = arithmetic.function(centred / deviation) * norm
    if bias is not None:
        total = arithmetic.accumulate(total, bias)
    return arithmetic.stored(activation(step, kind, total))


def _clipped(value: Value, limit: float) -> Value:
    return np.clip(value, -limit, limit) if limit > 0 else value


def _basic(step: Step) -> Sequence[Value]:
    """(input, previous output, weights of all gates, biases, previous cell) to (output, cell, joined, gate sums)."""
    arithmetic, stored = step.arithmetic, step.arithmetic.stored
    joined = np.concatenate([step[0], step[1]], axis=-1)
    sums = stored(arithmetic.accumulate(arithmetic.matmul(joined, step[2].T), step[3]))
    take, update, forget, emit = (
        stored(activation(step, kind, part))
        for kind, part in zip(("SIGMOID", "TANH", "SIGMOID", "SIGMOID"), np.split(sums, 4, axis=-1), strict=True)
    )
    cell = stored(stored(take * update) + stored(forget * step[4]))
    return stored(emit * stored(activation(step, "TANH", cell))), cell, joined, sums
