"""What ops leave in the unused lanes behind the last channel, and which ops read it as if it were data.

Key insight: tensors are stored in slices of four channels, and a kernel computes whole slices. So the lanes
behind the last channel hold a number too, which can be followed through the graph like any other: 0 in
what is given to the model, f(0) behind f. A division makes 0/0 of it, a logarithm or a reciprocal root
infinity, and whoever sums over channels multiplies the lanes by zero, which leaves them NaN.

Every line of the tables here was measured on gpu:lavapipe with a lane of NaN, inf and -inf in front.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from repro.delegate.graph import SLICE_CHANNELS, DelegateGraph, Node, OperandForm, Value, slices
from repro.delegate.kernel_fusions import NORMALISATION
from repro.delegate.sighting import Effect, Sighting

FINITE = 0.625
"""Stands for a finite number that is not known. Nothing is predicted from such a lane."""

Lanes = dict[Value, float]
"""What is in the unused lanes of each tensor; a tensor that is not listed has `FINITE` ones."""


def sums_over_unused_lanes(graph: DelegateGraph) -> Iterator[Sighting]:
    """Sums over channels of a tensor whose unused lanes are not finite: the op that made them so, and the sum."""
    lanes: Lanes = dict.fromkeys(graph.inputs, 0.0)
    spoilers: dict[Value, Node] = {}  # value with a lane that is not finite -> the node that first made it so
    for node in graph.live():
        spoilt = next((value for value in _summed(node) if _is_spoilt(value, lanes)), None)
        if spoilt is not None:
            yield Sighting("padding-lanes", Effect.WRONG, node.outputs[0], spoilers.get(spoilt, node), node)
        for value in node.outputs:
            lane = 0.0 if spoilt is not None else _lane(node, value, lanes)
            if lane != FINITE:
                lanes[value] = lane
            if not math.isfinite(lane):
                carried = (source for source in node.inputs if _is_spoilt(source, lanes) and source in spoilers)
                spoilers[value] = next((spoilers[source] for source in carried), node)


def _is_spoilt(value: Value, lanes: Lanes) -> bool:
    return value.shape[3] % SLICE_CHANNELS != 0 and not math.isfinite(lanes.get(value, FINITE))


def _summed(node: Node) -> list[Value]:
    """The inputs over whose channels a node sums."""
    if node.fused_by == NORMALISATION:
        return []  # the kernel that the whole pattern becomes leaves the lanes out of its sums
    if node.kind in ("SUM", "MEAN", "PROD"):
        return node.inputs[:1] if _is_over_channels(node) else []
    if node.kind == "BATCH_MATMUL":
        # With a batch, another kernel computes it, which does not read the lanes.
        left = node.inputs[0]
        return [] if node.op.attrs.get("adj_x") or left.shape[0] != 1 else [left]
    return node.inputs[:1] if node.kind in ("CONV", "TRANSPOSE_CONV", "FULLY_CONNECTED") else []


def _is_over_channels(reduction: Node) -> bool:
    return reduction.axes is not None and "C" in reduction.axes


def _lane(node: Node, target: Value, lanes: Lanes) -> float:
    """What is in the lanes behind the channels of one output."""
    if target.shape[3] % SLICE_CHANNELS == 0:
        return FINITE
    kind = node.kind
    with np.errstate(all="ignore"):
        if kind in BINARY:
            first, second = _operands(node, target, lanes)
            return float(BINARY[kind](first, second))
        source = lanes.get(node.inputs[0], FINITE) if node.inputs else FINITE
        if kind in UNARY:
            # Nothing is known of f(x) where nothing is known of x.
            return FINITE if source == FINITE else float(UNARY[kind](_activated(node, source)))
    if kind in MOVERS:
        return MOVERS[kind](node, target, lanes)
    return FINITE


def _activated(node: Node, lane: float) -> float:
    return min(lane, 6.0) if node.op.attrs.get("fused_activation_function") == "RELU6" else lane


def _operands(node: Node, target: Value, lanes: Lanes) -> tuple[float, float]:
    """The lanes of both operands; what broadcasts over the channels puts a true value there."""
    runtime = [
        FINITE if value.shape[3] == 1 and target.shape[3] != 1 else lanes.get(value, FINITE) for value in node.inputs
    ]
    operand = node.operand
    if operand is None:
        return (runtime[0], runtime[1]) if len(runtime) > 1 else (runtime[0], runtime[0])
    if operand.form is OperandForm.SCALAR:
        constant = float(operand.values.ravel()[0])
    elif operand.form is OperandForm.INTEGER or operand.values.shape[-1] == 1:
        constant = FINITE
    else:
        constant = 0.0
    return (constant, runtime[0]) if operand.comes_first else (runtime[0], constant)


# --- functions -----------------------------------------------------------------------------------------


def _power(base: float, exponent: float) -> float:
    """GPUs compute exp2(y * log2(x)), squares apart; 0 to a negative power was measured to stay finite."""
    if not math.isfinite(exponent) or math.isnan(base):
        return math.nan
    if base == -math.inf:
        return math.inf if exponent == 2.0 else FINITE
    if base == 0.0 or FINITE in (base, exponent):
        return math.inf if base == math.inf else FINITE
    return math.nan if base < 0 else float(np.power(base, exponent))


def _root(lane: float) -> float:
    return FINITE if lane == -math.inf else float(np.sqrt(lane))


def _quotient(first: float, second: float) -> float:
    return float(np.divide(first, second))


BINARY: dict[str, Callable[[float, float], float]] = {
    "ADD": lambda a, b: a + b,
    "SUB": lambda a, b: a - b,
    "MUL": lambda a, b: a * b,
    "DIV": _quotient,
    "FLOOR_DIV": _quotient,
    "FLOOR_MOD": lambda a, b: math.nan if b == 0 or not math.isfinite(a + b) else FINITE,
    "SQUARED_DIFF": lambda a, b: (a - b) * (a - b),
    "MAXIMUM": lambda a, b: float(np.fmax(a, b)),
    "MINIMUM": lambda a, b: float(np.fmin(a, b)),
    "POW": _power,
}
UNARY: dict[str, Callable[[float], float]] = {
    "RELU": lambda x: max(0.0, x) if not math.isnan(x) else 0.0,
    "RELU6": lambda x: min(6.0, max(0.0, x)) if not math.isnan(x) else 0.0,
    "RELU_N1_TO_1": lambda x: min(1.0, max(-1.0, x)) if not math.isnan(x) else FINITE,
    "LEAKY_RELU": lambda x: x if not math.isnan(x) else 0.0,
    "PRELU": lambda x: 0.0 if math.isnan(x) else math.nan if x == -math.inf else max(0.0, x),
    "TANH": lambda x: float(np.tanh(x)) if not math.isnan(x) else FINITE,
    "SIGMOID": lambda x: 1.0 / (1.0 + float(np.exp(-x))),
    "EXP": lambda x: float(np.exp(x)),
    "LOG": lambda x: FINITE if x == -math.inf else float(np.log(x)),
    "SQRT": _root,
    "RSQRT": lambda x: FINITE if x == -math.inf else float(np.divide(1.0, np.sqrt(x))),
    "ABS": abs,
    "NEG": lambda x: -x,
    "SQUARE": lambda x: x * x,
    "SIN": lambda x: float(np.sin(x)),
    "COS": lambda x: float(np.cos(x)),
    "HARD_SWISH": lambda x: x * min(max(x + 3.0, 0.0), 6.0) / 6.0,
    "GELU": lambda x: x * (1.0 + math.erf(x / math.sqrt(2.0))) / 2.0,
    "ELU": lambda x: x if not x < 0 else float(np.expm1(x)),
    "SIGN": lambda x: float(np.sign(x)) if not math.isnan(x) else 0.0,
    "FLOOR": lambda x: float(np.floor(x)),
    "CEIL": lambda x: float(np.ceil(x)),
    "ROUND": lambda x: float(np.round(x)),
}


# --- what moves or gathers data ---------------------------------------------------------------------------


def _kept(node: Node, target: Value, lanes: Lanes) -> float:
    return lanes.get(node.inputs[0], FINITE)


def _zero(node: Node, target: Value, lanes: Lanes) -> float:
    return 0.0


def _reduced(node: Node, target: Value, lanes: Lanes) -> float:
    if not _is_over_channels(node):
        return _kept(node, target, lanes)
    return 0.0 if node.kind in ("SUM", "MEAN") else FINITE


def _depthwise(node: Node, target: Value, lanes: Lanes) -> float:
    lane = _kept(node, target, lanes)
    if node.weights is not None and node.weights.in_channels != node.weights.out_channels:
        return FINITE
    return 0.0 if math.isfinite(lane) else math.nan


def _maximum_in_window(node: Node, target: Value, lanes: Lanes) -> float:
    lane = _kept(node, target, lanes)
    return lane if lane == math.inf or math.isfinite(lane) else FINITE


def _padded(node: Node, target: Value, lanes: Lanes) -> float:
    return 0.0 if node.pad is not None and any(node.pad.amounts["C"]) else _kept(node, target, lanes)


def _concatenated(node: Node, target: Value, lanes: Lanes) -> float:
    if node.axis == "C":
        return 0.0
    parts = [lanes.get(value, FINITE) for value in node.inputs]
    return next((lane for lane in parts if not math.isfinite(lane)), parts[0] if len(set(parts)) == 1 else FINITE)


def _sliced(node: Node, target: Value, lanes: Lanes) -> float:
    """A cut at a multiple of four copies whole slices: the lanes come along if the cut reaches the last one."""
    channels, size = node.inputs[0].shape[3], target.shape[3]
    if channels == size:
        return _kept(node, target, lanes)
    if node.cut is None or not node.cut.unit_strides:
        return FINITE
    start = node.cut.starts.get("C", 0)
    reaches_last_slice = slices(start + size) * SLICE_CHANNELS > channels
    return _kept(node, target, lanes) if start % SLICE_CHANNELS == 0 and reaches_last_slice else FINITE


def _split(node: Node, target: Value, lanes: Lanes) -> float:
    if len(node.outputs) == 1 and target.shape == node.inputs[0].shape:
        return _kept(node, target, lanes)  # put together again, it is its source under another name
    return FINITE if node.axis == "C" else _kept(node, target, lanes)


def _transposed(node: Node, target: Value, lanes: Lanes) -> float:
    order = node.order
    return _kept(node, target, lanes) if order is not None and order[-1] == len(order) - 1 else 0.0


def _gathered(node: Node, target: Value, lanes: Lanes) -> float:
    return 0.0 if node.axis == "C" else _kept(node, target, lanes)


def _selected(node: Node, target: Value, lanes: Lanes) -> float:
    """The condition's lanes are false."""
    last = node.inputs[-1]
    return FINITE if last.shape[3] != target.shape[3] else lanes.get(last, FINITE)


def _multiplied(node: Node, target: Value, lanes: Lanes) -> float:
    if len(node.inputs) < 2 or node.op.attrs.get("adj_y") or node.inputs[0].shape[0] != 1:
        return FINITE
    return lanes.get(node.inputs[1], FINITE)


MOVERS: dict[str, Callable[[Node, Value, Lanes], float]] = {
    "CONV": _zero,
    "TRANSPOSE_CONV": _zero,
    "FULLY_CONNECTED": _zero,
    "RESHAPE": _zero,
    "CONSTANT": lambda node, target, lanes: 0.0 if target.shape[3] != 1 else FINITE,
    "DEPTHWISE": _depthwise,
    "SUM": _reduced,
    "MEAN": _reduced,
    "PROD": _reduced,
    "MAX": _reduced,
    "MIN": _reduced,
    "POOL_AVERAGE": _kept,
    "POOL_MAX": _maximum_in_window,
    "RESIZE": _kept,
    "COPY": _kept,
    "PAD": _padded,
    "CONCAT": _concatenated,
    "SLICE": _sliced,
    "SPLIT": _split,
    "TRANSPOSE": _transposed,
    "GATHER": _gathered,
    "SELECT": _selected,
    "SELECT_V2": _selected,
    "BATCH_MATMUL": _multiplied,
    "REVERSE_V2": _kept,
    "CUMSUM": _kept,
}
