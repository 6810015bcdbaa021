"""What an input of a graph is, from what reads it: an image, ids of a table, a mask, a divisor, a length.

Key insight: ops that only move data, or change its type, carry an input to the op that gives it a meaning. So one walk
over the graph, in its own order, follows every input through such ops, and the first op behind them says what the input
is. A role says no more than which numbers make sense there; an input without one keeps its standard feeds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from cases.evaluation.quantised import Grid, grid_of
from cases.graph import Graph, GraphError, Op, Tensor
from cases.input_plan.planned import Kind, PlannedInput

# Operands of ops that hand their elements on, whatever they are: kind -> positions, None for all.
_CARRIERS: Mapping[str, tuple[int, ...] | None] = {
    **dict.fromkeys(("RESHAPE", "TRANSPOSE", "EXPAND_DIMS", "SQUEEZE", "CAST", "SLICE", "STRIDED_SLICE"), (0,)),
    **dict.fromkeys(("TILE", "BROADCAST_TO", "REVERSE_V2", "UNPACK", "PAD", "MIRROR_PAD"), (0,)),
    **{"QUANTIZE": (0,), "DEQUANTIZE": (0,), "SPLIT": (1,), "SPLIT_V": (0,), "CONCATENATION": None, "PACK": None},
}
_ARITHMETIC = frozenset({"ADD", "SUB", "MUL", "DIV"})  # by a constant: how an image is normalised
_CONVOLUTIONS = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D"})
_COMPARISONS = frozenset({"LESS", "LESS_EQUAL", "GREATER", "GREATER_EQUAL"})
_COLOURS = (1, 3)  # channels of a picture: grey, or red, green and blue
_SMALLEST_PICTURE = 8  # of height and width
_BYTE_SCALE = 64.0  # a divisor, or an offset's reciprocal, from here on is meant for 0 to 255
_MOST_USES = 200_000  # of all inputs together that are followed: a file may be made so that they multiply
_MASKING = 1e3  # magnitude of a factor that pushes what is masked out of a softmax
_NUMBERS = ("float32", "float16")


@dataclass(frozen=True)
class _Use:
    """An op that reads what came from an input. value: the tensor that it reads. scale: product of the constant factors
    on the way. flips: whether `1 - x` was on the way."""

    op: Op
    position: int
    value: str
    scale: float = 1.0
    flips: bool = False


def planned_inputs(graph: Graph) -> tuple[PlannedInput, ...]:
    """What each input of a graph is, in the graph's order."""
    found = _uses(graph)
    return tuple(_planned(graph, graph.tensors[name], found[name]) for name in graph.inputs)


def _planned(graph: Graph, tensor: Tensor, uses: list[_Use]) -> PlannedInput:
    """The first role in the order of `_ROLES` that any use gives; the narrowest of all that give it."""
    for role in _ROLES:
        given = [planned for use in uses if (planned := role(graph, tensor, use)) is not None]
        if given:
            return min(given, key=lambda planned: (min(planned.high), planned.low))
    return _of_quantised(tensor) or PlannedInput(tensor.name, reason="nothing says what it is")


def _uses(graph: Graph) -> dict[str, list[_Use]]:
    """Input -> the ops behind it, over all paths through ops that carry it on."""
    reached: dict[str, dict[str, _Use]] = {name: {} for name in graph.tensors}
    found: dict[str, list[_Use]] = {name: [] for name in graph.inputs}
    for name in graph.inputs:
        reached[name][name] = _Use(Op("", (), ()), 0, name)
    left = _MOST_USES
    for op in graph.ops:
        for position, value in enumerate(op.inputs):
            for source, way in reached.get(value, {}).items() if value else ():
                use = replace(way, op=op, position=position, value=value)
                found[source].append(use)
                carried = _carried(graph, use)
                if carried is not None:
                    for output in filter(None, op.outputs):
                        reached[output].setdefault(source, carried)
                left -= 1
        if left <= 0:
            break
    return found


def _carried(graph: Graph, use: _Use) -> _Use | None:
    """The way on through an op that hands its input's elements on, or scales and shifts them by a constant."""
    op = use.op
    positions = _CARRIERS.get(op.kind, ())
    if positions is None or use.position in positions:
        return use
    if op.kind not in _ARITHMETIC or len(op.inputs) != 2:
        return None
    number = _constant(graph, op, 1 - use.position)
    if number is None:
        return None
    if op.kind == "SUB" and use.position == 1:
        return replace(use, flips=not use.flips) if number == 1 else None
    if op.kind == "DIV" and use.position == 1:
        return None
    factor = number if op.kind == "MUL" else 1 / number if op.kind == "DIV" and number else 1.0
    shift = number if op.kind in ("ADD", "SUB") and abs(number) > 2 else 0.0
    return replace(use, scale=use.scale * (factor if factor else 1.0) / (_BYTE_SCALE if shift else 1.0))


def _constant(graph: Graph, op: Op, position: int) -> float | None:
    """The mean magnitude of a constant operand, with the sign of its first element; None where it is no constant."""
    data = _data(graph, op, position)
    if data is None or not data.size or data.dtype.kind not in "fiu":
        return None
    mean = float(np.abs(data.astype(np.float64)).mean())
    return mean if data.reshape(-1)[0] >= 0 else -mean


def _data(graph: Graph, op: Op, position: int) -> np.ndarray | None:
    """The data of a constant operand; None where it is absent or no constant."""
    name = op.inputs[position] if position < len(op.inputs) else ""
    return graph.tensors[name].data if name else None


def _ids(graph: Graph, tensor: Tensor, use: _Use) -> PlannedInput | None:
    """Indices into a table, a list of classes or a place inside another tensor."""
    if tensor.dtype.startswith("float") or use.scale != 1.0:
        return None
    limits = _limits(graph, use)
    if limits is None or min(limits, default=0) < 1:
        return None
    last = tensor.shape[-1] if tensor.shape else 1
    limits = limits if len(limits) in (1, last) else (min(limits),)
    top = min(float(np.iinfo(tensor.dtype).max), 2.0**62) if tensor.dtype.startswith(("int", "uint")) else 1.0
    high = tuple(min(float(limit - 1), top) for limit in limits)
    return PlannedInput(tensor.name, Kind.INTEGERS, 0.0, high, f"index that {use.op.kind} reads")


def _limits(graph: Graph, use: _Use) -> tuple[int, ...] | None:
    """The number of valid indices per component of what the op takes as an index."""
    op, where = use.op, (use.op.kind, use.position)
    shapes = [graph.tensors[name].shape if name else () for name in op.inputs]
    if where == ("GATHER", 1):
        axis, rank = int(op.attrs.get("axis", 0)), len(shapes[0])
        return (shapes[0][axis],) if -rank <= axis < rank else None
    if where == ("EMBEDDING_LOOKUP", 0) and len(shapes) > 1:
        return shapes[1][:1]
    if where == ("GATHER_ND", 1):
        return shapes[0][: shapes[1][-1]] if shapes[1] else None
    if where == ("ONE_HOT", 0):
        depth = _data(graph, op, 1)
        return None if depth is None or depth.size != 1 else (int(depth.reshape(-1)[0]),)
    if where == ("DYNAMIC_UPDATE_SLICE", 2) and len(shapes[0]) == len(shapes[1]):
        return tuple(whole - part + 1 for whole, part in zip(shapes[0], shapes[1], strict=True))
    return None


def _mask(graph: Graph, tensor: Tensor, use: _Use) -> PlannedInput | None:
    """What a factor of a very large magnitude turns into a term that is 0 or far below everything else."""
    op = use.op
    if tensor.dtype == "bool" or grid_of_input(tensor) is not None:
        return None
    if op.kind == "MUL" and use.scale == 1.0 and use.position < 2:
        factor = _constant(graph, op, 1 - use.position)
        if factor is not None and factor <= -_MASKING:
            keeps = 1.0 if use.flips else 0.0
            return PlannedInput(tensor.name, Kind.MASK, keeps, (1.0,), f"masks: MUL by {factor:g}")
    if op.kind in ("SELECT", "SELECT_V2") and use.position == 0:
        return PlannedInput(tensor.name, Kind.MASK, 1.0, (1.0,), f"condition of {op.kind}")
    if "mask" in tensor.name.lower() and not tensor.dtype.startswith("float"):
        return PlannedInput(tensor.name, Kind.MASK, 1.0, (1.0,), "its name says that it is a mask")
    return None


def _divisor(graph: Graph, tensor: Tensor, use: _Use) -> PlannedInput | None:
    """What another number is divided by."""
    if use.op.kind not in ("DIV", "FLOOR_DIV", "FLOOR_MOD", "STABLEHLO_REMAINDER") or use.position != 1:
        return None
    if tensor.dtype in _NUMBERS:
        return PlannedInput(tensor.name, Kind.AWAY_FROM_ZERO, 0.5, (1.5,), f"divisor of {use.op.kind}")
    return PlannedInput(tensor.name, Kind.INTEGERS, 1.0, (7.0,), f"divisor of {use.op.kind}")


def _positive(graph: Graph, tensor: Tensor, use: _Use) -> PlannedInput | None:
    """What only a positive number has a root or a logarithm of."""
    if use.op.kind not in ("SQRT", "RSQRT", "LOG", "POW") or use.position != 0 or tensor.dtype not in _NUMBERS:
        return None
    return PlannedInput(tensor.name, Kind.UNIFORM, 0.5, (1.5,), f"{use.op.kind} is taken of it")


def _length(graph: Graph, tensor: Tensor, use: _Use) -> PlannedInput | None:
    """What the positions 0, 1, 2, ... are compared with: how many of them count."""
    op = use.op
    if op.kind not in _COMPARISONS or use.position > 1 or not tensor.dtype.startswith(("int", "uint")):
        return None
    positions = _data(graph, op, 1 - use.position)
    if positions is None or positions.size < 2:
        return None
    flat = positions.reshape(-1)
    if not np.array_equal(flat, np.arange(flat.size)):
        return None
    high = min(float(flat.size), float(np.iinfo(tensor.dtype).max))
    return PlannedInput(tensor.name, Kind.INTEGERS, 1.0, (high,), f"length: {op.kind} with the positions 0, 1, 2, ...")


def _to_quantise(graph: Graph, tensor: Tensor, use: _Use) -> PlannedInput | None:
    """Real numbers that are quantised at once: they span what the quantised tensor can hold."""
    if use.op.kind != "QUANTIZE" or not use.op.outputs or tensor.dtype not in _NUMBERS or use.scale != 1.0:
        return None
    grid = grid_of_input(graph.tensors[use.op.outputs[0]])
    if grid is None or grid.scale.size != 1:
        return None
    low, high = (float(grid.real(np.asarray(end))) for end in (grid.lowest, grid.highest))
    return PlannedInput(tensor.name, Kind.UNIFORM, low, (high,), "spans the range that QUANTIZE can hold")


def _image(graph: Graph, tensor: Tensor, use: _Use) -> PlannedInput | None:
    """A picture: four dimensions, one or three channels, read by a convolution."""
    if use.op.kind not in _CONVOLUTIONS or use.position != 0 or len(tensor.shape) != 4:
        return None
    shape = graph.tensors[use.value].shape
    if len(shape) != 4 or shape[3] not in _COLOURS or min(shape[1:3]) < _SMALLEST_PICTURE:
        return None
    if grid_of_input(tensor) is not None:
        return replace(of, reason=f"image: {of.reason}", is_image=True) if (of := _of_quantised(tensor)) else None
    reason = f"image: {use.op.kind} reads {shape[3]} channel{'s' if shape[3] > 1 else ''}"
    if tensor.dtype == "uint8":
        return PlannedInput(tensor.name, Kind.INTEGERS, 0.0, (255.0,), reason, True)
    if tensor.dtype not in _NUMBERS:
        return None
    if abs(use.scale) <= 1 / _BYTE_SCALE:
        return PlannedInput(tensor.name, Kind.UNIFORM, 0.0, (255.0,), f"{reason}, scaled down from 0 to 255", True)
    return PlannedInput(tensor.name, Kind.UNIFORM, 0.0, (1.0,), reason, True)


def _of_quantised(tensor: Tensor) -> PlannedInput | None:
    """A quantised input spans all integers of its type."""
    grid = grid_of_input(tensor)
    if grid is None or tensor.dtype not in ("int8", "uint8", "int16", "uint16"):
        return None
    if grid.scale.size == 1:
        real = [float(grid.real(np.asarray(end))) for end in (grid.lowest, grid.highest)]
        spans = f"spans the quantised range, {real[0]:g} to {real[1]:g}"
    else:
        spans = "spans the quantised range"
    return PlannedInput(tensor.name, Kind.INTEGERS, float(grid.lowest), (float(grid.highest),), spans)


def grid_of_input(tensor: Tensor) -> Grid | None:
    """The grid of a quantised tensor; None where there is none, or none that can be read."""
    try:
        grid = grid_of(tensor)
    except GraphError:
        return None
    return None if grid is None or not np.isfinite(grid.scale).all() or not math.prod(tensor.shape) else grid


_Role = Callable[[Graph, Tensor, _Use], PlannedInput | None]
_ROLES: tuple[_Role, ...] = (_ids, _divisor, _mask, _length, _positive, _to_quantise, _image)
