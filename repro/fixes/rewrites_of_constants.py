"""Ops that read a constant where the delegate wants a tensor, or a tensor where it wants a constant.

Key insight: some ops take their constants as tensors, each for itself: what a CONCATENATION makes of a constant's two
halves, or a SELECT_V2 of a constant and itself, is a tensor of the same bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from cases.edit import GraphEdit, renamed, with_operand
from cases.evaluation.sparse import dense_of
from cases.graph import Op
from repro.delegate.graph import constant_data
from repro.delegate.kinds import DATA_INPUTS
from repro.hazards.hazard import Hazard
from runner import memory

_DATA = DATA_INPUTS | {"DYNAMIC_UPDATE_SLICE": (0, 1), "PRELU": (0,)}
"""Which operands of an op are data: start indices are an input as it is, and slopes are to be constants."""


def _joined_constants(edit: GraphEdit, hazard: Hazard) -> str:
    """The op reads its constants as what a CONCATENATION of their halves makes."""
    assert hazard.ops is not None
    op = hazard.ops[0]
    changed, made = op, []
    for place in _DATA.get(op.kind, range(len(op.inputs))):
        data = constant_data(edit.graph, op.inputs[place])
        if data is not None:
            changed = with_operand(changed, place, as_tensor(edit, op, op.inputs[place], data))
            made.append(f"'{op.inputs[place]}'")
    edit.swap(op, changed)
    return f"{op.kind} reads {' and '.join(made)} as what an op makes of the constant"


def as_tensor(edit: GraphEdit, op: Op, name: str, data: np.ndarray) -> str:
    """A tensor of the bits of a constant, made in front of `op`; the name to read. data: its elements, in a shape."""
    is_as_stored = edit.tensors[name].data is not None
    whole = edit.tensor_like(name, data.shape) if is_as_stored else edit.tensor(name, data.shape)
    axis = next((axis for axis, size in enumerate(data.shape) if size > 1), None)
    if axis is None:
        always = edit.constant(f"{name}/always", np.ones(data.shape, np.bool_))
        edit.insert_before(op, Op("SELECT_V2", (always, _held(edit, name, data), _held(edit, name, data)), (whole,)))
        return whole
    halves = tuple(_held(edit, name, half) for half in np.array_split(data, 2, axis))
    edit.insert_before(op, Op("CONCATENATION", halves, (whole,), {"axis": axis, "fused_activation_function": "NONE"}))
    return whole


def _held(edit: GraphEdit, name: str, data: np.ndarray) -> str:
    """A constant like another one; what a DEQUANTIZE makes of float16 is float32 now."""
    if edit.tensors[name].data is not None:
        return edit.constant_like(name, data)
    return edit.constant(name, data.astype(np.float32) if data.dtype == np.float16 else data)


def _chosen_values(edit: GraphEdit, hazard: Hazard) -> str:
    """Where a ONE_HOT of 1 and 0 has its ones stands the on value, elsewhere the off value: the same bits."""
    assert hazard.ops is not None
    op = hazard.ops[0]
    output, values = op.outputs[0], op.inputs[2:4]
    shape = edit.tensors[output].shape
    if edit.tensors[output].dtype != "float32":
        return ""
    one, zero = (edit.constant(f"{output}/{number}", np.array(number, np.float32)) for number in (1, 0))
    ones, is_on = edit.tensor_like(output), edit.tensor(f"{output}/is_on", shape, "bool")
    made = edit.swap(op, renamed(with_operand(with_operand(op, 2, one), 3, zero), outputs={output: ones}))
    half = edit.constant(f"{output}/half", np.array(0.5, np.float32))
    compared = Op("GREATER", (ones, half), (is_on,))
    edit.insert_after(made, compared)
    edit.insert_after(compared, Op("SELECT_V2", (is_on, *values), (output,)))
    return f"a SELECT_V2 puts the values of '{output}' where a ONE_HOT has 1 and 0"


def _unpacked_weights(edit: GraphEdit, hazard: Hazard) -> str:
    """The weights as DENSIFY unpacks them, in float16 as they were."""
    assert hazard.ops is not None
    maker = edit.graph.producers[hazard.ops[0].inputs[0]]
    (sparse,), (dense,) = maker.inputs, maker.outputs
    memory.require(math.prod(edit.tensors[sparse].shape) * 2, f"the unpacked weights '{sparse}'")
    data = dense_of(edit.tensors[sparse])
    held = edit.constant(sparse, data)
    for reader in [op for op in edit.ops if dense in op.inputs]:
        edit.swap(reader, renamed(reader, inputs={dense: held}))
    edit.ops.remove(maker)
    return f"'{sparse}' is dense, of {data.size} numbers"


CONSTANT_REWRITES: dict[str, Callable[[GraphEdit, Hazard], str]] = {
    "joined-constants": _joined_constants,
    "chosen-values": _chosen_values,
    "unpacked-weights": _unpacked_weights,
}
