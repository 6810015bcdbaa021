"""One op of a kind in a type, as a graph: a cell of the coverage table, drawn.

Key insight: an op is drawn in floats, where its operands make sense, and turned into the wanted type afterwards: what
is fed and written, or only its weights. Whether the result is of the wanted cell is read from the graph that was made,
so no table says which kinds have weights or which take whole numbers.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from cases.drawn_ops import movement
from cases.drawn_ops.cells import WEIGHT_TYPES, cells
from cases.drawn_ops.draw import Draw
from cases.drawn_ops.one_op import Fixed, OneOp, shaped
from cases.drawn_ops.quantised import QUANTISED, activation_record, covering
from cases.drawn_ops.table import DRAWS
from cases.evaluation.quantised import RANGES
from cases.graph import Graph, GraphError, Op, Tensor
from cases.shapes import COMPARISONS
from cases.tflite.extras import TensorExtras, on_grid
from cases.tflite.packing import packed

TRIES = 60
OF_ELEMENTS = frozenset(kind for kind, draw in DRAWS.items() if draw.__module__ == movement.__name__) | {
    *("SELECT", "SELECT_V2", "MAXIMUM", "MINIMUM", "REDUCE_MAX", "REDUCE_MIN", "TOPK_V2", "STABLEHLO_CLAMP"),
}
"""Ops whose results are elements of their operands: what integers stand for is nothing to them."""
SAME_GRID = OF_ELEMENTS | {"MAX_POOL_2D", "AVERAGE_POOL_2D", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"}
"""Ops whose results are elements of their operands, or lie between them: one grid serves all."""
OF_BITS = frozenset({"BITCAST", "CAST", "BITWISE_XOR", "RIGHT_SHIFT", "STABLEHLO_SHIFT_LEFT", "STABLEHLO_REMAINDER"})
_DIVIDE = frozenset({"DIV", "FLOOR_DIV", "FLOOR_MOD", "STABLEHLO_REMAINDER"})
KINDS = (*DRAWS, "QUANTIZE", "DEQUANTIZE")


def drawn_graph(draw: Draw, kind: str, type_: str) -> Graph:
    """A graph around one op of a kind in a type. Raises GraphError where none was found, as for weights of an op that
    has none."""
    for _ in range(TRIES):
        with suppress(GraphError):
            graph = _made(draw, kind, type_)
            if (kind, type_) in cells(graph):
                return graph
    raise GraphError(f"no {kind} was drawn in {type_}")


def _made(draw: Draw, kind: str, type_: str) -> Graph:
    if kind in ("QUANTIZE", "DEQUANTIZE"):
        return _between_grids(draw, kind, type_)
    op = DRAWS[kind](draw, kind)
    if kind in ("BITCAST", "CAST"):  # drawn in every type, which their shapes depend on
        return shaped(op)
    weights = {name: dtype for dtype, name in WEIGHT_TYPES.items()}
    if type_ in weights:
        return _with_weights(draw, shaped(_with_constant(draw, op)), weights[type_])
    op = _with_constant(draw, op) if draw.rng.random() < 0.3 else op
    if type_ == "float32":
        return shaped(op)
    if kind not in OF_BITS and (type_ in ("int8", "uint8") or (type_ == "int16" and _is_quantised(draw, kind))):
        return shaped(_quantised(draw, op, type_))
    return shaped(_plain(op, type_))


def _is_quantised(draw: Draw, kind: str) -> bool:
    """Whether integers stand for reals: always where the op computes new ones of them."""
    return draw.coin() or kind not in OF_ELEMENTS | COMPARISONS | _DIVIDE


def _with_constant(draw: Draw, op: OneOp) -> OneOp:
    """The op with one of several operands that are fed as a constant."""
    fed = [place for place, operand in enumerate(op.operands) if isinstance(operand, np.ndarray)]
    if len(fed) < 2:
        return op
    chosen = draw.one_of(fed)
    operands = [Fixed(o) if place == chosen else o for place, o in enumerate(op.operands)]
    return replace(op, operands=tuple(operands))


def _between_grids(draw: Draw, kind: str, type_: str) -> Graph:
    """QUANTIZE and DEQUANTIZE, of numbers that are fed or, where the type says so, of constants."""
    shape = draw.shape(1)
    if kind == "DEQUANTIZE" and type_ in WEIGHT_TYPES.values():
        dtype = next(dtype for dtype, name in WEIGHT_TYPES.items() if name == type_)
        fed, kept = draw.floats(shape), Fixed(draw.floats(shape))
        return _with_weights(draw, shaped(OneOp("ADD", (fed, kept))), dtype, through_dequantize=True)
    if type_ not in RANGES:
        raise GraphError(f"no grid of {type_}")
    grid = activation_record(draw, type_)
    if kind == "DEQUANTIZE":
        operands, outputs, raws = (draw.integers_of(shape, type_),), ("float32",), {"in0": grid}
    else:
        operands, outputs, raws = (draw.floats(shape),), (type_,), {"out0": grid}
    return OneOp(kind, operands, outputs, tensor_raws=raws).graph([shape])


def _plain(op: OneOp, dtype: str) -> OneOp:
    """The op on whole numbers, or on truths."""

    def turned(array: np.ndarray, place: int) -> np.ndarray:
        if array.dtype != np.float32:
            return array
        if dtype == "bool":
            return np.asarray(array > 0)
        low = 0 if dtype.startswith("u") else -100
        whole = np.clip(np.round(array), low, 100)
        return np.asarray(np.where(whole == 0, 1, whole) if op.kind in _DIVIDE and place else whole, dtype)

    operands = [
        Fixed(turned(o.data, place)) if isinstance(o, Fixed) else turned(o, place) if isinstance(o, np.ndarray) else o
        for place, o in enumerate(op.operands)
    ]
    outputs = tuple(dtype if made == "float32" else made for made in op.outputs)
    return replace(op, operands=tuple(operands), outputs=outputs)


def _quantised(draw: Draw, op: OneOp, dtype: str) -> OneOp:
    kind = op.kind
    if kind in QUANTISED and draw.rng.random() < 0.7:
        return QUANTISED[kind](draw, kind)
    shared = activation_record(draw, dtype)
    operands: list[Any] = []
    raws: dict[str, Any] = {}
    for place, operand in enumerate(op.operands):
        data = operand.data if isinstance(operand, Fixed) else operand
        if not isinstance(data, np.ndarray) or data.dtype != np.float32:
            operands.append(operand)
            continue
        raws[f"in{place}"] = shared if kind in SAME_GRID else activation_record(draw, dtype)
        whole = draw.integers_of(data.shape, dtype)
        operands.append(Fixed(whole) if isinstance(operand, Fixed) else whole)
    op = replace(op, operands=tuple(operands), tensor_raws=raws)
    if kind in SAME_GRID:
        raws |= {f"out{place}": shared for place, made in enumerate(op.outputs) if made == "float32"}
        outputs = tuple(dtype if made == "float32" else made for made in op.outputs)
        return replace(op, outputs=outputs, tensor_raws=raws)
    if op.outputs != ("float32",):
        return op
    return covering(op, dtype, shaped(op).tensors["out0"].shape)


def _with_weights(draw: Draw, graph: Graph, dtype: str, through_dequantize: bool = False) -> Graph:
    """The graph with its float constants held in fewer bits, as converters leave them; biases stay as they are.

    Of float16, and of integers that no kernel reads as they are, a DEQUANTIZE makes floats again.
    """
    (op,) = graph.ops
    tensors, ops, renamed = dict(graph.tensors), [], {}
    for place, name in enumerate(op.inputs):
        tensor = tensors.get(name)
        if tensor is None or tensor.data is None or tensor.dtype != "float32" or (place > 1 and dtype != "float16"):
            continue
        tensors[name] = _stored(draw, tensor, dtype, 3 if op.kind == "DEPTHWISE_CONV_2D" else 0)
        if dtype == "float16" or through_dequantize:
            renamed[name] = f"{name}_float"
            tensors[renamed[name]] = Tensor(renamed[name], tensor.shape)
            ops.append(Op("DEQUANTIZE", (name,), (renamed[name],)))
    ops.append(replace(op, inputs=tuple(renamed.get(name, name) for name in op.inputs)))
    return replace(graph, tensors=tensors, ops=tuple(ops)).validate()


def _stored(draw: Draw, tensor: Tensor, dtype: str, axis: int) -> Tensor:
    """The constant in fewer bits; integers with one scale, or one per index along the axis."""
    assert tensor.data is not None
    if dtype == "float16":
        return replace(tensor, dtype=dtype, data=tensor.data.astype(dtype))
    low, high = RANGES[dtype]
    per_channel = len(tensor.shape) > 1 and draw.coin()
    others = tuple(i for i in range(len(tensor.shape)) if i != axis)
    most = np.abs(tensor.data).max(axis=others if per_channel else None, keepdims=True)
    scale = np.maximum(most, 1e-3) / high
    whole = np.asarray(np.clip(np.round(tensor.data / scale), low, high), np.int8)
    raw: TensorExtras = on_grid(scale, 0, axis if per_channel else 0)
    if dtype == "int8":
        return replace(tensor, dtype=dtype, data=whole, raw=raw)
    return replace(tensor, dtype=dtype, data=np.zeros(tensor.shape, np.uint8), raw=replace(raw, data=packed(whole, 4)))
