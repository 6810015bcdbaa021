"""A graph evaluated in numpy, in float64 or in an emulation of what a delegate's arithmetic may do to it.

No torch and no runtime: this is the noise floor of any .tflite, its reference where there is no torch source,
and the source of the intermediates that a wrong output is compared with. Semantics are TFLite's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from cases.evaluation import contractions, elementwise, movement
from cases.evaluation.arithmetic import FLOAT16, FLOAT16_ACC32, FLOAT16_TRUNCATED, FLOAT32, FLOAT64, Arithmetic
from cases.evaluation.step import Handler, Step, Value
from cases.graph import Graph, GraphError, Op
from cases.shapes import REDUCTIONS

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

_HANDLERS: Mapping[str, Handler] = {
    # one element of each operand per output element
    **dict.fromkeys(elementwise.UNARY, elementwise.unary),
    **dict.fromkeys(elementwise.APPROXIMATE_UNARY, elementwise.approximate_unary),
    **dict.fromkeys(elementwise.BINARY, elementwise.binary),
    **dict.fromkeys(elementwise.APPROXIMATE_BINARY, elementwise.approximate_binary),
    "ELU": elementwise.elu,
    "GELU": elementwise.gelu,
    "LEAKY_RELU": elementwise.leaky_relu,
    **dict.fromkeys(("SELECT", "SELECT_V2"), elementwise.select),
    "DEQUANTIZE": elementwise.dequantize,
    "CAST": elementwise.cast,
    # several input elements per output element
    **dict.fromkeys(REDUCTIONS, contractions.reduce),
    **dict.fromkeys(("ARG_MAX", "ARG_MIN"), contractions.arg_extremum),
    "CUMSUM": contractions.cumsum,
    "FULLY_CONNECTED": contractions.fully_connected,
    "BATCH_MATMUL": contractions.batch_matmul,
    "CONV_2D": contractions.convolution,
    "DEPTHWISE_CONV_2D": contractions.depthwise_convolution,
    **dict.fromkeys(contractions.POOLS, contractions.pool),
    **dict.fromkeys(contractions.RESIZES, contractions.resize),
    **dict.fromkeys(("SOFTMAX", "LOG_SOFTMAX"), contractions.softmax),
    "L2_NORMALIZATION": contractions.l2_normalization,
    # elements moved, none computed
    **dict.fromkeys(("RESHAPE", "SQUEEZE", "EXPAND_DIMS"), movement.reshape),
    "TRANSPOSE": movement.transpose,
    "CONCATENATION": movement.concatenation,
    **dict.fromkeys(("PAD", "PADV2"), movement.pad),
    "MIRROR_PAD": movement.mirror_pad,
    "SLICE": movement.slice_by_sizes,
    "STRIDED_SLICE": movement.slice_by_strides,
    **dict.fromkeys(("SPLIT", "SPLIT_V"), movement.split),
    "PACK": movement.pack,
    "UNPACK": movement.unpack,
    "GATHER": movement.gather,
    "TILE": movement.tile,
    "BROADCAST_TO": movement.broadcast_to,
    **dict.fromkeys(("SPACE_TO_DEPTH", "DEPTH_TO_SPACE"), movement.space_and_depth),
}
# Inputs that hold parameters: the evaluator reads them at any time, a delegate only as constants.
_PARAMETERS: Mapping[str, tuple[int, ...]] = {
    **dict.fromkeys((*REDUCTIONS, *contractions.RESIZES, "PAD", "PADV2", "MIRROR_PAD", "TRANSPOSE"), (1,)),
    "SLICE": (1, 2),
    "STRIDED_SLICE": (1, 2, 3),
    "SPLIT": (0,),
    "TILE": (1,),
}
_NEEDS_OPTIONS = frozenset(
    {"GATHER", "PACK", "UNPACK", "SPACE_TO_DEPTH", "DEPTH_TO_SPACE", "MIRROR_PAD", "CUMSUM", "SPLIT_V", "CAST"}
)
_DTYPES = frozenset({"float32", "float16", "float64", "int32", "int64", "bool", "uint8", "int8", "int16", "uint32"})


def evaluate(
    graph: Graph,
    feed: Sequence[np.ndarray],
    arithmetic: Arithmetic = FLOAT64,
    keep: Sequence[str] = (),
    *,
    strict_shapes: bool = False,
) -> dict[str, np.ndarray]:
    """Values of the graph's outputs and of the tensors named in `keep`, by name; floats as float64.

    feed: the graph's inputs in order. strict_shapes: as many elements in another shape than declared do not fit
    either; else they take the declared one. Constants and inputs are rounded to the arithmetic's stored format
    first, as a delegate uploads them. Raises GraphError for an op that `unsupported` names or a feed
    or a shape that does not fit.
    """
    unknown = unsupported(graph)
    if unknown:
        raise GraphError(f"cannot evaluate {', '.join(unknown)}")
    if len(feed) != len(graph.inputs):
        raise GraphError(f"{len(feed)} inputs given, the graph has {len(graph.inputs)}")
    wanted = set(graph.outputs) | set(keep)
    values: dict[str, Value] = {}
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
        values |= _computed(op, graph, values, arithmetic, strict_shapes)
        for name in set(op.inputs):
            if name and last_use[name] == index and name not in wanted:
                del values[name]
    for name in wanted - values.keys():
        data = graph.tensors[name].data
        if data is not None:
            values[name] = _loaded(data, arithmetic)
    return {n: v.astype(np.float64) if v.dtype.kind == "f" else v for n, v in values.items() if n in wanted}


def _computed(
    op: Op, graph: Graph, values: Mapping[str, Value], arithmetic: Arithmetic, strict_shapes: bool
) -> dict[str, Value]:
    """What the op writes, by name, rounded to the stored format. Raises GraphError where it cannot be computed."""
    try:
        # Overflow, division by zero and the like are what the emulation is asked to show.
        with np.errstate(all="ignore"):
            results = _HANDLERS[op.kind](Step(op, graph, values, arithmetic))
    except (ValueError, IndexError, KeyError, TypeError, ZeroDivisionError, OverflowError, MemoryError) as error:
        # A damaged file can declare anything; what numpy then says is the reason, not a traceback.
        reason = " ".join(str(error).split())
        raise GraphError(f"{op.kind} that writes '{op.outputs[0]}' cannot be computed: {reason}") from error
    if len(results) != len(op.outputs):
        raise GraphError(f"{op.kind} gives {len(results)} results, the graph declares {len(op.outputs)}")
    stored: dict[str, Value] = {}
    for name, value in zip(op.outputs, results, strict=True):
        declared = tuple(graph.tensors[name].shape)
        if value.shape != declared and (strict_shapes or value.size != math.prod(declared)):
            raise GraphError(f"{op.kind} gives '{name}' the shape {value.shape}, declared {declared}")
        stored[name] = arithmetic.stored(value if value.shape == declared else value.reshape(declared))
    return stored


def unsupported(graph: Graph) -> list[str]:
    """What of this graph cannot be evaluated, as words for the user; empty if all can."""
    reasons: dict[str, None] = {}
    for op in graph.ops:
        if op.kind not in _HANDLERS:
            reasons[op.kind] = None
        elif op.kind == "STRIDED_SLICE" and (op.attrs.get("ellipsis_mask") or op.attrs.get("new_axis_mask")):
            reasons["STRIDED_SLICE with an ellipsis or new-axis mask"] = None
        elif op.kind == "GATHER" and op.attrs.get("batch_dims"):
            reasons["GATHER with batch dimensions"] = None
        elif getattr(op.raw, "options", None) is not None and op.kind in _NEEDS_OPTIONS:
            reasons[f"{op.kind} with options that were not read"] = None
        for index in _PARAMETERS.get(op.kind, ()):
            if index < len(op.inputs) and op.inputs[index] and not graph.tensors[op.inputs[index]].is_constant:
                reasons[f"{op.kind} with a parameter computed at run time"] = None
    for tensor in graph.tensors.values():
        used = tensor.name in graph.uses or tensor.name in graph.outputs
        quantised = getattr(tensor.raw, "quantization", None) is not None and tensor.dtype not in ("float32", "float16")
        if used and (quantised or getattr(tensor.raw, "data", None) is not None or tensor.dtype not in _DTYPES):
            reasons[f"{tensor.dtype} quantised or opaque tensors"] = None
    return list(reasons)


def _loaded(array: np.ndarray, arithmetic: Arithmetic) -> Value:
    return arithmetic.stored(array.astype(arithmetic.container)) if array.dtype.kind == "f" else array
