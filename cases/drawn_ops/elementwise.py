"""Ops whose result has one element per element of each operand, on operands that broadcast."""

from __future__ import annotations

from typing import Any

import numpy as np

from cases.drawn_ops.draw import Draw
from cases.drawn_ops.one_op import OneOp

POSITIVE = frozenset({"LOG", "SQRT", "RSQRT"})
OF_WHOLE_NUMBERS = frozenset({"FLOOR_DIV", "FLOOR_MOD", "DIV", "ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM"})
ACTIVATIONS = ("NONE", "RELU", "RELU6", "RELU_N1_TO_1")


def unary(draw: Draw, kind: str) -> OneOp:
    shape = draw.shape()
    if kind == "LOGICAL_NOT":
        return OneOp(kind, (draw.truths(shape),), ("bool",))
    low = 0.1 if kind in POSITIVE else -8.0
    attrs: dict[str, Any] = {}
    if kind == "GELU":
        attrs = {"approximate": draw.coin()}
    elif kind == "LEAKY_RELU":
        attrs = {"alpha": draw.one_of([0.1, 0.5])}
    return OneOp(kind, (draw.floats(shape, low, 8.0),), attrs=attrs)


def binary(draw: Draw, kind: str) -> OneOp:
    left, right = draw.broadcasting(2) if kind != "ATAN2" else [draw.shape()] * 2  # TFLite's does not broadcast
    if kind.startswith("LOGICAL"):
        return OneOp(kind, (draw.truths(left), draw.truths(right)), ("bool",))
    compares = kind in ("GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL", "EQUAL", "NOT_EQUAL")
    outputs = ("bool",) if compares else ("float32",)
    fuses = kind in ("ADD", "SUB", "MUL", "DIV")
    attrs = {"fused_activation_function": draw.one_of(ACTIVATIONS)} if fuses else {}
    if (compares or kind in OF_WHOLE_NUMBERS) and draw.coin():
        divisor = draw.whole(right, 1, 5) * draw.one_of([1, -1])
        return OneOp(kind, (draw.whole(left), divisor), outputs if compares else ("int32",), attrs)
    a, b = draw.floats(left), draw.floats(right)
    if kind == "POW":
        a = np.abs(a) + np.float32(0.1)
    if kind in ("DIV", "FLOOR_DIV", "FLOOR_MOD"):
        b = np.where(np.abs(b) < 0.1, np.float32(0.7), b)
    if compares and draw.coin():
        a, b = np.round(a), np.round(b)  # so that some are equal
    return OneOp(kind, (a, b), outputs, attrs)


def of_bits(draw: Draw, kind: str) -> OneOp:
    dtype = draw.one_of(["int8", "int16", "int32", "uint8"] if kind != "STABLEHLO_SHIFT_LEFT" else ["int32"])
    shape = draw.shape(1)
    low = 0 if dtype == "uint8" else -100
    by = draw.whole(shape, 0, 12 if kind == "RIGHT_SHIFT" else 7, dtype)
    return OneOp(kind, (draw.whole(shape, low, 100, dtype), by), (dtype,))


def prelu(draw: Draw, kind: str) -> OneOp:
    shape = draw.shape(1)
    slopes = tuple(d if draw.coin() else 1 for d in shape[draw.integer(0, len(shape) - 1) :])
    return OneOp(kind, (draw.floats(shape), draw.floats(slopes)))


def select(draw: Draw, kind: str) -> OneOp:
    if kind == "SELECT_V2":
        condition, left, right = draw.broadcasting(3)
    else:
        left = right = draw.shape(1)
        condition = draw.one_of([left, left[:1], ()])
    operands = (draw.truths(condition), draw.floats(left), draw.floats(right))
    return OneOp(kind, operands, shapes=None if kind == "SELECT_V2" else [left])


def add_n(draw: Draw, kind: str) -> OneOp:
    shape = draw.shape()
    return OneOp(kind, tuple(draw.floats(shape) for _ in range(draw.integer(2, 4))))


def cast(draw: Draw, kind: str) -> OneOp:
    source, target = draw.shuffled(["float32", "float32", "int32", "int32", "bool", "int64", "uint8", "int16", "int8"])[
        :2
    ]
    shape = draw.shape()
    values = draw.truths(shape) if source == "bool" else draw.numbers.uniform(0, 90, shape).astype(source)
    return OneOp(kind, (values,), (target,))


def clamp(draw: Draw, kind: str) -> OneOp:
    """Between bounds of the operand's shape or without dimensions."""
    shape = draw.shape()
    low, high = (() if draw.coin() else shape for _ in range(2))
    return OneOp(kind, (draw.floats(low, -2.0, -0.5), draw.floats(shape), draw.floats(high, 0.5, 2.0)), shapes=[shape])
