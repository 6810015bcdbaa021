"""Ops whose every output element is made of the elements at the same place of their operands.

Key insight: addition, multiplication and comparison are exact until they are stored; exp, log, division and
their like are not, and Vulkan allows a GPU a few units in the last place for them. So there are two tables of
each arity, and only the approximate ones go through `Arithmetic.function`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from cases.evaluation.step import Step, Value
from cases.graph import GraphError


def _sigmoid(x: Value) -> Value:
    return 0.5 * (1.0 + np.tanh(0.5 * x))


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
_NOISY_BELOW: Mapping[str, float] = {"TANH": 1.0, "SIN": 1.0, "COS": 1.0, "LOG": 0.5}
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
    "FLOOR_DIV": np.floor_divide,
    "FLOOR_MOD": np.mod,
}
APPROXIMATE_BINARY: Mapping[str, Callable[[Value, Value], Value]] = {"DIV": np.divide, "POW": np.power}


def activated(step: Step, value: Value) -> Value:
    """The op's result behind its fused activation. Raises GraphError for an activation that is not modelled."""
    name = step.attrs.get("fused_activation_function", "NONE")
    if name in ("NONE", None):
        return value
    # A fused activation is a node of its own to the delegate: its input is stored first.
    stored = step.arithmetic.stored(value)
    if name in APPROXIMATE_UNARY:
        return step.arithmetic.function(APPROXIMATE_UNARY[name](stored), smallest=_NOISY_BELOW.get(name, 0.0))
    if name not in UNARY:
        raise GraphError(f"{step.op.kind} with the fused activation {name} is not modelled")
    return UNARY[name](stored)


def unary(step: Step) -> Sequence[Value]:
    return (UNARY[step.op.kind](step[0]),)


def approximate_unary(step: Step) -> Sequence[Value]:
    kind = step.op.kind
    return (step.arithmetic.function(APPROXIMATE_UNARY[kind](step[0]), smallest=_NOISY_BELOW.get(kind, 0.0)),)


def binary(step: Step) -> Sequence[Value]:
    return (activated(step, BINARY[step.op.kind](step[0], step[1])),)


def approximate_binary(step: Step) -> Sequence[Value]:
    if step.op.kind == "DIV" and step[0].dtype.kind in "iu":
        return (np.asarray(np.trunc(step[0] / step[1]), dtype=step[0].dtype),)
    return (activated(step, step.arithmetic.function(APPROXIMATE_BINARY[step.op.kind](step[0], step[1]))),)


def elu(step: Step) -> Sequence[Value]:
    """exp(x) - 1 below zero. A kernel rounds the exponential before it subtracts: near zero that is all the noise."""
    x, arithmetic = step[0], step.arithmetic
    below = np.minimum(x, 0)
    less = np.expm1(below) if arithmetic.exact else arithmetic.stored(arithmetic.function(np.exp(below))) - 1
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
    return (np.where(step[0].astype(bool), step[1], step[2]),)


def dequantize(step: Step) -> Sequence[Value]:
    return (step[0],)


def cast(step: Step) -> Sequence[Value]:
    dtype = np.dtype(step.dtype())
    return (step[0].astype(step.arithmetic.container if dtype.kind == "f" else dtype),)
