"""Ops whose every output element is made of the elements at the same place of their operands.

Key insight: addition, multiplication and comparison are exact until they are stored; exp, log, division and
their like are not, and Vulkan allows a GPU a few units in the last place for them. So there are two tables of
each arity, and only the approximate ones go through `Arithmetic.function`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from cases.evaluation.arithmetic import Arithmetic
from cases.evaluation.quantised import grid_of
from cases.evaluation.step import Step, Value
from cases.graph import GraphError


def _erf(x: Value) -> Value:
    """numpy has no erf; Python's is exact and only GELU needs it."""
    return np.fromiter(map(math.erf, x.ravel().tolist()), np.float64, x.size).reshape(x.shape)


UNARY: Mapping[str, Callable[[Value], Value]] = {
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
APPROXIMATE_UNARY: Mapping[str, Callable[[Value], Value]] = {
    "TANH": np.tanh,
    "LOG": np.log,
    "SQRT": np.sqrt,
    "RSQRT": lambda x: 1 / np.sqrt(x),
    "SIN": np.sin,
    "COS": np.cos,
    "STABLEHLO_CBRT": np.cbrt,
}
# Functions with an absolute error where their values are small, and how small that is.
_NOISY_BELOW: Mapping[str, float] = {"TANH": 1.0, "SIN": 1.0, "COS": 1.0, "LOG": 0.5}


def _right_shift(a: Value, by: Value) -> Value:
    """By one bit less than the type has at most, and never to the left, as TFLite's kernel does."""
    return np.right_shift(a, np.clip(by, 0, 8 * a.dtype.itemsize - 1))


def _whole_by_zero(a: Value, b: Value) -> None:
    if a.dtype.kind in "iu" and not np.all(b):
        raise GraphError("whole numbers are divided by zero, which TFLite's kernels refuse to compute")


def _floor_div(a: Value, b: Value) -> Value:
    _whole_by_zero(a, b)
    return np.floor_divide(a, b)


def _floor_mod(a: Value, b: Value) -> Value:
    _whole_by_zero(a, b)
    return np.mod(a, b)


def _remainder(a: Value, b: Value) -> Value:
    """Of a division toward zero: it has the sign of the dividend (StableHLO), unlike FLOOR_MOD's."""
    _whole_by_zero(a, b)
    return np.fmod(a, b)


BINARY: Mapping[str, Callable[[Value, Value], Value]] = {
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
    "FLOOR_DIV": _floor_div,
    "FLOOR_MOD": _floor_mod,
    "STABLEHLO_REMAINDER": _remainder,
}
OF_ORDER = ("GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL")
OF_BITS: Mapping[str, Callable[[Value, Value], Value]] = {
    "BITWISE_XOR": np.bitwise_xor,
    "RIGHT_SHIFT": _right_shift,
    "STABLEHLO_SHIFT_LEFT": np.left_shift,  # zero beyond the bits of the type, as StableHLO says
}
APPROXIMATE_BINARY: Mapping[str, Callable[[Value, Value], Value]] = {
    "DIV": np.divide,
    "POW": np.power,
    "ATAN2": np.arctan2,
}
# What Vulkan allows in float32 where that is much (VkSpec, "Precision and Operation of SPIR-V Instructions").
_COARSE: Mapping[str, float] = {"ATAN2": 4096.0}


def activated(step: Step, value: Value) -> Value:
    """The op's result behind its fused activation. Raises GraphError for an activation that is not modelled."""
    return activation(step, step.attrs.get("fused_activation_function", "NONE"), value)


def activation(step: Step, name: str | None, value: Value) -> Value:
    """A function by the schema's name of an activation. Raises GraphError for one that is not modelled."""
    if name in ("NONE", None):
        return value
    # A fused activation is a node of its own to the delegate: its input is stored first.
    stored = step.arithmetic.stored(value)
    if name in APPROXIMATE_UNARY:
        return step.arithmetic.function(APPROXIMATE_UNARY[name](stored), smallest=_NOISY_BELOW.get(name, 0.0))
    if name == "SIGMOID":
        return sigmoid(step.arithmetic, stored)
    if name not in UNARY:
        raise GraphError(f"{step.op.kind} with the fused activation {name} is not modelled")
    return UNARY[name](stored)


def unary(step: Step) -> Sequence[Value]:
    if step.op.kind == "HARD_SWISH" and not step.arithmetic.exact:
        return (_hard_swish_in_kernel(step[0], step.arithmetic.stored),)
    return (UNARY[step.op.kind](step[0]),)


def _hard_swish_in_kernel(x: Value, stored: Callable[[Value], Value]) -> Value:
    """By a sixth plus a half, as a delegate computes it: near -3, where these cancel, as coarse as a half."""
    share = stored(stored(x * stored(np.asarray(1 / 6, x.dtype))) + x.dtype.type(0.5))
    return np.asarray(x * np.clip(share, 0, 1))


def approximate_unary(step: Step) -> Sequence[Value]:
    kind = step.op.kind
    return (step.arithmetic.function(APPROXIMATE_UNARY[kind](step[0]), smallest=_NOISY_BELOW.get(kind, 0.0)),)


def binary(step: Step) -> Sequence[Value]:
    return (activated(step, BINARY[step.op.kind](step[0], step[1])),)


def floor_mod(step: Step) -> Sequence[Value]:
    """What is left of a division toward minus infinity.

    A kernel takes a multiple of the divisor away from the dividend, and rounds it first: beside a small rest that is
    all the noise.
    """
    a, b = step[0], step[1]
    if step.arithmetic.exact or a.dtype.kind != "f":
        return binary(step)
    return (a - step.arithmetic.stored(b * np.floor(a / b)),)


def order(step: Step) -> Sequence[Value]:
    """Which of two is larger, by what integers stand for; TFLite's kernels know no scales of int16 here."""
    operands = []
    for index, name in enumerate(step.op.inputs):
        tensor = step.graph.tensors[name]
        grid = grid_of(tensor) if tensor.dtype == "int16" else None
        operands.append(step[index] if grid is None else grid.integers(step[index]))
    return (BINARY[step.op.kind](*operands),)


def approximate_binary(step: Step) -> Sequence[Value]:
    if step.op.kind == "DIV" and step[0].dtype.kind in "iu":
        _whole_by_zero(step[0], step[1])
        return (activated(step, np.asarray(np.trunc(step[0] / step[1]), dtype=step[0].dtype)),)
    exact = APPROXIMATE_BINARY[step.op.kind](step[0], step[1])
    return (activated(step, step.arithmetic.function(exact, ulps=_COARSE.get(step.op.kind, 0.0))),)


def of_bits(step: Step) -> Sequence[Value]:
    return (OF_BITS[step.op.kind](step[0], step[1]),)


def exponential(step: Step) -> Sequence[Value]:
    return (step.arithmetic.exp(step[0]),)


def logistic(step: Step) -> Sequence[Value]:
    return (sigmoid(step.arithmetic, step[0]),)


def sigmoid(arithmetic: Arithmetic, x: Value) -> Value:
    """1 / (1 + exp(-x)), to the last digit far below zero as well.

    A delegate computes just this formula in its own format: where the exponential leaves it (in fp16 from -11.1 on) the
    result is 0 (ML Drift, `kernels/elementwise.cc`).
    """
    if arithmetic.exact:
        small = np.exp(-np.abs(x))
        return np.where(x >= 0, 1, small) / (1 + small)
    raised = arithmetic.stored(arithmetic.exp(-x))
    return arithmetic.function(1 / arithmetic.stored(1 + raised))


def elu(step: Step) -> Sequence[Value]:
    """exp(x) - 1 below zero. A kernel rounds the exponential before it subtracts: near zero that is all the noise."""
    x, arithmetic = step[0], step.arithmetic
    below = np.minimum(x, 0)
    less = np.expm1(below) if arithmetic.exact else arithmetic.stored(arithmetic.exp(below)) - 1
    return (np.where(x > 0, x, less),)


def gelu(step: Step) -> Sequence[Value]:
    """x/2 (1 + f), f from -1 to 1: the noise is that of f near 1 in size, all that is left for x far below zero."""
    x, arithmetic = step[0].astype(np.float64), step.arithmetic
    if step.attrs.get("approximate"):
        saturated = np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))
    else:
        saturated = _erf(x / np.sqrt(2))
    half = 0.5 * (1 + arithmetic.function(saturated, smallest=1.0).astype(np.float64))
    return ((x * half).astype(arithmetic.container),)


def leaky_relu(step: Step) -> Sequence[Value]:
    x = step[0]
    return (np.where(x >= 0, x, x * x.dtype.type(step.attrs.get("alpha", 0.0))),)


def select(step: Step) -> Sequence[Value]:
    """SELECT_V2 broadcasts as numpy does; SELECT's condition may also be a vector that chooses whole rows."""
    condition = step[0].astype(bool)
    if step.op.kind == "SELECT" and condition.ndim == 1:
        condition = condition.reshape(-1, *[1] * (step[1].ndim - 1))
    return (np.where(condition, step[1], step[2]),)


def sum_of_all(step: Step) -> Sequence[Value]:
    """ADD_N: its operands one after the other."""
    total = step[0]
    for index in range(1, len(step.op.inputs)):
        total = step.arithmetic.stored(total + step[index])
    return (total,)


def clamp(step: Step) -> Sequence[Value]:
    """STABLEHLO_CLAMP of (lowest, values, highest), the bounds of the values' shape or without dimensions."""
    return (np.minimum(np.maximum(step[1], step[0]), step[2]),)


def same_number(step: Step) -> Sequence[Value]:
    """QUANTIZE, DEQUANTIZE, DENSIFY: the number is the same; what writes a tensor puts it on the tensor's own grid."""
    return (step[0],)


def cast(step: Step) -> Sequence[Value]:
    """The numbers in another type; of a tensor on a grid, its integers, whatever they stand for."""
    value, dtype = step[0], np.dtype(step.dtype())
    source, result = (grid_of(step.graph.tensors[name]) for name in (step.op.inputs[0], step.op.outputs[0]))
    if source is not None:
        value = source.integers(value)
    value = value.astype(step.arithmetic.container if dtype.kind == "f" else dtype)
    return (value if result is None else result.real(value).astype(step.arithmetic.container),)
