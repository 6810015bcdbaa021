"""The steps that drawn lint graphs are made of: one op behind a tensor, in one of its forms, and what joins tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from cases.random_builder import RandomBuilder

T = TypeVar("T")

READER = "TANH"
"""What reads a tensor a second time. Not NEG: two of them give back the input, which stale memory may hold."""
CHANNELS = (1, 3, 4, 8)
SHAPES = (
    lambda c: (1, 5, c),
    lambda c: (1, 5, c),
    lambda c: (2, 3, c),
    lambda c: (4, c),
    lambda c: (1, c),
    lambda c: (1, 4, 6, c),
    lambda c: (1, 4, 6, c),
    lambda c: (2, 4, 4, c),
    lambda c: (1, 1, 1, c),
)


class Pen(RandomBuilder[np.random.Generator]):
    """Draws one graph: decisions and numbers come from one generator, in turn."""

    def __init__(self, rng: np.random.Generator) -> None:
        super().__init__(rng, rng, next_input=1)

    def pick(self, options: Sequence[T]) -> T:
        return options[int(self.rng.integers(len(options)))]


Step = Callable[[Pen, str], str | tuple[str, ...] | None]
"""Adds ops behind a tensor and says what it made; None where the op does not fit the tensor."""


def constant_shape(pen: Pen, shape: tuple[int, ...]) -> tuple[int, ...]:
    forms = [(), (shape[-1],), (1,) * (len(shape) - 1) + (shape[-1],), shape]
    forms += [shape[1:]] if len(shape) > 1 else []
    forms += [(1, *shape)] if len(shape) < 4 else []
    if shape[-1] == 1:
        forms.append((pen.pick((3, 4, 8)),))
    return tuple(pen.pick(forms))


def with_constant(kind: str) -> Step:
    def step(pen: Pen, name: str) -> str:
        constant = pen.builder.const(pen.numbers(*constant_shape(pen, pen.shape(name))))
        activation = "RELU" if pen.chance(0.15) else "NONE"
        first, second = (constant, name) if pen.chance(0.2) else (name, constant)
        return pen.builder.binary(kind, first, second, activation=activation)

    return step


def with_tensor(kind: str) -> Step:
    def step(pen: Pen, name: str) -> str:
        shape = pen.shape(name)
        if pen.chance(0.12):
            return pen.builder.binary(kind, name, name)
        other = shape
        if pen.chance(0.2):
            other = tuple(1 if pen.chance(0.5) else size for size in shape)
        elif pen.chance(0.15) and len(shape) > 1:
            other = shape[1:]
        made = pen.input(other)
        activation = "RELU" if kind != "MAXIMUM" and pen.chance(0.1) else "NONE"
        first, second = (made, name) if pen.chance(0.5) else (name, made)
        if kind == "DIV":  # by nothing near zero, which would make rounding look like a wrong value
            first, second = name, pen.builder.add(pen.builder.unary("ABS", made), pen.builder.const(0.5))
        return pen.builder.binary(kind, first, second, activation=activation)

    return step


def unary(kind: str) -> Step:
    return lambda pen, name: pen.builder.unary(kind, name)


def fully_connected(pen: Pen, name: str) -> str | None:
    if len(pen.shape(name)) not in (2, 3):
        return None
    out = pen.pick((1, 4, 8))
    activation = "RELU" if pen.chance(0.2) else "NONE"
    bias = pen.numbers(out) if pen.chance(0.7) else None
    return pen.builder.fully_connected(name, pen.numbers(out, pen.shape(name)[-1]) * 0.5, bias, activation=activation)


def convolution(pen: Pen, name: str) -> str | None:
    shape = pen.shape(name)
    if len(shape) != 4:
        return None
    size = 1 if min(shape[1:3]) < 3 or pen.chance(0.5) else 3
    out = pen.pick((1, 4, 8))
    taken = shape[3] // 2 if shape[3] == 8 and out == 8 and pen.chance(0.25) else shape[3]
    activation = "RELU" if pen.chance(0.2) else "NONE"
    padding = "SAME" if pen.chance(0.5) else "VALID"
    weights = pen.numbers(out, size, size, taken) * 0.4
    return pen.builder.conv2d(name, weights, pen.numbers(out), padding=padding, activation=activation)


def depthwise(pen: Pen, name: str) -> str | None:
    shape = pen.shape(name)
    if len(shape) != 4 or min(shape[1:3]) < 3:
        return None
    padding = "SAME" if pen.chance(0.5) else "VALID"
    return pen.builder.depthwise_conv2d(name, pen.numbers(1, 3, 3, shape[3]), pen.numbers(shape[3]), padding=padding)


def pad(pen: Pen, name: str) -> str | None:
    shape = pen.shape(name)
    if len(shape) != 4:
        return None
    if pen.chance(0.25):
        table = [(0, 0), (0, 0), (0, 0), (0, 4)]
    else:
        table = [(0, 0), (1, 1), (int(pen.rng.integers(0, 2)), 1), (0, 0)]
    if pen.chance(0.25):
        value = pen.pick((0.0, 2.0, -3.0))
        inputs = (name, pen.builder.const(table, dtype="int32"), pen.builder.const(np.float32(value)))
        return pen.builder.op("PADV2", inputs)[0]
    return pen.builder.pad(name, table)


def pool(pen: Pen, name: str) -> str | None:
    shape = pen.shape(name)
    if len(shape) != 4 or min(shape[1:3]) < 3:
        return None
    kind = pen.pick(("AVERAGE_POOL_2D", "MAX_POOL_2D"))
    if kind == "AVERAGE_POOL_2D" and shape[1] == shape[2] and pen.chance(0.5):
        return pen.builder.pool(kind, name, shape[1], 1)
    return pen.builder.pool(kind, name, 3, 1, padding="SAME" if pen.chance(0.3) else "VALID")


def reduce(pen: Pen, name: str) -> str | None:
    """A reduction that reduces: over one element the result equals the stale memory beside it, which tells nothing."""
    shape = pen.shape(name)
    kind = pen.pick(("SUM", "MEAN", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD"))
    large = [axis for axis, size in enumerate(shape) if size > 1]
    if not large:
        return None
    axes = [pen.pick(large)]
    if len(shape) == 4 and shape[1] > 1 and pen.chance(0.3):
        axes = [1, 2]
    return pen.builder.reduce(kind, name, axes, keep_dims=pen.chance(0.75))


def identity(pen: Pen, name: str) -> str:
    shape = pen.shape(name)
    choice = int(pen.rng.integers(5))
    if choice == 0:
        return pen.builder.slice(name, [0] * len(shape), shape)
    if choice == 1:
        return pen.builder.concat([name], len(shape) - 1)
    if choice == 2 and len(shape) == 4:
        size = pen.builder.const(shape[1:3], dtype="int32")
        return pen.builder.op("RESIZE_NEAREST_NEIGHBOR", (name, size))[0]
    return pen.builder.reshape(name, shape)


def reshape(pen: Pen, name: str) -> str:
    shape = pen.shape(name)
    rows = int(np.prod(shape[:-1]))
    forms: list[tuple[int, ...]] = [(1, rows, shape[-1]), (rows, shape[-1]), (1, 1, rows, shape[-1])]
    return pen.builder.reshape(name, pen.pick(forms))


def slice_part(pen: Pen, name: str) -> str | None:
    shape = pen.shape(name)
    axis = len(shape) - (1 if len(shape) < 3 or pen.chance(0.5) else 2)
    if shape[axis] < 2:
        return None
    size = list(shape)
    size[axis] -= 1
    begin = [0] * len(shape)
    begin[axis] = int(pen.chance(0.5))
    return pen.builder.slice(name, begin, size)


def concat_zeros(pen: Pen, name: str) -> str | None:
    shape = pen.shape(name)
    if len(shape) != 4:
        return None
    axis = int(pen.rng.integers(1, 4))
    size = list(shape)
    size[axis] = 2 if axis < 3 else 4
    data = np.zeros(size) if pen.chance(0.7) else pen.numbers(*size)
    parts = [name, pen.builder.const(data)]
    return pen.builder.concat(parts if pen.chance(0.6) else parts[::-1], axis)


def transpose(pen: Pen, name: str) -> str:
    rank = len(pen.shape(name))
    order = list(range(rank))
    if rank > 2 and pen.chance(0.6):
        order[-1], order[-2] = order[-2], order[-1]
    return pen.builder.transpose(name, order)


def split(pen: Pen, name: str) -> tuple[str, ...] | None:
    shape = pen.shape(name)
    axes = [axis for axis, size in enumerate(shape) if axis and size in (4, 6, 8)]
    if not axes:
        return None
    axis = pen.pick(axes)
    return pen.builder.split(name, 2 if shape[axis] != 6 or pen.chance(0.5) else 3, axis)


def one_of(pen: Pen, steps: tuple[Step, ...], name: str) -> str:
    while True:
        made = pen.pick(steps)(pen, name)
        if isinstance(made, str):
            return made


def joined(pen: Pen, parts: tuple[str, ...]) -> str:
    """Something that reads several parts of a SPLIT."""
    order = list(parts)
    if pen.chance(0.5):
        pen.rng.shuffle(order)
    choice = int(pen.rng.integers(6))
    shape = pen.shape(parts[0])
    if choice == 0:
        return pen.builder.concat(order, len(shape) - 1 if pen.chance(0.5) else max(0, len(shape) - 2))
    if choice == 1:
        return pen.builder.concat(order[:2], len(shape) - 1)
    kind = ("ADD", "MUL", "SUB", "MAXIMUM")[choice - 2]
    first, second = order[0], order[1]
    if pen.chance(0.3):
        first = pen.builder.unary("LOGISTIC", first)
    elif pen.chance(0.2):
        second = pen.builder.unary("NEG", second)
    return pen.builder.binary(kind, first, second)


def some(pen: Pen, inner: list[str], last: str, probability: float = 0.3) -> list[str]:
    """The last tensor and, by chance, inner ones as outputs; sometimes an inner one is read once more."""
    outputs = [name for name in inner if pen.chance(probability)]
    if pen.chance(0.2):
        outputs.append(pen.builder.unary(READER, pen.pick(inner)))
    return [*dict.fromkeys(outputs), last]
