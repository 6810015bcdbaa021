"""How much memory an evaluation will take, told before anything is made.

Key insight: a graph declares the shape of everything in it, so the peak can be had by walking its ops once: what is
still needed, what the op reads, what it makes, and what its handler holds meanwhile. A damaged file may declare less
than its ops compute (an ADD of a row and a column, a PAD by a billion), so what an op makes is asked of its operands.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from cases.evaluation.bodies import with_bodies_in_place
from cases.evaluation.handlers import unsupported
from cases.evaluation.step import PART_ELEMENTS, is_read_in_parts
from cases.evaluation.windows import PATCH_ELEMENTS
from cases.graph import Graph, GraphError, Op, Tensor
from cases.shapes import broadcast, output_shapes
from runner import memory

ELEMENT_BYTES = 8
"""Of every number inside an evaluation, at most."""
HELD = 6
"""Arrays of the size of its operands and results that a handler holds at once, at most (exponentials of GELU)."""


@dataclass(frozen=True)
class Peak:
    """The most bytes held at once, and the op that is then computed, in words."""

    nbytes: int
    at: str


def evaluation_peak(graph: Graph, keep: Collection[str] = ()) -> Peak:
    """Of an evaluation of the graph's outputs and of the tensors in `keep`, in any arithmetic. Pure."""
    graph = with_bodies_in_place(graph, unsupported)
    wanted = set(graph.outputs) | set(keep)
    last_use = {name: index for index, op in enumerate(graph.ops) for name in op.inputs}
    living = {name: _elements(graph.tensors[name]) for name in graph.inputs}
    held, peak = sum(living.values()), Peak(0, "its inputs")
    for index, op in enumerate(graph.ops):
        for name in op.inputs:
            if name and name not in living:
                living[name] = PART_ELEMENTS if is_read_in_parts(graph, name) else _elements(graph.tensors[name])
                held += living[name]
        read = max((living[name] for name in op.inputs if name), default=0)
        made = _made(op, graph)
        now = (held + made + HELD * max(read, made) + _held_by_windows(op, graph)) * ELEMENT_BYTES
        if now > peak.nbytes:
            peak = Peak(now, f"{op.kind} that writes '{op.outputs[0] if op.outputs else ''}'")
        for name in op.outputs:
            living[name] = _elements(graph.tensors[name])
            held += living[name]
        for name in set(op.inputs):
            if name and last_use[name] == index and name not in wanted:
                held -= living.pop(name)
    return peak


def require_room(graph: Graph, keep: Collection[str] = ()) -> None:
    """Raise TooMuchMemory where an evaluation would take more than the limit in force."""
    peak = evaluation_peak(graph, keep)
    memory.require(peak.nbytes, f"evaluating {peak.at}")


def _elements(tensor: Tensor) -> int:
    return math.prod(tensor.shape)


def _made(op: Op, graph: Graph) -> int:
    """Elements that an op computes: as many as its operands say, or as it declares where that is more."""
    declared = sum(_elements(graph.tensors[name]) for name in op.outputs)
    operands = [graph.tensors[name] for name in op.inputs if name]
    try:
        return max(declared, _computed(op, operands))
    except (GraphError, ValueError, IndexError, TypeError, KeyError):
        return declared  # it cannot be computed


def _computed(op: Op, operands: list[Tensor]) -> int:
    sizes = [_elements(tensor) for tensor in operands]
    match op.kind:
        case "TILE":
            return sizes[0] * math.prod(_numbers(operands[1]))
        case "MIRROR_PAD":
            pads = np.reshape(_numbers(operands[1]), (-1, 2)).sum(axis=1).tolist()
            return math.prod(extent + more for extent, more in zip(operands[0].shape, pads, strict=True))
        case "GATHER":
            axis = op.attrs.get("axis", 0)
            return sizes[0] // max(1, operands[0].shape[axis]) * sizes[1]
        case "EMBEDDING_LOOKUP":
            return sizes[0] * math.prod(operands[1].shape[1:])
        case "ONE_HOT":
            return sizes[0] * math.prod(_numbers(operands[1]))
        case "FULLY_CONNECTED":
            units, depth = operands[1].shape
            return sizes[0] // max(1, depth) * units
        case "STABLEHLO_COMPOSITE" | "CUSTOM" if len(operands) > 1 and len(operands[0].shape) == 4:
            # Attention: the logits are [batch, heads, queries, keys].
            batch, queries, heads, _ = operands[0].shape
            return batch * queries * heads * operands[1].shape[1] if len(operands[1].shape) == 4 else 0
        case "SELECT" | "ADD_N" | "STABLEHLO_CLAMP" | "BITWISE_XOR" | "RIGHT_SHIFT" | "STABLEHLO_SHIFT_LEFT" | "ATAN2":
            return math.prod(broadcast([tensor.shape for tensor in operands]))
        case "PACK":
            return sum(sizes)
    return sum(math.prod(shape) for shape in output_shapes(op.kind, operands, op.attrs))


def _numbers(tensor: Tensor) -> list[int]:
    if tensor.data is None:
        raise GraphError(f"'{tensor.name}' is not known before the run")
    return [int(number) for number in tensor.data.reshape(-1)]


def _held_by_windows(op: Op, graph: Graph) -> int:
    """Elements of the patches of a convolution, of the broadcast operands of a matrix product."""
    shapes = [graph.tensors[name].shape for name in op.inputs if name]
    try:
        if op.kind == "CONV_2D":
            patch = math.prod(shapes[1][1:])
            rows, row = _extents(op, graph)
            return min(rows * row * patch, max(PATCH_ELEMENTS, row * patch))
        if op.kind == "BATCH_MATMUL":
            batch = math.prod(broadcast([shapes[0][:-2], shapes[1][:-2]]))
            return 2 * batch * (math.prod(shapes[0][-2:]) + math.prod(shapes[1][-2:]))
    except (GraphError, IndexError):
        return 0
    return 0


def _extents(op: Op, graph: Graph) -> tuple[int, int]:
    """Rows of a convolution's result, and places in one row of all batches."""
    batch, height, width, _ = output_shapes(op.kind, [graph.tensors[name] for name in op.inputs if name], op.attrs)[0]
    return height, batch * width
