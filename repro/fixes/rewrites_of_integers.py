"""Ops on integers that stand for numbers, and on small integers, in a form that the delegate computes right.

Key insight: what the delegate does not know of integers it does in float32, and a CAST reaches them as they lie in the
tensor: so the scales can be said aloud, by a MUL in front and behind. Integers of 16 bits and less are whole numbers in
float32, and so are the weights that a scale per block stands for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from cases.edit import GraphEdit, renamed, with_operand
from cases.evaluation.quantised import Grid, constant_of, grid_of
from cases.graph import Op
from repro.delegate.graph import constant_data
from repro.fixes.rewrites import at_rank
from repro.fixes.rewrites_of_constants import as_tensor
from repro.hazards.hazard import Hazard
from runner import memory


def _in_reals(edit: GraphEdit, hazard: Hazard) -> str:
    """The op on the real numbers that its int16 tensors stand for, and its result put on the grid again."""
    assert hazard.ops is not None
    op = hazard.ops[0]
    output, made = op.outputs[0], grid_of(edit.tensors[op.outputs[0]])
    if made is None or made.scale.size != 1:
        return ""
    operands = []
    for name in op.inputs:
        grid = grid_of(edit.tensors[name]) if name else None
        data = constant_of(edit.tensors[name]) if grid is not None else None
        if grid is None:
            operands.append(name)  # axes, which are no numbers
        elif data is not None:
            operands.append(edit.constant(name, grid.real(data).astype(np.float32)))
        else:
            operands.append(_real(edit, op, name, grid))
    result = edit.tensor(output, edit.tensors[output].shape)
    last = edit.swap(op, replace(op, inputs=tuple(operands), outputs=(result,)))
    for kind, number in (("MUL", 1 / float(made.scale)), ("MINIMUM", made.highest), ("MAXIMUM", made.lowest)):
        last, result = _behind(edit, last, kind, result, number)
    whole = edit.tensor(output, edit.tensors[output].shape)
    edit.insert_after(last, rounding := Op("ROUND", (result,), (whole,)))
    edit.insert_after(rounding, edit.cast(whole, output))
    return f"{op.kind} works on the real numbers that its int16 tensors stand for"


def _real(edit: GraphEdit, op: Op, name: str, grid: Grid) -> str:
    """The real numbers of an int16 tensor in front of `op`; int16 has no zero point."""
    shape = edit.tensors[name].shape
    integers, real = edit.tensor(name, shape), edit.tensor(name, shape)
    edit.insert_before(op, edit.cast(name, integers))
    scale = edit.constant(f"{name}/scale", np.array(grid.scale, np.float32))
    edit.insert_before(op, Op("MUL", (integers, scale), (real,), {"fused_activation_function": "NONE"}))
    return real


def _behind(edit: GraphEdit, maker: Op, kind: str, name: str, number: float) -> tuple[Op, str]:
    """Another op with a number behind the one that makes `name`; that op and its result."""
    made = edit.tensor_like(name)
    limit = edit.constant(f"{name}/{kind.lower()}", np.array(number, np.float32))
    step = Op(kind, (name, limit), (made,), {"fused_activation_function": "NONE"} if kind == "MUL" else {})
    edit.insert_after(maker, step)
    return step, made


def _float_weights(edit: GraphEdit, hazard: Hazard) -> str:
    """The weights as the float32 numbers that they stand for."""
    assert hazard.ops is not None
    op = hazard.ops[0]
    weights = edit.tensors[op.inputs[1]]
    grid, steps = grid_of(weights), constant_of(weights)
    if grid is None or steps is None:
        return ""
    memory.require(steps.size * 8, f"float32 weights of '{op.outputs[0]}'")
    edit.swap(op, with_operand(op, 1, edit.constant(weights.name, grid.real(steps).astype(np.float32))))
    return f"the weights of {op.kind} are float32 (8 times as large)"


def _one_rank(edit: GraphEdit, hazard: Hazard) -> str:
    """Operands of one rank; a vector of which the largest are looked for becomes a row."""
    assert hazard.ops is not None
    op = hazard.ops[0]
    if op.kind == "TOPK_V2":
        row = (1, *edit.tensors[op.inputs[0]].shape)
        changed = edit.swap(op, with_operand(op, 0, edit.reshape_before(op, op.inputs[0], row)))
        for name in op.outputs:
            changed = edit.reshape_after(changed, name, (1, *edit.tensors[name].shape))
        return f"TOPK_V2 reads '{op.inputs[0]}' as {list(row)}"
    rank = len(edit.tensors[op.outputs[0]].shape)
    lower = [name for name in op.inputs if len(edit.tensors[name].shape) < rank]
    edit.swap(op, renamed(op, inputs={name: at_rank(edit, op, name, rank) for name in lower}))
    return f"{op.kind} reads {' and '.join(map(repr, lower))} at rank {rank}"


def _in_int32(edit: GraphEdit, hazard: Hazard) -> str:
    """The op on int32 between CASTs, its constants too; on numbers that int16 stands for, on those."""
    assert hazard.ops is not None
    op = hazard.ops[0]
    if grid_of(edit.tensors[op.outputs[0]]) is not None and op.kind not in _MOVED:
        return _in_reals(edit, hazard)
    dtype = edit.tensors[op.outputs[0]].dtype
    changed = op
    for place, name in enumerate(op.inputs):
        tensor = edit.tensors[name]
        if tensor.dtype != dtype:
            continue
        if tensor.data is not None:
            changed = with_operand(changed, place, edit.constant(name, tensor.data.astype(np.int32)))
        else:
            changed = with_operand(changed, place, edit.whole_numbers_before(op, name))
    if changed is op or len(op.outputs) != 1:
        return ""
    whole = edit.tensor(op.outputs[0], edit.tensors[op.outputs[0]].shape, "int32")
    last = edit.swap(op, renamed(changed, outputs={op.outputs[0]: whole}))
    edit.insert_after(last, edit.cast(whole, op.outputs[0]))
    return f"{op.kind} works on int32, between CASTs"


_MOVED = frozenset({"CONCATENATION", "PACK", "GATHER", "SELECT", "SELECT_V2", "MAXIMUM", "MINIMUM"})
"""Ops that hand integers on, whatever they stand for."""
_TURNED = {"LESS": "GREATER", "GREATER": "LESS", "LESS_EQUAL": "GREATER_EQUAL", "GREATER_EQUAL": "LESS_EQUAL"}


def _constant_second(edit: GraphEdit, hazard: Hazard) -> str:
    """A difference as the sum with what is negative, a comparison the other way round; else it becomes a tensor."""
    assert hazard.ops is not None
    op = hazard.ops[0]
    constant, runtime = op.inputs
    if op.kind == "SUB":
        negative = edit.tensor_like(runtime)
        edit.insert_before(op, Op("NEG", (runtime,), (negative,)))
        edit.swap(op, replace(op, kind="ADD", inputs=(negative, constant), raw=None))
        return f"an ADD of '{constant}' and what a NEG makes of '{runtime}'"
    data = constant_data(edit.graph, constant)
    assert data is not None
    if op.kind not in _TURNED:
        aligned = data.reshape(*(1,) * (len(edit.tensors[op.outputs[0]].shape) - data.ndim), *data.shape)
        edit.swap(op, with_operand(op, 0, as_tensor(edit, op, constant, aligned)))
        return f"{op.kind} reads '{constant}' as what an op makes of the constant"
    edit.swap(op, replace(op, kind=_TURNED[op.kind], inputs=(runtime, constant), raw=None))
    return f"{_TURNED[op.kind]} with '{constant}' as its second operand"


INTEGER_REWRITES: dict[str, Callable[[GraphEdit, Hazard], str]] = {
    "in-reals": _in_reals,
    "float-weights": _float_weights,
    "one-rank": _one_rank,
    "in-int32": _in_int32,
    "constant-second": _constant_second,
}
