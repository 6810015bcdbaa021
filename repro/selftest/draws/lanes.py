"""Draws around the lanes behind the last channel: what is left there, who carries it on, who sums over it."""

from __future__ import annotations

import numpy as np

from cases.graph import Graph
from repro.selftest.draws.steps import Pen, Step, one_of, unary


def lanes(pen: Pen) -> Graph:
    """What leaves something in unused lanes, what carries or clears it, and what sums over channels."""
    channels = pen.pick((1, 2, 3, 3, 4, 5, 6, 7))
    shape = pen.pick(((1, 4, 6, channels), (1, 4, 6, channels), (1, 6, channels), (4, channels)))
    x = pen.input(shape)
    if pen.chance(0.4):
        x = one_of(pen, CARRIERS, x)
    y = one_of(pen, SOURCES, x)
    for _ in range(int(pen.rng.integers(0, 3))):
        y = one_of(pen, CARRIERS, y)
    z = one_of(pen, SUMS, y)
    return pen.builder.build([z, y] if pen.chance(0.2) else [z])


def _positive(pen: Pen, name: str) -> str:
    """A tensor whose channels are well above zero, and whose lanes are what they are."""
    far = pen.builder.add(pen.builder.unary("ABS", name), pen.builder.const(np.full(pen.shape(name)[-1], 0.5)))
    return pen.builder.add(far, pen.builder.const(0.25)) if pen.chance(0.25) else far


def _quotient(pen: Pen, name: str) -> str:
    g, shape = pen.builder, pen.shape(name)
    roll = int(pen.rng.integers(5))
    if roll == 0:
        return g.div(name, g.const(2.0))
    if roll == 1:
        return g.div(g.const(3.0), _positive(pen, name))
    if roll == 2:
        other = shape if pen.chance(0.7) else (*shape[:-1], 1)
        return g.div(name, _positive(pen, pen.input(other)))
    return g.div(name, g.const(np.abs(pen.numbers(shape[-1]))))


SOURCES: tuple[Step, ...] = (
    _quotient,
    _quotient,
    lambda pen, name: pen.builder.unary("LOG", _positive(pen, name)),
    lambda pen, name: pen.builder.unary("RSQRT", _positive(pen, name)),
    lambda pen, name: pen.builder.unary("RSQRT", pen.builder.unary("EXP", name)),
    lambda pen, name: pen.builder.unary("TANH", name),
)


def _flat(pen: Pen, name: str) -> str | None:
    shape = pen.shape(name)
    return pen.builder.reshape(name, (1, int(np.prod(shape[:-1])), shape[-1])) if len(shape) == 4 else None


def _half(pen: Pen, name: str) -> str | None:
    shape = pen.shape(name)
    axis = next((axis for axis in (2, 1) if axis < len(shape) - 1 and shape[axis] % 2 == 0), None)
    return pen.pick(pen.builder.split(name, 2, axis)) if axis is not None else None


def _channel_slice(pen: Pen, name: str) -> str | None:
    shape = pen.shape(name)
    if shape[-1] < 2 or len(shape) < 3:
        return None
    begin = int(pen.rng.integers(shape[-1]))
    size = int(pen.rng.integers(1, shape[-1] - begin + 1))
    return pen.builder.slice(name, [0] * (len(shape) - 1) + [begin], [*shape[:-1], size])


def _row_slice(pen: Pen, name: str) -> str | None:
    shape = pen.shape(name)
    if len(shape) != 4 or shape[2] < 2:
        return None
    return pen.builder.slice(name, [0, 0, 1, 0], [*shape[:2], shape[2] - 1, shape[3]])


def _beside(pen: Pen, name: str) -> str | None:
    shape = pen.shape(name)
    if len(shape) < 3:
        return None
    parts = [name, pen.input(shape)]
    return pen.builder.concat(parts[::-1] if pen.chance(0.5) else parts, len(shape) - (1 if pen.chance(0.3) else 2))


def _border(pen: Pen, name: str) -> str | None:
    if len(pen.shape(name)) != 4:
        return None
    rows = [(0, 0), (1, 1), (0, 1), (0, 0)] if pen.chance(0.7) else [(0, 0), (0, 0), (0, 0), (0, 2)]
    return pen.builder.pad(name, rows)


def _larger(pen: Pen, name: str) -> str | None:
    shape = pen.shape(name)
    if len(shape) != 4:
        return None
    size = pen.builder.const([2 * shape[1], 2 * shape[2]], dtype="int32")
    return pen.builder.op("RESIZE_NEAREST_NEIGHBOR", (name, size))[0]


def _window(pen: Pen, name: str) -> str | None:
    shape = pen.shape(name)
    if len(shape) != 4 or min(shape[1:3]) < 2:
        return None
    return pen.builder.pool(pen.pick(("AVERAGE_POOL_2D", "MAX_POOL_2D")), name, 2, 1)


def _swapped(pen: Pen, name: str) -> str | None:
    rank = len(pen.shape(name))
    orders = {3: ([0, 1, 2], [0, 2, 1]), 4: ([0, 1, 2, 3], [0, 2, 1, 3], [0, 1, 3, 2])}.get(rank)
    return pen.builder.transpose(name, pen.pick(orders)) if orders else None


def _other_reduction(pen: Pen, name: str) -> str | None:
    shape = pen.shape(name)
    if len(shape) < 3:
        return None
    return pen.builder.reduce(pen.pick(("SUM", "MEAN", "REDUCE_MAX", "REDUCE_MIN")), name, [len(shape) - 2])


def _chosen(pen: Pen, name: str) -> str:
    condition = pen.builder.op("GREATER", (pen.input(pen.shape(name)), pen.builder.const(0.1)))[0]
    pair = [name, pen.input(pen.shape(name))]
    first, second = pair if pen.chance(0.5) else pair[::-1]
    return pen.builder.select(condition, first, second)


def _with(kind: str, scalar: bool) -> Step:
    def step(pen: Pen, name: str) -> str:
        value = pen.numbers() if scalar else pen.numbers(pen.shape(name)[-1])
        return pen.builder.binary(kind, name, pen.builder.const(value))

    return step


CARRIERS: tuple[Step, ...] = (
    *(unary(kind) for kind in ("NEG", "ABS", "RELU", "TANH", "LOGISTIC", "SQUARE", "EXP", "SIN")),
    *(_with(kind, scalar) for kind in ("ADD", "MUL", "MAXIMUM", "MINIMUM") for scalar in (True, False)),
    *(
        _flat,
        _half,
        _channel_slice,
        _row_slice,
        _beside,
        _border,
        _larger,
        _window,
        _swapped,
        _other_reduction,
        _chosen,
    ),
    lambda pen, name: pen.builder.softmax(name),
)


def _over_channels(pen: Pen, name: str) -> str:
    kind = pen.pick(("SUM", "MEAN", "REDUCE_MAX", "REDUCE_PROD"))
    return pen.builder.reduce(kind, name, [len(pen.shape(name)) - 1], keep_dims=pen.chance(0.7))


def _dense(pen: Pen, name: str) -> str:
    shape = pen.shape(name)
    weights = pen.numbers(4, shape[-1]) * 0.5
    if len(shape) == 4 and pen.chance(0.6):
        size = 3 if min(shape[1:3]) > 2 and pen.chance(0.4) else 1
        return pen.builder.conv2d(name, pen.numbers(4, size, size, shape[-1]) * 0.4)
    return pen.builder.fully_connected(name, weights)


def _product(pen: Pen, name: str) -> str | None:
    shape = pen.shape(name)
    if len(shape) < 3:
        return None
    if pen.chance(0.6):
        return pen.builder.batch_matmul(name, pen.input((*shape[:-2], shape[-1], 3)))
    return pen.builder.batch_matmul(pen.input((*shape[:-2], 3, shape[-2])), name)


SUMS: tuple[Step, ...] = (_over_channels, _over_channels, _dense, _dense, _product)
