"""Draws around ops that the delegate parses wrong, each beside forms that it parses right."""

from __future__ import annotations

import numpy as np

from cases.graph import Graph
from repro.selftest.draws.steps import READER, Pen


def misparsed(pen: Pen) -> Graph:
    """Ops that the delegate parses wrong, beside forms of the same ops that it parses right."""
    makers = (
        _vector,
        _runtime_weights,
        _padded,
        _grouped,
        _pointwise_depthwise,
        _sliced_parts,
        _read_twice,
        _normalised,
        _cumulated,
    )
    return pen.pick(makers)(pen)


def _source(pen: Pen, shape: tuple[int, ...]) -> str:
    x = pen.input(shape)
    return pen.builder.unary(pen.pick(("NEG", "ABS")), x) if pen.chance(0.4) else x


def _finished(pen: Pen, y: str, *others: str) -> Graph:
    """y, by chance with something behind it."""
    outputs = [*others, y]
    if pen.chance(0.4):
        outputs.append(pen.builder.unary(pen.pick(("TANH", "NEG", "RELU")), y))
    pen.rng.shuffle(outputs)
    return pen.builder.build(list(dict.fromkeys(outputs)))


def _vector(pen: Pen) -> Graph:
    """FULLY_CONNECTED on ranks 1 to 3, sometimes with weights deeper than the last dimension."""
    depth = pen.pick((1, 2, 4, 6))
    shapes = ((depth,), (1, depth), (3, depth), (1, 3, depth), (2 * depth,), (2, 2, depth))
    x = _source(pen, pen.pick(shapes))
    shape = pen.shape(x)
    if len(shape) > 1 and pen.chance(0.3):
        depth = shape[-1] * shape[-2]
    out = pen.pick((1, 3, 4))
    weights = pen.numbers(out, depth)
    if len(shape) > 1 and shape[-1] != depth:
        inputs = (x, pen.builder.const(weights))
        return _finished(pen, pen.builder.op("FULLY_CONNECTED", inputs, keep_num_dims=False)[0])
    return _finished(pen, pen.builder.fully_connected(x, weights, pen.numbers(out) if pen.chance(0.5) else None))


def _runtime_weights(pen: Pen) -> Graph:
    """FULLY_CONNECTED on ranks 2 to 4 with weights that are an input or computed, with and without a bias."""
    depth, out = pen.pick((1, 3, 4, 8)), pen.pick((1, 3, 4))
    shapes = ((1, depth), (3, depth), (1, 3, depth), (2, 3, depth), (1, 2, 3, depth))
    x = _source(pen, pen.pick(shapes))
    bias = None if pen.chance(0.3) else np.zeros(out) if pen.chance(0.2) else pen.numbers(out)
    activation = "RELU" if pen.chance(0.2) else "NONE"
    return _finished(pen, pen.builder.fully_connected(x, _source(pen, (out, depth)), bias, activation=activation))


def _padded(pen: Pen) -> Graph:
    """PAD of ranks 3 and 4 that pads batches, or a tensor that has some."""
    batch = pen.pick((1, 1, 2, 3))
    shape = (batch, 3, 4) if pen.chance(0.6) else (batch, 2, 3, 4)
    x = _source(pen, shape)
    rows = [(0, 0) if pen.chance(0.5) else (int(pen.rng.integers(3)), int(pen.rng.integers(2))) for _ in shape]
    if pen.chance(0.6):
        rows[0] = (0, 0)
    if pen.chance(0.3):
        inputs = (x, pen.builder.const(rows, dtype="int32"), pen.builder.const(np.float32(2.0)))
        return _finished(pen, pen.builder.op("PADV2", inputs)[0])
    return _finished(pen, pen.builder.pad(x, rows))


def _grouped(pen: Pen) -> Graph:
    """CONV_2D in groups, of lengths that are and are not multiples of four."""
    groups, taken = pen.pick((2, 3, 4)), pen.pick((1, 2, 3, 4, 4, 8, 5))
    made = pen.pick((1, 2, 4, 4, 8))
    size = pen.pick((1, 3))
    x = _source(pen, (1, 4, 5, groups * taken))
    weights = pen.numbers(groups * made, size, size, taken) * 0.4
    bias = pen.numbers(groups * made) if pen.chance(0.6) else None
    padding = "SAME" if pen.chance(0.5) else "VALID"
    activation = "RELU" if pen.chance(0.2) else "NONE"
    others = (pen.builder.unary("TANH", x),) if pen.chance(0.3) else ()
    return _finished(pen, pen.builder.conv2d(x, weights, bias, padding=padding, activation=activation), *others)


def _pointwise_depthwise(pen: Pen) -> Graph:
    """DEPTHWISE with small kernels, one or several outputs per channel."""
    channels, multiplier = pen.pick((1, 2, 3, 4, 8)), pen.pick((1, 2, 3))
    height, width = pen.pick(((1, 1), (1, 1), (1, 2), (2, 1), (3, 3)))
    x = _source(pen, (1, 4, 5, channels))
    weights = pen.numbers(1, height, width, channels * multiplier)
    stride = 2 if pen.chance(0.3) else 1
    padding = "SAME" if pen.chance(0.6) else "VALID"
    bias = pen.numbers(channels * multiplier) if pen.chance(0.6) else None
    return _finished(pen, pen.builder.depthwise_conv2d(x, weights, bias, stride=stride, padding=padding))


def _sliced_parts(pen: Pen) -> Graph:
    """A SPLIT of which some parts go through a SLICE of everything."""
    axis, count = pen.pick((1, 2)), pen.pick((2, 2, 3))
    x = _source(pen, (1, 6, 6))
    parts = list(pen.builder.split(x, count, axis))
    outputs = []
    for part in parts:
        roll = pen.rng.random()
        if roll < 0.5:
            whole = pen.builder.slice(part, [0, 0, 0], pen.shape(part))
            outputs.append(whole if pen.chance(0.8) else pen.builder.unary(READER, whole))
            if pen.chance(0.15):
                outputs.append(pen.builder.unary("ABS", whole))
            if pen.chance(0.15):
                outputs.append(part)
        elif roll < 0.9:
            outputs.append(part if pen.chance(0.6) else pen.builder.unary(READER, part))
    if not outputs:
        outputs.append(parts[0])
    pen.rng.shuffle(outputs)
    return pen.builder.build(outputs)


def _read_twice(pen: Pen) -> Graph:
    """One tensor as two operands, as it is or through something that makes it another tensor."""
    kind = pen.pick(("BATCH_MATMUL", "BATCH_MATMUL", "SELECT_V2", "ADD", "MUL", "CONCATENATION", "SUB"))
    shape = pen.pick(((1, 3, 3), (1, 3, 3), (1, 2, 4, 4), (2, 3, 3)))
    x = _source(pen, shape)
    other = x
    if pen.chance(0.5):
        roll = int(pen.rng.integers(3))
        if roll == 0:
            other = pen.builder.transpose(x, range(len(shape)))
        elif roll == 1:
            other = pen.builder.reshape(x, shape)
        else:
            other = pen.builder.unary("NEG", x)
    if kind == "BATCH_MATMUL":
        return _finished(pen, pen.builder.batch_matmul(x, other, adj_y=pen.chance(0.5)))
    if kind == "SELECT_V2":
        chosen = pen.builder.op("GREATER", (x, pen.builder.const(0.1)))[0]
        return _finished(pen, pen.builder.select(chosen, x, other))
    if kind == "CONCATENATION":
        return _finished(pen, pen.builder.concat([x, other], len(shape) - 1))
    return _finished(pen, pen.builder.binary(kind, x, other))


def _normalised(pen: Pen) -> Graph:
    """SOFTMAX over the last axis of ranks 1 to 4."""
    length = pen.pick((1, 2, 3, 8))
    shapes = ((length,), (length,), (3, length), (1, 3, length), (2, 2, length), (1, 2, 3, length))
    x = _source(pen, pen.pick(shapes))
    return _finished(pen, pen.builder.op("SOFTMAX", (x,), beta=1.0)[0])


def _cumulated(pen: Pen) -> Graph:
    """CUMSUM over any axis of ranks 1 to 4, sometimes counted from the end, exclusive or reverse."""
    first, length = pen.pick((1, 1, 2, 3)), pen.pick((1, 2, 5))
    shapes = ((length,), (first, length), (first, 3, length), (first, 2, 3, length))
    shape = pen.pick(shapes)
    axis = int(pen.rng.integers(len(shape)))
    if pen.chance(0.2):
        axis -= len(shape)
    x = _source(pen, shape)
    exclusive, reverse = pen.chance(0.12), pen.chance(0.12)
    inputs = (x, pen.builder.const(axis, dtype="int32"))
    return _finished(pen, pen.builder.op("CUMSUM", inputs, exclusive=exclusive, reverse=reverse)[0])
