"""Graphs drawn around the lint's rules: every producer with every consumer, in every role, and near misses.

Key insight: a rule is wrong at its edges, so half of the draws are chains of two to four ops from one
pool in which each tensor is by chance an output, read twice, or reshaped on the way; the other half
are the delegate's longer patterns with one thing changed. A draw is a function of (seed, index) alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cases.builder import GraphBuilder
from cases.graph import Graph, GraphError

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


@dataclass(frozen=True)
class Draw:
    """One drawn graph and where it came from."""

    index: int
    family: str
    graph: Graph


class _Pen:
    """A builder with a dice: makes inputs, constants and weights of the shapes that an op needs."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.builder = GraphBuilder()
        self.inputs = 0

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def pick(self, options: tuple | list) -> object:
        return options[int(self.rng.integers(len(options)))]

    def input(self, shape: tuple[int, ...]) -> str:
        self.inputs += 1
        return self.builder.input(f"x{self.inputs}", shape)

    def numbers(self, *shape: int) -> np.ndarray:
        return self.rng.uniform(0.5, 1.5, shape) * self.rng.choice([-1.0, 1.0], shape)

    def shape(self, name: str) -> tuple[int, ...]:
        return self.builder.shape(name)


Step = Callable[[_Pen, str], str | tuple[str, ...] | None]
"""Adds ops behind a tensor and says what it made; None where the op does not fit the tensor."""


def _constant_shape(pen: _Pen, shape: tuple[int, ...]) -> tuple[int, ...]:
    forms = [(), (shape[-1],), (1,) * (len(shape) - 1) + (shape[-1],), shape]
    forms += [shape[1:]] if len(shape) > 1 else []
    forms += [(1, *shape)] if len(shape) < 4 else []
    if shape[-1] == 1:
        forms.append((int(pen.pick((3, 4, 8))),))  # type: ignore[call-overload]
    return tuple(pen.pick(forms))  # type: ignore[arg-type]


def _with_constant(kind: str) -> Step:
    def step(pen: _Pen, name: str) -> str:
        constant = pen.builder.const(pen.numbers(*_constant_shape(pen, pen.shape(name))))
        activation = "RELU" if pen.chance(0.15) else "NONE"
        first, second = (constant, name) if pen.chance(0.2) else (name, constant)
        return pen.builder.binary(kind, first, second, activation=activation)

    return step


def _with_tensor(kind: str) -> Step:
    def step(pen: _Pen, name: str) -> str:
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
        return pen.builder.binary(kind, first, second, activation=activation)

    return step


def _unary(kind: str) -> Step:
    return lambda pen, name: pen.builder.unary(kind, name)


def _fully_connected(pen: _Pen, name: str) -> str | None:
    if len(pen.shape(name)) not in (2, 3):
        return None
    out = int(pen.pick((1, 4, 8)))  # type: ignore[call-overload]
    activation = "RELU" if pen.chance(0.2) else "NONE"
    bias = pen.numbers(out) if pen.chance(0.7) else None
    return pen.builder.fully_connected(name, pen.numbers(out, pen.shape(name)[-1]) * 0.5, bias, activation=activation)


def _convolution(pen: _Pen, name: str) -> str | None:
    shape = pen.shape(name)
    if len(shape) != 4:
        return None
    size = 1 if min(shape[1:3]) < 3 or pen.chance(0.5) else 3
    out = int(pen.pick((1, 4, 8)))  # type: ignore[call-overload]
    taken = shape[3] // 2 if shape[3] == 8 and out == 8 and pen.chance(0.25) else shape[3]
    activation = "RELU" if pen.chance(0.2) else "NONE"
    padding = "SAME" if pen.chance(0.5) else "VALID"
    weights = pen.numbers(out, size, size, taken) * 0.4
    return pen.builder.conv2d(name, weights, pen.numbers(out), padding=padding, activation=activation)


def _depthwise(pen: _Pen, name: str) -> str | None:
    shape = pen.shape(name)
    if len(shape) != 4 or min(shape[1:3]) < 3:
        return None
    padding = "SAME" if pen.chance(0.5) else "VALID"
    return pen.builder.depthwise_conv2d(name, pen.numbers(1, 3, 3, shape[3]), pen.numbers(shape[3]), padding=padding)


def _pad(pen: _Pen, name: str) -> str | None:
    shape = pen.shape(name)
    if len(shape) != 4:
        return None
    if pen.chance(0.25):
        table = [(0, 0), (0, 0), (0, 0), (0, 4)]
    else:
        table = [(0, 0), (1, 1), (int(pen.rng.integers(0, 2)), 1), (0, 0)]
    if pen.chance(0.25):
        value = float(pen.pick((0.0, 2.0, -3.0)))  # type: ignore[arg-type]
        inputs = (name, pen.builder.const(table, dtype="int32"), pen.builder.const(np.float32(value)))
        return pen.builder.op("PADV2", inputs)[0]
    return pen.builder.pad(name, table)


def _pool(pen: _Pen, name: str) -> str | None:
    shape = pen.shape(name)
    if len(shape) != 4 or min(shape[1:3]) < 3:
        return None
    kind = str(pen.pick(("AVERAGE_POOL_2D", "MAX_POOL_2D")))
    if kind == "AVERAGE_POOL_2D" and shape[1] == shape[2] and pen.chance(0.5):
        return pen.builder.pool(kind, name, shape[1], 1)
    return pen.builder.pool(kind, name, 3, 1, padding="SAME" if pen.chance(0.3) else "VALID")


def _reduce(pen: _Pen, name: str) -> str | None:
    """A reduction that reduces: over one element the result equals the stale memory beside it, which tells nothing."""
    shape = pen.shape(name)
    kind = str(pen.pick(("SUM", "MEAN", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD")))
    large = [axis for axis, size in enumerate(shape) if size > 1]
    if not large:
        return None
    axes = [int(pen.pick(large))]  # type: ignore[call-overload]
    if len(shape) == 4 and shape[1] > 1 and pen.chance(0.3):
        axes = [1, 2]
    return pen.builder.reduce(kind, name, axes, keep_dims=pen.chance(0.75))


def _identity(pen: _Pen, name: str) -> str:
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


def _reshape(pen: _Pen, name: str) -> str:
    shape = pen.shape(name)
    rows = int(np.prod(shape[:-1]))
    forms: list[tuple[int, ...]] = [(1, rows, shape[-1]), (rows, shape[-1]), (1, 1, rows, shape[-1])]
    return pen.builder.reshape(name, pen.pick(forms))  # type: ignore[arg-type]


def _slice_part(pen: _Pen, name: str) -> str | None:
    shape = pen.shape(name)
    axis = len(shape) - (1 if len(shape) < 3 or pen.chance(0.5) else 2)
    if shape[axis] < 2:
        return None
    size = list(shape)
    size[axis] -= 1
    begin = [0] * len(shape)
    begin[axis] = int(pen.chance(0.5))
    return pen.builder.slice(name, begin, size)


def _concat_zeros(pen: _Pen, name: str) -> str | None:
    shape = pen.shape(name)
    if len(shape) != 4:
        return None
    axis = int(pen.rng.integers(1, 4))
    size = list(shape)
    size[axis] = 2 if axis < 3 else 4
    data = np.zeros(size) if pen.chance(0.7) else pen.numbers(*size)
    parts = [name, pen.builder.const(data)]
    return pen.builder.concat(parts if pen.chance(0.6) else parts[::-1], axis)


def _transpose(pen: _Pen, name: str) -> str:
    rank = len(pen.shape(name))
    order = list(range(rank))
    if rank > 2 and pen.chance(0.6):
        order[-1], order[-2] = order[-2], order[-1]
    return pen.builder.transpose(name, order)


def _split(pen: _Pen, name: str) -> tuple[str, ...] | None:
    shape = pen.shape(name)
    axes = [axis for axis, size in enumerate(shape) if axis and size in (4, 6, 8)]
    if not axes:
        return None
    axis = int(pen.pick(axes))  # type: ignore[call-overload]
    return pen.builder.split(name, 2 if shape[axis] != 6 or pen.chance(0.5) else 3, axis)


POOL: tuple[tuple[float, Step], ...] = (
    (3.0, _with_tensor("ADD")),
    (1.0, _with_tensor("MUL")),
    (0.7, _with_tensor("SUB")),
    (0.4, _with_tensor("MAXIMUM")),
    (2.5, _with_constant("ADD")),
    (2.5, _with_constant("MUL")),
    (0.5, _with_constant("SUB")),
    (0.6, _with_constant("DIV")),
    (0.3, _with_tensor("DIV")),
    (3.0, _fully_connected),
    (3.0, _convolution),
    (1.2, _depthwise),
    (1.5, _pad),
    (1.2, _pool),
    (2.5, _reduce),
    (1.2, _identity),
    (0.8, _reshape),
    (0.5, _slice_part),
    (0.5, _concat_zeros),
    (0.5, _transpose),
    (0.6, _split),
    (0.6, _unary("NEG")),
    (0.5, _unary("RELU")),
    (0.4, _unary("LOGISTIC")),
    (0.3, _unary("SQUARE")),
)
WEIGHTS = np.array([weight for weight, _ in POOL]) / sum(weight for weight, _ in POOL)


def _chain(pen: _Pen) -> Graph:
    """Two to four ops in a row with chance outputs and second readers; a SPLIT may be put together again."""
    current = pen.input(SHAPES[int(pen.rng.integers(len(SHAPES)))](int(pen.pick(CHANNELS))))  # type: ignore[call-overload]
    outputs: list[str] = []
    made: list[str] = []
    for _ in range(int(pen.rng.integers(2, 5))):
        result = None
        while result is None:
            result = POOL[int(pen.rng.choice(len(POOL), p=WEIGHTS))][1](pen, current)
        parts = (result,) if isinstance(result, str) else result
        made += parts
        current = _joined(pen, parts) if len(parts) > 1 else parts[0]
        if len(parts) > 1:
            made.append(current)
        outputs += [name for name in made if name not in outputs and pen.chance(0.35)]
        if pen.chance(0.2):
            outputs.append(pen.builder.unary(READER, str(pen.pick(made))))
    if current not in outputs:
        outputs.append(current)
    kept = list(dict.fromkeys(name for name in outputs))
    pen.rng.shuffle(kept)
    return pen.builder.build(kept)


PRODUCERS = (
    _with_tensor("ADD"),
    _with_constant("ADD"),
    _with_constant("MUL"),
    _fully_connected,
    _convolution,
    _depthwise,
)
CONSUMERS = (*PRODUCERS[1:], _reduce, _reduce)


def _pair(pen: _Pen) -> Graph:
    """A producer and a consumer of the three oldest rules, with the tensor between them in every role."""
    x = pen.input(SHAPES[int(pen.rng.integers(len(SHAPES)))](int(pen.pick(CHANNELS))))  # type: ignore[call-overload]
    if pen.chance(0.3):
        x = pen.builder.unary("NEG", x)
    y = _one_of(pen, PRODUCERS, x)
    bridge = y
    if pen.chance(0.3):
        bridge = _one_of(pen, (_identity, _reshape, _unary("NEG"), _transpose), y)
    z = _one_of(pen, CONSUMERS, bridge)
    outputs = [z]
    if pen.chance(0.8):
        outputs.append(y)
    if bridge != y and pen.chance(0.3):
        outputs.append(bridge)
    if pen.chance(0.25):
        outputs.append(_one_of(pen, (*CONSUMERS, _unary(READER)), y))
    pen.rng.shuffle(outputs)
    return pen.builder.build(outputs)


def _padding(pen: _Pen) -> Graph:
    """Padding in all its forms in front of what it can be merged into."""
    g = pen.builder
    channels = int(pen.pick((3, 4, 8)))  # type: ignore[call-overload]
    x = pen.input((1 if pen.chance(0.8) else 2, 5, 5, channels))
    if pen.chance(0.4):
        x = g.unary(str(pen.pick(("NEG", "RELU", "LOGISTIC"))), x)
    padded = _one_of(pen, (_pad, _pad, _pad, _concat_zeros), x)
    shape = pen.shape(padded)
    choice = int(pen.rng.integers(4))
    if choice == 0 or shape[3] != channels:
        other = tuple(1 if pen.chance(0.12) else size for size in shape)
        z = g.add(padded, pen.input(other)) if pen.chance(0.5) else g.add(pen.input(other), padded)
    elif choice == 1:
        z = _one_of(pen, (_pool,), padded)
    else:
        z = _one_of(pen, (_convolution, _depthwise), padded)
    outputs = [z]
    if pen.chance(0.4):
        outputs.append(padded)
    if pen.chance(0.2):
        outputs.append(g.unary(READER, padded))
    pen.rng.shuffle(outputs)
    return g.build(outputs)


def _channel_counts(pen: _Pen) -> Graph:
    """Per-channel constants beside convolutions of one channel, of groups, and of the same count."""
    g = pen.builder
    channels, out = int(pen.pick((1, 8, 16))), int(pen.pick((1, 8)))  # type: ignore[call-overload]
    flat = pen.chance(0.4)
    x = pen.input((1, 5, channels) if flat else (1, 4, 4, channels))

    def gemm(name: str) -> str:
        taken = pen.shape(name)[-1]
        if flat:
            return g.fully_connected(name, pen.numbers(out, taken) * 0.4, pen.numbers(out))
        groups = 2 if taken == 16 and out == 8 and pen.chance(0.6) else 1
        padding = "SAME" if pen.chance(0.5) else "VALID"
        return g.conv2d(name, pen.numbers(out, 3, 3, taken // groups) * 0.3, pen.numbers(out), padding=padding)

    def scaled(name: str) -> str:
        have = pen.shape(name)[-1]
        count = 8 if have == 1 and pen.chance(0.7) else (have if pen.chance(0.7) else 1)
        return g.binary(str(pen.pick(("ADD", "MUL"))), name, g.const(pen.numbers(count)))

    y = gemm(x) if pen.chance(0.5) else scaled(x)
    z = scaled(y) if y.startswith(("fully", "conv")) else gemm(y)
    return g.build([z, y] if pen.chance(0.3) else [z])


def _splits(pen: _Pen) -> Graph:
    """A SPLIT and what may be made of its parts."""
    channels = int(pen.pick((4, 8)))  # type: ignore[call-overload]
    x = pen.input(((1, 6, channels), (1, 4, 6, channels), (2, 4, channels))[int(pen.rng.integers(3))])
    if pen.chance(0.6):
        x = pen.builder.unary("NEG", x)
    parts = _split(pen, x)
    assert parts is not None
    joined = _joined(pen, parts)
    outputs = [joined] if pen.chance(0.6) else [pen.builder.unary("NEG", joined)]
    outputs += [name for name in parts if pen.chance(0.12)]
    if pen.chance(0.2):
        outputs.append(pen.builder.unary(READER, str(pen.pick([x, *parts]))))
    if x.startswith("neg") and pen.chance(0.15):
        outputs.append(x)
    return pen.builder.build(list(dict.fromkeys(outputs)))


def _one_of(pen: _Pen, steps: tuple[Step, ...], name: str) -> str:
    while True:
        made = steps[int(pen.rng.integers(len(steps)))](pen, name)
        if isinstance(made, str):
            return made


def _joined(pen: _Pen, parts: tuple[str, ...]) -> str:
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


def _some(pen: _Pen, inner: list[str], last: str, probability: float = 0.3) -> list[str]:
    """The last tensor and, by chance, inner ones as outputs; sometimes an inner one is read once more."""
    outputs = [name for name in inner if pen.chance(probability)]
    if pen.chance(0.2):
        outputs.append(pen.builder.unary(READER, str(pen.pick(inner))))
    return [*dict.fromkeys(outputs), last]


def _normalisation(pen: _Pen) -> Graph:
    """A hand-written LayerNorm, sometimes with the mean of something else, sometimes in the E[x^2] form."""
    channels = int(pen.pick((4, 8)))  # type: ignore[call-overload]
    shape = (1, 5, channels) if pen.chance(0.7) else (1, 4, 4, channels)
    g, axis = pen.builder, [len(shape) - 1]
    x = pen.input(shape)
    if pen.chance(0.3):
        x = g.unary("NEG", x)
    of = pen.input(shape) if pen.chance(0.15) else x
    mean = g.mean(of, axis)
    if pen.chance(0.6):
        sub = g.sub(x, mean) if pen.chance(0.9) else g.sub(mean, x)
        square = g.mul(sub, sub) if pen.chance(0.7) else g.unary("SQUARE", sub)
        variance = g.mean(square, axis)
        shifted = g.add(variance, g.const(np.float32(1e-3)))
        root = g.unary("RSQRT", shifted)
        last = g.mul(sub, root) if pen.chance(0.5) else g.mul(root, sub)
        inner = [mean, sub, square, variance, shifted, root]
    else:
        square = g.unary("SQUARE", x)
        second = g.mean(square, axis)
        mean_square = g.unary("SQUARE", mean)
        variance = g.sub(second, mean_square)
        sub = g.sub(x, mean)
        shifted = g.add(variance, g.const(np.float32(5.0)))
        root = g.unary("RSQRT", shifted)
        ones = np.ones((1,) * (len(shape) - 1) + (channels,)) * (1.0 if pen.chance(0.8) else 2.0)
        scale = g.mul(root, g.const(ones))
        last = g.mul(sub, scale)
        inner = [mean, square, second, mean_square, variance, sub, shifted, root, scale]
    if pen.chance(0.4):
        inner.append(last)
        last = g.mul(last, g.const(pen.numbers(channels)))
        if pen.chance(0.5):
            inner.append(last)
            last = g.add(last, g.const(pen.numbers(channels)))
        if pen.chance(0.5) and len(shape) == 3:
            inner.append(last)
            last = g.fully_connected(last, pen.numbers(4, channels), pen.numbers(4))
    return g.build(_some(pen, inner, last, 0.2))


def _mish(pen: _Pen) -> Graph:
    g = pen.builder
    x = pen.input((1, 5, 4))
    exp = g.unary("EXP", x)
    shifted = g.add(exp, g.const(np.float32(1.0 if pen.chance(0.8) else 2.0)))
    log = g.unary("LOG", shifted)
    tanh = g.unary("TANH", log)
    other = x if pen.chance(0.85) else pen.input((1, 5, 4))
    last = g.mul(other, tanh) if pen.chance(0.5) else g.mul(tanh, other)
    return g.build(_some(pen, [exp, shifted, log, tanh], last, 0.25))


def _correlation(pen: _Pen) -> Graph:
    """Slices of one map times another, reduced over channels and put side by side, with one thing changed."""
    g = pen.builder
    kind = str(pen.pick(("MEAN", "SUM")))
    y, x = pen.input((1, 4, 4, 8)), pen.input((1, 6, 6, 8))
    other_x, other_y = pen.input((1, 6, 6, 8)), pen.input((1, 4, 4, 8))
    change = int(pen.rng.integers(8))
    parts, inner = [], []
    for index in range(int(pen.rng.integers(2, 6))):
        odd = index == 1
        piece = g.slice(other_x if odd and change == 0 else x, [0, index % 3, index // 3, 0], [1, 4, 4, 8])
        factor = other_y if odd and change == 1 else y
        product = g.mul(piece, factor) if pen.chance(0.5) else g.mul(factor, piece)
        chosen = ("SUM" if kind == "MEAN" else "MEAN") if odd and change == 2 else kind
        part = g.reduce(chosen, product, [3])
        parts.append(part)
        inner += [piece, product, part]
    last = g.concat(parts, 3)
    used = g.add(other_x, other_x)
    return g.build([*_some(pen, inner, last, 0.08), used, g.add(other_y, other_y)])


FAMILIES: tuple[tuple[float, str, Callable[[_Pen], Graph]], ...] = (
    (0.30, "pair", _pair),
    (0.24, "chain", _chain),
    (0.13, "padding", _padding),
    (0.08, "channels", _channel_counts),
    (0.08, "splits", _splits),
    (0.09, "normalisation", _normalisation),
    (0.03, "mish", _mish),
    (0.05, "correlation", _correlation),
)


def draw(seed: int, index: int) -> Draw:
    """The index-th graph of a seed."""
    attempt = 0
    while True:
        rng = np.random.default_rng([seed, index, attempt])
        roll, family, make = float(rng.random()), "", FAMILIES[0][2]
        for weight, name, maker in FAMILIES:
            family, make = name, maker
            roll -= weight
            if roll < 0:
                break
        try:
            return Draw(index, family, make(_Pen(rng)))
        except GraphError:
            attempt += 1  # shapes that do not fit; another throw of the same dice
