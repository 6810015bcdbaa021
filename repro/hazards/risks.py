"""What may go wrong: outputs in a dangerous role, what the delegate refuses, constants outside fp16.

Key insight: these need no replay. They are read off one op or tensor at a time, and none of them says that anything
is wrong in this run.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator

import numpy as np

from cases.graph import Graph, Op
from repro.delegate.graph import MAX_RANK, constant_data
from repro.delegate.kinds import ELEMENTWISE
from repro.delegate.sighting import Effect
from repro.hazards.hazard import Hazard, match_of
from repro.hazards.rules import RULES
from runner.run import FP16_MAX, FP16_ROUNDS_TO_ZERO

SUPPORTED_KINDS = """
    ABS ADD ADD_N ARG_MAX ATAN2 AVERAGE_POOL_2D BATCH_MATMUL BITCAST BITWISE_XOR STABLEHLO_BROADCAST_IN_DIM CAST
    STABLEHLO_CBRT CEIL CONCATENATION CONV_2D COS CUMSUM DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE DIV
    DYNAMIC_UPDATE_SLICE EQUAL ELU EMBEDDING_LOOKUP EXP FLOOR FLOOR_DIV FLOOR_MOD FULLY_CONNECTED GATHER GELU GREATER
    GREATER_EQUAL HARD_SWISH LESS LESS_EQUAL LOGICAL_AND LOGICAL_NOT LOGICAL_OR LOGISTIC LOG LSTM MAXIMUM MAX_POOL_2D
    MEAN MINIMUM MIRROR_PAD MUL NEG NOT_EQUAL ONE_HOT PACK PAD PADV2 POW REDUCE_ALL REDUCE_ANY REDUCE_MAX REDUCE_MIN
    REDUCE_PROD QUANTIZE RELU RELU6 RELU_0_TO_1 RELU_N1_TO_1 LEAKY_RELU PRELU STABLEHLO_REMAINDER RESHAPE
    RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR REVERSE_V2 ROUND RSQRT SELECT SELECT_V2 STABLEHLO_SHIFT_LEFT RIGHT_SHIFT
    SIGN SIN SLICE SOFTMAX SPACE_TO_DEPTH SPLIT SPLIT_V SQRT SQUARE SQUARED_DIFFERENCE STRIDED_SLICE SUB SUM TANH TILE
    TOPK_V2 TRANSPOSE TRANSPOSE_CONV UNPACK STABLEHLO_CLAMP STABLEHLO_COMPOSITE CUSTOM
"""
SUPPORTED = frozenset(SUPPORTED_KINDS.split())
"""The op kinds that the delegate's parser table has (NewOperationParser in model_builder.cc)."""
LONG_SUM = 8192
"""Terms of a sum from which on a mean magnitude of 8 passes fp16's range: what activations have."""
REFUSES_TWICE = (ELEMENTWISE | {"ATAN2"}) - {"ADD", "MUL"}
"""Ops that may not read one tensor twice ("No support of few identical inputs"); x + x and x * x become other ops."""


def risks_of(graph: Graph, already_named: Collection[str]) -> Iterator[Hazard]:
    """All of them, in the order of the graph's outputs, ops and constants.

    already_named: tensors that a hazard names; an output among them is no risk in its role any more.
    """
    for index, name in enumerate(graph.outputs):
        readers = graph.uses.get(name, ())
        if readers and name not in already_named:
            producer = graph.producers.get(name)
            yield _risk("output-consumed", name, producer.kind if producer else "input", readers[0].kind, output=index)
    for op in graph.ops:
        why = _why_refused(graph, op)
        if why:
            yield _risk("op-refused", op.outputs[0] if op.outputs else "", op.kind, "", detail=why)
        long = _why_long(graph, op)
        if long:
            readers = graph.uses.get(op.outputs[0], ())
            yield _risk("fp16-long-sum", op.outputs[0], op.kind, readers[0].kind if readers else "", detail=long)
    for name, tensor in graph.tensors.items():
        if tensor.data is not None and tensor.data.dtype.kind == "f" and tensor.dtype != "float16":
            why = _why_outside_fp16(tensor.data)
            if why:
                readers = graph.uses.get(name, ())
                yield _risk("fp16-range", name, "constant", readers[0].kind if readers else "", detail=why)


def _risk(rule: str, tensor: str, producer: str, consumer: str, output: int | None = None, detail: str = "") -> Hazard:
    affected = () if output is None else (output,)
    return match_of(RULES[rule], tensor, output, producer, consumer, Effect.RISK, affected, detail)


def _why_refused(graph: Graph, op: Op) -> str:
    """Why the delegate refuses an op, or empty if nothing speaks against it."""
    if op.kind not in SUPPORTED:
        return f"the delegate has no {op.kind}"
    if op.kind == "SPLIT" and len(op.outputs) == 1:
        return "a SPLIT into one part crashes the delegate"
    if op.kind in REFUSES_TWICE and op.inputs[0] == op.inputs[-1] and constant_data(graph, op.inputs[0]) is None:
        return f"it reads '{op.inputs[0]}' as both operands"
    for name in (*op.inputs, *op.outputs):
        if name and len(graph.tensors[name].shape) > MAX_RANK:
            return f"'{name}' has rank {len(graph.tensors[name].shape)}, the delegate takes at most {MAX_RANK}"
    return ""


def _why_long(graph: Graph, op: Op) -> str:
    """What a sum over very many numbers needs to pass fp16's range, or empty for any other op."""
    if op.kind not in ("SUM", "CUMSUM") or not op.outputs or not graph.tensors[op.outputs[0]].dtype.startswith("float"):
        return ""
    source, made = (graph.tensors[name].shape for name in (op.inputs[0], op.outputs[0]))
    axis = constant_data(graph, op.inputs[1]) if op.kind == "CUMSUM" else None
    if axis is not None and axis.size == 1 and -len(source) <= int(axis.reshape(-1)[0]) < len(source):
        terms = source[int(axis.reshape(-1)[0])]
    else:
        terms = math.prod(source) // max(1, math.prod(made))
    if terms < LONG_SUM:
        return ""
    return f"it adds up {terms} numbers, and a mean of {FP16_MAX / terms:.2g} is enough to pass {FP16_MAX:g}"


def _why_outside_fp16(data: np.ndarray) -> str:
    """What fp16 makes of a constant's largest values, or empty where it holds them."""
    if data.size == 0:
        return ""
    with np.errstate(invalid="ignore"):  # a NaN that signals is not finite either
        low, high = float(data.min()), float(data.max())
    peak = max(abs(low), abs(high))
    if not np.isfinite(peak) or peak > FP16_MAX:
        return f"holds {peak:g}, the largest fp16 number is {FP16_MAX:g}"
    # Only where nothing of the constant survives: small entries among larger ones are what fp16 rounds anyway.
    if 0 < peak < FP16_ROUNDS_TO_ZERO:
        return f"its largest value is {peak:g}, which fp16 rounds to zero"
    return ""
