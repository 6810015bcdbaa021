"""The steps that a graph grows by: one op, or a few that belong together, behind a tensor.

Key insight: a graph is valid by construction, and so are its values. A divisor stays away from zero and an exponent
is bounded, so that a difference is never a matter of rounding.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from repro.fuzzer.growth import Growth, Shape, Step


def _binary(kind: str, with_constant: float) -> Step:
    def step(growth: Growth, name: str) -> Sequence[str]:
        shape = growth.shape(name)
        activation = growth.pick(growth.palette.activations) if growth.chance(0.12) else "NONE"
        if kind not in ("ADD", "SUB", "MUL", "DIV"):
            activation = "NONE"
        if growth.chance(with_constant):
            other = growth.builder.const(growth.numbers(*growth.constant_shape(shape)))
        elif growth.chance(0.1 if kind in ("ADD", "MUL") else 0.01):  # the delegate refuses the others
            other = name
        else:
            other = growth.partner(shape)
        first, second = (other, name) if growth.chance(0.3) and kind != "DIV" else (name, other)
        return (growth.builder.binary(kind, first, second, activation=activation),)

    return step


def _division(growth: Growth, name: str) -> Sequence[str]:
    """By a constant, or by a tensor that cannot be near zero."""
    shape = growth.shape(name)
    if growth.chance(0.6):
        return (growth.builder.div(name, growth.builder.const(growth.numbers(*growth.constant_shape(shape)))),)
    square = growth.builder.unary("SQUARE", growth.partner(shape))
    safe = growth.builder.add(square, growth.builder.const(np.float32(1.0)))
    return square, safe, growth.builder.div(name, safe)


def _unary(kind: str) -> Step:
    return lambda growth, name: (growth.builder.unary(kind, name),)


def _after_square(kind: str) -> Step:
    """For ops that want a positive operand."""

    def step(growth: Growth, name: str) -> Sequence[str]:
        square = growth.builder.unary("SQUARE", name) if growth.chance(0.5) else growth.builder.mul(name, name)
        safe = growth.builder.add(square, growth.builder.const(np.float32(growth.pick((0.25, 1.0)))))
        return square, safe, growth.builder.unary(kind, safe)

    return step


def _exponential(growth: Growth, name: str) -> Sequence[str]:
    bounded = growth.builder.unary("TANH", name)
    return bounded, growth.builder.unary("EXP", bounded)


def _softmax(growth: Growth, name: str) -> Sequence[str] | None:
    return (growth.builder.softmax(name),) if growth.shape(name)[-1] > 1 else None


def _fully_connected(growth: Growth, name: str) -> Sequence[str]:
    depth, out = growth.shape(name)[-1], growth.pick(growth.palette.channels)
    activation = growth.pick(growth.palette.activations) if growth.chance(0.15) else "NONE"
    bias = growth.numbers(out) if growth.chance(0.7) else None
    inputs = (name, growth.builder.const(growth.weights(out, depth, depth=depth)), "")
    if bias is not None:
        inputs = (*inputs[:2], growth.builder.const(bias))
    keep = len(growth.shape(name)) > 2 and growth.chance(0.75)
    return growth.builder.op("FULLY_CONNECTED", inputs, fused_activation_function=activation, keep_num_dims=keep)


def _window(growth: Growth, shape: Shape) -> tuple[int, int, str]:
    size = growth.pick([s for s in (1, 1, 2, 3) if s <= min(shape[1:3])])
    return size, growth.pick((1, 1, 2)), growth.pick(("SAME", "VALID"))


def _convolution(growth: Growth, name: str) -> Sequence[str] | None:
    shape = growth.shape(name)
    if len(shape) != 4:
        return None
    size, stride, padding = _window(growth, shape)
    out = growth.pick(growth.palette.channels)
    weights = growth.weights(out, size, size, shape[3], depth=size * size * shape[3])
    bias = growth.numbers(out) if growth.chance(0.8) else None
    activation = "RELU" if growth.chance(0.15) else "NONE"
    dilation = 2 if size > 1 and stride == 1 and min(shape[1:3]) > 4 and growth.chance(0.15) else 1
    made = growth.builder.conv2d(
        name, weights, bias, stride=stride, padding=padding, activation=activation, dilation=dilation
    )
    return (made,)


def _depthwise(growth: Growth, name: str) -> Sequence[str] | None:
    shape = growth.shape(name)
    if len(shape) != 4:
        return None
    size, stride, padding = _window(growth, shape)
    channels = shape[3] * (2 if growth.chance(0.15) else 1)
    weights = growth.weights(1, size, size, channels, depth=size * size)
    return (growth.builder.depthwise_conv2d(name, weights, growth.numbers(channels), stride=stride, padding=padding),)


def _pool(growth: Growth, name: str) -> Sequence[str] | None:
    shape = growth.shape(name)
    if len(shape) != 4:
        return None
    kind = growth.pick(("AVERAGE_POOL_2D", "MAX_POOL_2D"))
    if growth.chance(0.25) and shape[1] == shape[2]:
        return (growth.builder.pool(kind, name, shape[1], 1),)
    size, stride, padding = _window(growth, shape)
    return (growth.builder.pool(kind, name, size, stride, padding=padding),)


def _reduction(growth: Growth, name: str) -> Sequence[str]:
    shape = growth.shape(name)
    kind = growth.pick(("SUM", "MEAN", "MEAN", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD"))
    rank = len(shape)
    count = 2 if rank > 2 and growth.chance(0.3) else 1
    low = 0 if growth.chance(0.15) or rank == 1 else 1
    axes = sorted(growth.rng.sample(range(low, rank), min(count, rank - low)))
    keep = growth.chance(0.7) or rank - len(axes) == 0
    return (growth.builder.reduce(kind, name, axes, keep_dims=keep),)


def _reshape(growth: Growth, name: str) -> Sequence[str]:
    shape = growth.shape(name)
    elements = int(np.prod(shape))
    if growth.chance(0.2):
        return (growth.builder.reshape(name, shape),)
    rows = elements // shape[-1]
    forms: list[Shape] = [(rows, shape[-1]), (1, rows, shape[-1]), (1, 1, rows, shape[-1]), (1, rows, 1, shape[-1])]
    forms += [(rows, 1, shape[-1]), (1, elements), (elements,), (1, elements, 1)]
    for factor in (2, 3, 4):
        if shape[-1] % factor == 0:
            forms += [(1, rows, factor, shape[-1] // factor), (1, rows * factor, shape[-1] // factor)]
    if len(shape) == 3:
        forms.append((shape[0], shape[2], shape[1]))
    return (growth.builder.reshape(name, growth.pick(forms)),)


def _transpose(growth: Growth, name: str) -> Sequence[str]:
    order = list(range(len(growth.shape(name))))
    growth.rng.shuffle(order)
    if growth.chance(0.6) and order[0] != 0:
        order.remove(0)
        order.insert(0, 0)
    return (growth.builder.transpose(name, order),)


def _slice(growth: Growth, name: str) -> Sequence[str]:
    shape = growth.shape(name)
    begin, size, strides = [], [], []
    for extent in shape:
        first = growth.rng.randrange(extent) if growth.chance(0.4) else 0
        begin.append(first)
        size.append(growth.rng.randint(1, extent - first) if growth.chance(0.4) else extent - first)
        strides.append(2 if growth.chance(0.15) else 1)
    if growth.chance(0.6):
        return (growth.builder.slice(name, begin, size),)
    ends = [b + s for b, s in zip(begin, size, strict=True)]
    return (growth.builder.strided_slice(name, begin, ends, strides),)


def _split(growth: Growth, name: str) -> Sequence[str] | None:
    shape = growth.shape(name)
    axes = [axis for axis, extent in enumerate(shape) if extent > 1]
    if not axes:
        return None
    axis = growth.pick(axes)
    counts = [count for count in (2, 3, 4) if shape[axis] % count == 0]
    return growth.builder.split(name, growth.pick(counts), axis) if counts else None


def _concatenation(growth: Growth, name: str) -> Sequence[str]:
    shape = growth.shape(name)
    axis = growth.rng.randrange(0 if growth.chance(0.1) else min(1, len(shape) - 1), len(shape))
    parts = [name]
    for _ in range(growth.pick((0, 1, 1, 1, 2, 3))):
        if growth.chance(0.15):
            parts.append(growth.builder.const(growth.numbers(*shape) * (0.0 if growth.chance(0.3) else 1.0)))
            continue
        fitting = [n for n in growth.tensors if _fits_beside(growth.shape(n), shape, axis)]
        parts.append(growth.pick(fitting) if growth.chance(0.7) else growth.input(shape))
    growth.rng.shuffle(parts)
    return (growth.builder.concat(parts, axis),)


def _fits_beside(other: Shape, shape: Shape, axis: int) -> bool:
    return len(other) == len(shape) and all(
        a == b for i, (a, b) in enumerate(zip(other, shape, strict=True)) if i != axis
    )


def _pad(growth: Growth, name: str) -> Sequence[str]:
    rank = len(growth.shape(name))
    table = [(0, 0) for _ in range(rank)]
    for axis in range(rank):
        if axis and growth.chance(0.5):
            table[axis] = (growth.rng.randint(0, 2), growth.rng.randint(0, 2))
    if growth.chance(0.25):
        value = growth.builder.const(np.float32(growth.pick((0.0, 1.5, -2.0))))
        return growth.builder.op("PADV2", (name, growth.builder.const(table, dtype="int32"), value))
    return (growth.builder.pad(name, table),)


def _batch_matmul(growth: Growth, name: str) -> Sequence[str] | None:
    shape = growth.shape(name)
    if len(shape) < 3:
        return None
    turned = growth.chance(0.4)
    columns = growth.pick(growth.palette.channels)
    wanted = (*shape[:-2], columns, shape[-1]) if turned else (*shape[:-2], shape[-1], columns)
    fitting = [n for n in growth.tensors if growth.shape(n)[:-2] == shape[:-2] and len(growth.shape(n)) == len(shape)]
    fitting = [n for n in fitting if growth.shape(n)[-1 if turned else -2] == shape[-1]]
    if fitting and growth.chance(0.5):
        other = growth.pick(fitting)
    elif growth.chance(0.3):
        other = growth.builder.const(growth.weights(*wanted, depth=shape[-1]))
    else:
        other = growth.input(wanted)
    return (growth.builder.batch_matmul(name, other, adj_y=turned),)


def _resize(growth: Growth, name: str) -> Sequence[str] | None:
    shape = growth.shape(name)
    if len(shape) != 4:
        return None
    kind = growth.pick(("RESIZE_NEAREST_NEIGHBOR", "RESIZE_BILINEAR"))
    factor = growth.pick((1, 2, 2, 3))
    size = growth.builder.const([shape[1] * factor, shape[2] * factor], dtype="int32")
    return growth.builder.op(kind, (name, size), half_pixel_centers=growth.chance(0.5))


def _select(growth: Growth, name: str) -> Sequence[str]:
    shape = growth.shape(name)
    threshold = growth.builder.const(np.float32(growth.pick((0.0, 0.5))))
    condition = growth.builder.binary(growth.pick(("GREATER", "LESS_EQUAL")), name, threshold)
    other = growth.partner(shape, exact=True)
    return (growth.builder.select(condition, name, other),)


def _layer_norm(growth: Growth, name: str) -> Sequence[str] | None:
    """The hand-written one, in which everything is read twice or is next to a constant."""
    shape = growth.shape(name)
    if shape[-1] < 2:
        return None
    g, axis = growth.builder, [len(shape) - 1]
    mean = g.mean(name, axis)
    centred = g.sub(name, mean)
    variance = g.mean(g.unary("SQUARE", centred) if growth.chance(0.5) else g.mul(centred, centred), axis)
    shifted = g.add(variance, g.const(np.float32(1e-2)))
    root = g.unary("RSQRT", shifted)
    scaled = g.mul(centred, root)
    return mean, centred, variance, shifted, root, scaled


STEPS: tuple[tuple[float, Step], ...] = (
    (8.0, _binary("ADD", 0.45)),
    (6.0, _binary("MUL", 0.5)),
    (2.5, _binary("SUB", 0.4)),
    (0.8, _binary("MAXIMUM", 0.4)),
    (0.8, _binary("MINIMUM", 0.4)),
    (0.5, _binary("SQUARED_DIFFERENCE", 0.4)),
    (1.2, _division),
    *((0.5, _unary(kind)) for kind in ("NEG", "ABS", "TANH", "LOGISTIC", "RELU", "SQUARE")),
    *((0.3, _unary(kind)) for kind in ("RELU6", "HARD_SWISH", "GELU", "ELU", "SIN", "COS")),
    *((0.4, _after_square(kind)) for kind in ("RSQRT", "SQRT", "LOG")),
    (0.4, _exponential),
    (0.8, _softmax),
    (4.0, _fully_connected),
    (4.0, _convolution),
    (1.5, _depthwise),
    (1.5, _pool),
    (5.0, _reduction),
    (3.0, _reshape),
    (2.0, _transpose),
    (2.5, _slice),
    (2.5, _split),
    (3.0, _concatenation),
    (2.0, _pad),
    (1.5, _batch_matmul),
    (1.2, _resize),
    (0.6, _select),
    (0.8, _layer_norm),
)
