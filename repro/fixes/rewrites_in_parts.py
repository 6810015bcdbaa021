"""Ops that the delegate takes for less than they are, as several that are no more than it takes them for.

Key insight: a composite says by its body what it is, a CUMSUM in reverse is one between two REVERSE_V2s, a GATHER per
batch is one GATHER for each, and what fills a slice of four channels up does not matter if it is never among the
largest. Each gives the same numbers, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from cases.edit import GraphEdit, renamed, with_attributes, with_operand
from cases.evaluation.bodies import fitting_body, in_place_of
from cases.evaluation.quantised import grid_of
from cases.graph import Op
from repro.delegate.graph import SLICE_CHANNELS, constant_data
from repro.hazards.hazard import Hazard
from repro.records.lines import counted
from runner.run import FP16_MAX

MOST_BATCHES = 64
"""For which one op each is still a workaround."""


def _inlined(edit: GraphEdit, hazard: Hazard) -> str:
    """The plain ops of its body in the place of a composite."""
    assert hazard.ops is not None
    op = hazard.ops[0]
    body = fitting_body(op)
    if body is None:
        return ""
    tensors, ops = in_place_of(op, body, edit.tensors)
    edit.tensors.update({tensor.name: tensor for tensor in tensors})
    place = edit.ops.index(op)
    edit.ops[place : place + 1] = ops
    return f"the {len(ops)} ops of its body stand in the place of the composite"


def _plain_cumsum(edit: GraphEdit, hazard: Hazard) -> str:
    """In reverse: between two REVERSE_V2s. Exclusive: of a zero and all but the last."""
    assert hazard.ops is not None
    op = hazard.ops[0]
    source, output, table = op.inputs[0], op.outputs[0], constant_data(edit.graph, op.inputs[1])
    if table is None:
        return ""
    shape = edit.tensors[source].shape
    axis, done = int(np.ravel(table)[0]) % len(shape), []
    axes = edit.constant(f"{output}/axis", np.array([axis], np.int32))
    plain = op
    if op.attrs.get("reverse"):
        turned, sums = edit.tensor_like(source), edit.tensor_like(output)
        edit.insert_before(op, Op("REVERSE_V2", (source, axes), (turned,)))
        plain = renamed(with_operand(plain, 0, turned), outputs={output: sums})
        edit.insert_after(op, Op("REVERSE_V2", (sums, axes), (output,)))
        source = turned
        done.append("between two REVERSE_V2s")
    if op.attrs.get("exclusive"):
        zero = edit.constant(f"{source}/zero", np.zeros((*shape[:axis], 1, *shape[axis + 1 :]), np.float32))
        kept = (*shape[:axis], shape[axis] - 1, *shape[axis + 1 :])
        parts = (zero, _cut(edit, op, source, (0,) * len(shape), kept)) if shape[axis] > 1 else (zero,)
        shifted = edit.tensor_like(source)
        edit.insert_before(op, _concatenation(parts, shifted, axis))
        plain = with_operand(plain, 0, shifted)
        done.append("of a zero and all but the last")
    edit.swap(op, with_attributes(plain, exclusive=False, reverse=False))
    return f"a CUMSUM {', '.join(done)}"


def _gather_per_batch(edit: GraphEdit, hazard: Hazard) -> str:
    """Each batch, by a SLICE, with the index or indices that are its own."""
    assert hazard.ops is not None
    op = hazard.ops[0]
    source, indices, output = op.inputs[0], op.inputs[1], op.outputs[0]
    shape, declared = edit.tensors[source].shape, edit.tensors[output].shape
    batches, axis = shape[0], int(op.attrs.get("axis", 0))
    one_each = len(edit.tensors[indices].shape) == 1
    if int(op.attrs.get("batch_dims", 0)) != 1 or axis < 1 or not one_each or batches > MOST_BATCHES:
        return ""
    rows = []
    wide = (1, *shape[1:axis], 1, *shape[axis + 1 :])
    for batch in range(batches):
        part = _cut(edit, op, source, (batch, *(0,) * (len(shape) - 1)), (1, *shape[1:]))
        index = _cut(edit, op, indices, (batch,), (1,))
        rows.append(edit.tensor_like(output, wide))
        edit.insert_before(op, Op("GATHER", (part, index), (rows[-1],), {"axis": axis, "batch_dims": 0}))
    joined = edit.tensor_like(output, (batches, *wide[1:]))
    edit.insert_before(op, _concatenation(rows, joined, 0))
    target = edit.constant(f"{output}/shape", np.array(declared, np.int32))
    edit.swap(op, Op("RESHAPE", (joined, target), (output,), {"new_shape": list(declared)}))
    return f"a GATHER for each of {batches} batches"


def _full_slices(edit: GraphEdit, hazard: Hazard) -> str:
    """The channels filled up to whole slices with a number that is never among the largest."""
    assert hazard.ops is not None
    op = hazard.ops[0]
    source = op.inputs[0]
    tensor = edit.tensors[source]
    *front, channels = tensor.shape
    missing = -channels % SLICE_CHANNELS
    grid = grid_of(tensor)
    lowest: float = -FP16_MAX  # in float32, too: what is below is not told from it in float16
    if grid is not None or tensor.dtype != "float32":
        lowest = grid.lowest if grid is not None else np.iinfo(tensor.dtype).min
    filling = edit.constant_like(source, np.full((*front, missing), lowest, tensor.dtype))
    full = edit.tensor_like(source, (*front, channels + missing))
    edit.insert_before(op, _concatenation((source, filling), full, len(front)))
    edit.swap(op, with_operand(op, 0, full))
    return f"TOPK_V2 reads '{source}' with {counted(missing, 'more channel')} of {lowest:g}"


def _cut(edit: GraphEdit, op: Op, name: str, begin: Sequence[int], size: Sequence[int]) -> str:
    """A part of a tensor, by a SLICE in front of `op`; the name to read."""
    made = edit.tensor_like(name, size)
    ends = (edit.constant(f"{name}/cut", np.array(numbers, np.int32)) for numbers in (begin, size))
    edit.insert_before(op, Op("SLICE", (name, *ends), (made,)))
    return made


def _concatenation(parts: Sequence[str], made: str, axis: int) -> Op:
    return Op("CONCATENATION", tuple(parts), (made,), {"axis": axis, "fused_activation_function": "NONE"})


PART_REWRITES: dict[str, Callable[[GraphEdit, Hazard], str]] = {
    "inlined": _inlined,
    "plain-cumsum": _plain_cumsum,
    "gather-per-batch": _gather_per_batch,
    "full-slices": _full_slices,
}
