"""A graph evaluated in numpy, in float64 or in an emulation of what a delegate's arithmetic may do to it.

No torch and no runtime: this is the noise floor of any .tflite, its reference where there is no torch source,
and the source of the intermediates that a wrong output is compared with. Semantics are TFLite's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from cases.evaluation.arithmetic import FLOAT16, FLOAT16_ACC32, FLOAT16_TRUNCATED, FLOAT32, FLOAT64, Arithmetic
from cases.evaluation.windows import average_pool, convolve, depthwise, max_pool, resize_bilinear, resize_nearest
from cases.graph import Graph, GraphError, Op

__all__ = [
    "FLOAT16",
    "FLOAT16_ACC32",
    "FLOAT16_TRUNCATED",
    "FLOAT32",
    "FLOAT64",
    "Arithmetic",
    "evaluate",
    "unsupported",
]

Value = np.ndarray
Handler = Callable[["_Step"], Sequence[Value]]


class _Step:
    """One op with its operands, as its handler sees it."""

    def __init__(self, op: Op, graph: Graph, values: Mapping[str, Value], arithmetic: Arithmetic) -> None:
        self.op = op
        self.graph = graph
        self.values = values
        self.arithmetic = arithmetic
        self.attrs: Mapping[str, Any] = op.attrs

    def __getitem__(self, index: int) -> Value:
        return self.values[self.op.inputs[index]]

    def optional(self, index: int) -> Value | None:
        present = index < len(self.op.inputs) and self.op.inputs[index]
        return self.values[self.op.inputs[index]] if present else None

    def ints(self, index: int) -> list[int]:
        return [int(v) for v in np.asarray(self[index]).reshape(-1)]

    def shape(self, index: int = 0) -> tuple[int, ...]:
        return self.graph.tensors[self.op.outputs[index]].shape


def evaluate(
    graph: Graph, feed: Sequence[np.ndarray], arithmetic: Arithmetic = FLOAT64, keep: Sequence[str] = ()
) -> dict[str, np.ndarray]:
    """Values of the graph's outputs and of the tensors named in `keep`, by name; floats as float64.

    feed: the graph's inputs in order. Constants and inputs are rounded to the arithmetic's stored format
    first, as a delegate uploads them. Raises GraphError for an op that `unsupported` names or a feed
    that does not fit.
    """
    unknown = unsupported(graph)
    if unknown:
        raise GraphError(f"cannot evaluate {', '.join(unknown)}")
    if len(feed) != len(graph.inputs):
        raise GraphError(f"{len(feed)} inputs given, the graph has {len(graph.inputs)}")
    wanted = set(graph.outputs) | set(keep)
    values: dict[str, np.ndarray] = {}
    for name, array in zip(graph.inputs, feed, strict=True):
        if tuple(np.shape(array)) != tuple(graph.tensors[name].shape):
            raise GraphError(f"input '{name}' has shape {np.shape(array)}, not {graph.tensors[name].shape}")
        values[name] = _loaded(np.asarray(array), arithmetic)
    last_use = {name: index for index, op in enumerate(graph.ops) for name in op.inputs}
    for index, op in enumerate(graph.ops):
        for name in op.inputs:
            data = graph.tensors[name].data if name else None
            if data is not None and name not in values:
                values[name] = _loaded(data, arithmetic)
        # Overflow, division by zero and the like are what the emulation is asked to show.
        try:
            with np.errstate(all="ignore"):
                results = _HANDLERS[op.kind](_Step(op, graph, values, arithmetic))
        except (ValueError, IndexError, KeyError, TypeError, ZeroDivisionError, OverflowError, MemoryError) as error:
            # A damaged file can declare anything; what numpy then says is the reason, not a traceback.
            said = " ".join(str(error).split())
            raise GraphError(f"{op.kind} that writes '{op.outputs[0]}' cannot be computed: {said}") from error
        if len(results) != len(op.outputs):
            raise GraphError(f"{op.kind} gives {len(results)} results, the graph declares {len(op.outputs)}")
        for name, value in zip(op.outputs, results, strict=True):
            expected = graph.tensors[name].shape
            if tuple(value.shape) != tuple(expected):
                if value.size != math.prod(expected):
                    raise GraphError(f"{op.kind} gives '{name}' the shape {value.shape}, declared {expected}")
                value = value.reshape(expected)
            values[name] = arithmetic.stored(value)
        for name in set(op.inputs):
            if name and last_use[name] == index and name not in wanted:
                del values[name]
    for name in wanted - values.keys():
        data = graph.tensors[name].data
        if data is not None:
            values[name] = _loaded(data, arithmetic)
    return {n: v.astype(np.float64) if v.dtype.kind == "f" else v for n, v in values.items() if n in wanted}


def unsupported(graph: Graph) -> list[str]:
    """What of this graph cannot be evaluated, as words for the user; empty if all can."""
    found: dict[str, None] = {}
    for op in graph.ops:
        if op.kind not in _HANDLERS:
            found[op.kind] = None
        elif op.kind == "STRIDED_SLICE" and (op.attrs.get("ellipsis_mask") or op.attrs.get("new_axis_mask")):
            found["STRIDED_SLICE with an ellipsis or new-axis mask"] = None
        elif op.kind == "GATHER" and op.attrs.get("batch_dims"):
            found["GATHER with batch dimensions"] = None
        elif getattr(op.raw, "options", None) is not None and op.kind in _NEEDS_OPTIONS:
            found[f"{op.kind} with options that were not read"] = None
        for index in _PARAMETERS.get(op.kind, ()):
            if index < len(op.inputs) and op.inputs[index] and not graph.tensors[op.inputs[index]].is_constant:
                found[f"{op.kind} with a parameter computed at run time"] = None
    for tensor in graph.tensors.values():
        used = tensor.name in graph.uses or tensor.name in graph.outputs
        quantised = getattr(tensor.raw, "quantization", None) is not None and tensor.dtype not in ("float32", "float16")
        if used and (quantised or getattr(tensor.raw, "data", None) is not None or tensor.dtype not in _DTYPES):
            found[f"{tensor.dtype} quantised or opaque tensors"] = None
    return list(found)


def _loaded(array: np.ndarray, arithmetic: Arithmetic) -> np.ndarray:
    return arithmetic.stored(array.astype(arithmetic.container)) if array.dtype.kind == "f" else array


# --- elementwise -------------------------------------------------------------------------------------


def _sigmoid(x: Value) -> Value:
    return 0.5 * (1.0 + np.tanh(0.5 * x))


def _erf(x: Value) -> Value:
    """numpy has no erf; Python's is exact and only GELU needs it."""
    return np.fromiter(map(math.erf, x.ravel().tolist()), np.float64, x.size).reshape(x.shape)


_PLAIN: Mapping[str, Callable[[Value], Value]] = {
    "RELU": lambda x: np.maximum(x, 0),
    "RELU6": lambda x: np.clip(x, 0, 6),
    "RELU_N1_TO_1": lambda x: np.clip(x, -1, 1),
    "RELU_0_TO_1": lambda x: np.clip(x, 0, 1),
    "HARD_SWISH": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "NEG": np.negative,
    "ABS": np.abs,
    "SQUARE": np.square,
    "FLOOR": np.floor,
    "CEIL": np.ceil,
    "ROUND": np.round,
    "SIGN": np.sign,
    "LOGICAL_NOT": np.logical_not,
}
_FUNCTIONS: Mapping[str, Callable[[Value], Value]] = {
    "LOGISTIC": _sigmoid,
    "TANH": np.tanh,
    "EXP": np.exp,
    "LOG": np.log,
    "SQRT": np.sqrt,
    "RSQRT": lambda x: 1 / np.sqrt(x),
    "SIN": np.sin,
    "COS": np.cos,
}
# Functions with an absolute error where their values are small, and how small that is.
_ABSOLUTE: Mapping[str, float] = {"TANH": 1.0, "SIN": 1.0, "COS": 1.0, "LOG": 0.5}
_BINARY: Mapping[str, Callable[[Value, Value], Value]] = {
    "ADD": np.add,
    "SUB": np.subtract,
    "MUL": np.multiply,
    "MAXIMUM": np.maximum,
    "MINIMUM": np.minimum,
    "SQUARED_DIFFERENCE": lambda a, b: np.square(a - b),
    "GREATER": np.greater,
    "GREATER_EQUAL": np.greater_equal,
    "LESS": np.less,
    "LESS_EQUAL": np.less_equal,
    "EQUAL": np.equal,
    "NOT_EQUAL": np.not_equal,
    "LOGICAL_AND": np.logical_and,
    "LOGICAL_OR": np.logical_or,
    "PRELU": lambda a, slope: np.where(a >= 0, a, a * slope),
    "FLOOR_DIV": np.floor_divide,
    "FLOOR_MOD": np.mod,
}
_BINARY_FUNCTIONS: Mapping[str, Callable[[Value, Value], Value]] = {"DIV": np.divide, "POW": np.power}


def _activated(step: _Step, value: Value) -> Value:
    name = step.attrs.get("fused_activation_function", "NONE")
    if name in ("NONE", None):
        return value
    # A fused activation is a node of its own to the delegate: its input is stored first.
    stored = step.arithmetic.stored(value)
    if name in _FUNCTIONS:
        return step.arithmetic.function(_FUNCTIONS[name](stored), smallest=_ABSOLUTE.get(name, 0.0))
    if name not in _PLAIN:
        raise GraphError(f"{step.op.kind} with the fused activation {name} is not modelled")
    return _PLAIN[name](stored)


def _plain(step: _Step) -> Sequence[Value]:
    return (_PLAIN[step.op.kind](step[0]),)


def _function(step: _Step) -> Sequence[Value]:
    kind = step.op.kind
    return (step.arithmetic.function(_FUNCTIONS[kind](step[0]), smallest=_ABSOLUTE.get(kind, 0.0)),)


def _binary(step: _Step) -> Sequence[Value]:
    return (_activated(step, _BINARY[step.op.kind](step[0], step[1])),)


def _binary_function(step: _Step) -> Sequence[Value]:
    if step.op.kind == "DIV" and step[0].dtype.kind in "iu":
        return (np.asarray(np.trunc(step[0] / step[1]), dtype=step[0].dtype),)
    return (_activated(step, step.arithmetic.function(_BINARY_FUNCTIONS[step.op.kind](step[0], step[1]))),)


def _elu(step: _Step) -> Sequence[Value]:
    """exp(x) - 1 below zero. A kernel rounds the exponential before it subtracts: near zero that is all the noise."""
    x, arithmetic = step[0], step.arithmetic
    below = np.minimum(x, 0)
    less = np.expm1(below) if arithmetic.exact else arithmetic.stored(arithmetic.function(np.exp(below))) - 1
    return (np.where(x > 0, x, less),)


def _gelu(step: _Step) -> Sequence[Value]:
    """x/2 (1 + f): the noise is that of f, which is near 1 in size, so for x far below zero nothing else is left."""
    x, arithmetic = step[0].astype(np.float64), step.arithmetic
    if step.attrs.get("approximate"):
        bent = np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))
    else:
        bent = _erf(x / np.sqrt(2))
    half = 0.5 * (1 + arithmetic.function(bent, smallest=1.0).astype(np.float64))
    return ((x * half).astype(arithmetic.container),)


def _leaky(step: _Step) -> Sequence[Value]:
    x = step[0]
    return (np.where(x >= 0, x, x * x.dtype.type(step.attrs.get("alpha", 0.0))),)


def _select(step: _Step) -> Sequence[Value]:
    return (np.where(step[0].astype(bool), step[1], step[2]),)


def _dequantize(step: _Step) -> Sequence[Value]:
    return (step[0],)


def _cast(step: _Step) -> Sequence[Value]:
    dtype = np.dtype(step.graph.tensors[step.op.outputs[0]].dtype)
    return (step[0].astype(step.arithmetic.container if dtype.kind == "f" else dtype),)


# --- reductions, matrices, windows ---------------------------------------------------------------------


def _reduce(step: _Step) -> Sequence[Value]:
    x = step[0]
    axes = tuple(sorted({a % x.ndim for a in step.ints(1)}))
    count = int(np.prod([x.shape[a] for a in axes]))
    if step.op.kind == "REDUCE_MAX":
        value = x.max(axis=axes, keepdims=True)
    elif step.op.kind == "REDUCE_MIN":
        value = x.min(axis=axes, keepdims=True)
    elif step.op.kind == "REDUCE_PROD":
        value = _product(step.arithmetic, x, axes)
    else:
        value = step.arithmetic.sum(x, axes)
        if step.op.kind == "MEAN":
            value = value / value.dtype.type(count)
            if count & (count - 1):
                # A division, or a multiplication by a rounded reciprocal: exact for powers of two only.
                value = step.arithmetic.function(value)
    return (value.reshape(step.shape()),)


def _product(arithmetic: Arithmetic, x: Value, axes: tuple[int, ...]) -> Value:
    if arithmetic.exact:
        return x.prod(axis=axes, keepdims=True)
    moved = np.moveaxis(x, axes, range(len(axes))).reshape(-1, *[x.shape[i] for i in range(x.ndim) if i not in axes])
    total = moved[0].copy()
    for row in moved[1:]:
        total = arithmetic.stored(total * row)
    return total


def _fully_connected(step: _Step) -> Sequence[Value]:
    weights = step[1]
    x = step[0].reshape(-1, weights.shape[1])
    return (_biased(step, step.arithmetic.matmul(x, weights.T)).reshape(step.shape()),)


def _biased(step: _Step, value: Value) -> Value:
    bias = step.optional(2)
    return _activated(step, value if bias is None else step.arithmetic.accumulate(value, bias))


def _batch_matmul(step: _Step) -> Sequence[Value]:
    left = np.swapaxes(step[0], -1, -2) if step.attrs.get("adj_x") else step[0]
    right = np.swapaxes(step[1], -1, -2) if step.attrs.get("adj_y") else step[1]
    return (step.arithmetic.matmul(left, right),)


def _conv(step: _Step) -> Sequence[Value]:
    return (_biased(step, convolve(step[0], step[1], step.attrs, step.arithmetic)),)


def _depthwise(step: _Step) -> Sequence[Value]:
    return (_biased(step, depthwise(step[0], step[1], step.attrs, step.arithmetic)),)


def _pool(step: _Step) -> Sequence[Value]:
    pool = max_pool if step.op.kind == "MAX_POOL_2D" else average_pool
    return (_activated(step, pool(step[0], step.attrs, step.arithmetic)),)


def _resize(step: _Step) -> Sequence[Value]:
    resize = resize_bilinear if step.op.kind == "RESIZE_BILINEAR" else resize_nearest
    return (resize(step[0], step.ints(1), step.attrs),)


def _softmax(step: _Step) -> Sequence[Value]:
    arithmetic, x = step.arithmetic, step[0]
    beta = x.dtype.type(step.attrs.get("beta", 1.0) or 1.0) if step.op.kind == "SOFTMAX" else x.dtype.type(1)
    shifted = arithmetic.stored((x - x.max(axis=-1, keepdims=True)) * beta)
    raised = arithmetic.stored(arithmetic.function(np.exp(shifted)))
    total = arithmetic.sum(raised, (x.ndim - 1,))
    if step.op.kind == "LOG_SOFTMAX":
        return (shifted - arithmetic.function(np.log(total)),)
    return (arithmetic.function(raised / total),)


def _normalise(step: _Step) -> Sequence[Value]:
    total = step.arithmetic.sum(step.arithmetic.stored(np.square(step[0])), (step[0].ndim - 1,))
    return (step.arithmetic.function(step[0] / np.sqrt(np.maximum(total, 1e-12))),)


def _cumsum(step: _Step) -> Sequence[Value]:
    """Sums up to each element, or before it (exclusive), from the front or from the end (reverse)."""
    axis, attrs = step.ints(1)[0], step.op.attrs
    terms = np.flip(step[0], axis) if attrs.get("reverse") else step[0]
    if attrs.get("exclusive"):
        first, shorter = np.zeros_like(terms.take([0], axis)), terms.take(range(terms.shape[axis] - 1), axis)
        terms = np.concatenate([first, shorter], axis)
    total = np.cumsum(terms, axis=axis, dtype=step[0].dtype)
    return (np.flip(total, axis) if attrs.get("reverse") else total,)


# --- layout --------------------------------------------------------------------------------------------


def _reshape(step: _Step) -> Sequence[Value]:
    return (step[0].reshape(step.shape()),)


def _transpose(step: _Step) -> Sequence[Value]:
    return (np.ascontiguousarray(step[0].transpose(step.ints(1))),)


def _concat(step: _Step) -> Sequence[Value]:
    parts = [step[i] for i in range(len(step.op.inputs))]
    return (_activated(step, np.concatenate(parts, axis=step.attrs.get("axis", 0))),)


def _pad(step: _Step) -> Sequence[Value]:
    fill = step.optional(2) if step.op.kind == "PADV2" else None
    value = 0 if fill is None else np.asarray(fill).reshape(-1)[0]
    return (np.pad(step[0], np.asarray(step.ints(1)).reshape(-1, 2), constant_values=value),)


def _mirror_pad(step: _Step) -> Sequence[Value]:
    mode: Any = {"REFLECT": "reflect", 0: "reflect"}.get(step.attrs.get("mode", 0), "symmetric")
    return (np.pad(step[0], np.asarray(step.ints(1)).reshape(-1, 2), mode=mode),)


def _slice(step: _Step) -> Sequence[Value]:
    begins, sizes = step.ints(1), step.ints(2)
    index = tuple(slice(b, None if s == -1 else b + s) for b, s in zip(begins, sizes, strict=True))
    return (step[0][index],)


def _strided_slice(step: _Step) -> Sequence[Value]:
    begin, end, strides = step.ints(1), step.ints(2), step.ints(3)
    masks = {m: step.attrs.get(f"{m}_mask", 0) or 0 for m in ("begin", "end", "shrink_axis")}
    index: list[slice | int] = []
    for axis in range(len(begin)):
        if masks["shrink_axis"] >> axis & 1:
            index.append(begin[axis])
        else:
            first = None if masks["begin"] >> axis & 1 else begin[axis]
            last = None if masks["end"] >> axis & 1 else end[axis]
            index.append(slice(first, last, strides[axis]))
    return (step[0][tuple(index)],)


def _split(step: _Step) -> Sequence[Value]:
    if step.op.kind == "SPLIT":
        return np.split(step[1], step.attrs["num_splits"], axis=step.ints(0)[0])
    sizes = step.ints(1)
    return np.split(step[0], np.cumsum(sizes)[:-1], axis=step.ints(2)[0])


def _pack(step: _Step) -> Sequence[Value]:
    return (np.stack([step[i] for i in range(len(step.op.inputs))], axis=step.attrs.get("axis", 0)),)


def _unpack(step: _Step) -> Sequence[Value]:
    axis = step.attrs.get("axis", 0)
    return [step[0].take(i, axis=axis) for i in range(len(step.op.outputs))]


def _gather(step: _Step) -> Sequence[Value]:
    return (np.take(step[0], step[1], axis=step.attrs.get("axis", 0)),)


def _tile(step: _Step) -> Sequence[Value]:
    return (np.tile(step[0], step.ints(1)),)


def _broadcast_to(step: _Step) -> Sequence[Value]:
    return (np.broadcast_to(step[0], step.shape()),)


def _space(step: _Step) -> Sequence[Value]:
    x, block = step[0], step.attrs["block_size"]
    n, height, width, depth = x.shape
    if step.op.kind == "DEPTH_TO_SPACE":
        spread = x.reshape(n, height, width, block, block, depth // block**2).transpose(0, 1, 3, 2, 4, 5)
    else:
        spread = x.reshape(n, height // block, block, width // block, block, depth).transpose(0, 1, 3, 2, 4, 5)
    return (spread.reshape(step.shape()),)


def _arg(step: _Step) -> Sequence[Value]:
    find = np.argmax if step.op.kind == "ARG_MAX" else np.argmin
    dtype = step.graph.tensors[step.op.outputs[0]].dtype
    return (find(step[0], axis=step.ints(1)[0]).astype(dtype),)


_HANDLERS: Mapping[str, Handler] = {
    **dict.fromkeys(_PLAIN, _plain),
    **dict.fromkeys(_FUNCTIONS, _function),
    **dict.fromkeys(_BINARY, _binary),
    **dict.fromkeys(_BINARY_FUNCTIONS, _binary_function),
    **dict.fromkeys(("SUM", "MEAN", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD"), _reduce),
    **dict.fromkeys(("AVERAGE_POOL_2D", "MAX_POOL_2D"), _pool),
    **dict.fromkeys(("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"), _resize),
    **dict.fromkeys(("SOFTMAX", "LOG_SOFTMAX"), _softmax),
    **dict.fromkeys(("RESHAPE", "SQUEEZE", "EXPAND_DIMS"), _reshape),
    **dict.fromkeys(("PAD", "PADV2"), _pad),
    **dict.fromkeys(("SPLIT", "SPLIT_V"), _split),
    **dict.fromkeys(("SPACE_TO_DEPTH", "DEPTH_TO_SPACE"), _space),
    **dict.fromkeys(("ARG_MAX", "ARG_MIN"), _arg),
    "ELU": _elu,
    "GELU": _gelu,
    "LEAKY_RELU": _leaky,
    "SELECT": _select,
    "SELECT_V2": _select,
    "DEQUANTIZE": _dequantize,
    "CAST": _cast,
    "FULLY_CONNECTED": _fully_connected,
    "BATCH_MATMUL": _batch_matmul,
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _depthwise,
    "L2_NORMALIZATION": _normalise,
    "CUMSUM": _cumsum,
    "TRANSPOSE": _transpose,
    "CONCATENATION": _concat,
    "MIRROR_PAD": _mirror_pad,
    "SLICE": _slice,
    "STRIDED_SLICE": _strided_slice,
    "PACK": _pack,
    "UNPACK": _unpack,
    "GATHER": _gather,
    "TILE": _tile,
    "BROADCAST_TO": _broadcast_to,
}
# Inputs that hold parameters: the evaluator reads them at any time, a delegate only as constants.
_PARAMETERS: Mapping[str, tuple[int, ...]] = {
    **dict.fromkeys(("SUM", "MEAN", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD"), (1,)),
    **dict.fromkeys(("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "PAD", "PADV2", "MIRROR_PAD", "TRANSPOSE"), (1,)),
    "SLICE": (1, 2),
    "STRIDED_SLICE": (1, 2, 3),
    "SPLIT": (0,),
    "TILE": (1,),
}
_NEEDS_OPTIONS = frozenset(
    {"GATHER", "PACK", "UNPACK", "SPACE_TO_DEPTH", "DEPTH_TO_SPACE", "MIRROR_PAD", "CUMSUM", "SPLIT_V", "CAST"}
)
_DTYPES = frozenset({"float32", "float16", "float64", "int32", "int64", "bool", "uint8", "int8", "int16", "uint32"})
KINDS = frozenset(_HANDLERS)


def accumulation_depth(graph: Graph, output: str) -> int:
    """Number of accumulations on the longest path into a tensor: what roundings can pile up along it."""
    depth: dict[str, int] = {}
    for op in graph.ops:
        before = max((depth.get(name, 0) for name in op.inputs if name), default=0)
        for name in op.outputs:
            depth[name] = before + _terms(graph, op)
    return max(1, depth.get(output, 1))


def _terms(graph: Graph, op: Op) -> int:
    shapes = [graph.tensors[n].shape if n else () for n in op.inputs]
    if op.kind == "FULLY_CONNECTED":
        return int(shapes[1][-1])
    if op.kind == "CONV_2D":
        return int(np.prod(shapes[1][1:]))
    if op.kind == "DEPTHWISE_CONV_2D":
        return int(np.prod(shapes[1][1:3]))
    if op.kind == "BATCH_MATMUL":
        return int(shapes[0][-2] if op.attrs.get("adj_x") else shapes[0][-1])
    if op.kind in ("SUM", "MEAN", "REDUCE_PROD", "SOFTMAX"):
        before, after = math.prod(shapes[0]), math.prod(graph.tensors[op.outputs[0]].shape)
        return int(shapes[0][-1]) if op.kind == "SOFTMAX" else max(1, before // max(1, after))
    return 1
