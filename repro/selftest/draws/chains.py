"""Draws of short chains: every producer with every consumer, in every role, and what lies between."""

from __future__ import annotations

import numpy as np

from cases.graph import Graph
from repro.selftest.draws.steps import (
    CHANNELS,
    READER,
    SHAPES,
    Pen,
    Step,
    concat_zeros,
    convolution,
    depthwise,
    fully_connected,
    identity,
    joined,
    one_of,
    pad,
    pool,
    reduce,
    reshape,
    slice_part,
    split,
    transpose,
    unary,
    with_constant,
    with_tensor,
)

POOL: tuple[tuple[float, Step], ...] = (
    (3.0, with_tensor("ADD")),
    (1.0, with_tensor("MUL")),
    (0.7, with_tensor("SUB")),
    (0.4, with_tensor("MAXIMUM")),
    (2.5, with_constant("ADD")),
    (2.5, with_constant("MUL")),
    (0.5, with_constant("SUB")),
    (0.6, with_constant("DIV")),
    (0.3, with_tensor("DIV")),
    (3.0, fully_connected),
    (3.0, convolution),
    (1.2, depthwise),
    (1.5, pad),
    (1.2, pool),
    (2.5, reduce),
    (1.2, identity),
    (0.8, reshape),
    (0.5, slice_part),
    (0.5, concat_zeros),
    (0.5, transpose),
    (0.6, split),
    (0.6, unary("NEG")),
    (0.5, unary("RELU")),
    (0.4, unary("LOGISTIC")),
    (0.3, unary("SQUARE")),
)
WEIGHTS = np.array([weight for weight, _ in POOL]) / sum(weight for weight, _ in POOL)


def chain(pen: Pen) -> Graph:
    """Two to four ops in a row with chance outputs and second readers; a SPLIT may be put together again."""
    current = pen.input(pen.pick(SHAPES)(pen.pick(CHANNELS)))
    outputs: list[str] = []
    made: list[str] = []
    for _ in range(int(pen.rng.integers(2, 5))):
        result = None
        while result is None:
            result = POOL[int(pen.rng.choice(len(POOL), p=WEIGHTS))][1](pen, current)
        parts = (result,) if isinstance(result, str) else result
        made += parts
        current = joined(pen, parts) if len(parts) > 1 else parts[0]
        if len(parts) > 1:
            made.append(current)
        outputs += [name for name in made if name not in outputs and pen.chance(0.35)]
        if pen.chance(0.2):
            outputs.append(pen.builder.unary(READER, pen.pick(made)))
    if current not in outputs:
        outputs.append(current)
    kept = list(dict.fromkeys(name for name in outputs))
    pen.rng.shuffle(kept)
    return pen.builder.build(kept)


PRODUCERS = (
    with_tensor("ADD"),
    with_constant("ADD"),
    with_constant("MUL"),
    fully_connected,
    convolution,
    depthwise,
)
CONSUMERS = (*PRODUCERS[1:], reduce, reduce)


def pair(pen: Pen) -> Graph:
    """A producer and a consumer of the three oldest rules, with the tensor between them in every role."""
    x = pen.input(pen.pick(SHAPES)(pen.pick(CHANNELS)))
    if pen.chance(0.3):
        x = pen.builder.unary("NEG", x)
    y = one_of(pen, PRODUCERS, x)
    bridge = y
    if pen.chance(0.3):
        bridge = one_of(pen, (identity, reshape, unary("NEG"), transpose), y)
    z = one_of(pen, CONSUMERS, bridge)
    outputs = [z]
    if pen.chance(0.8):
        outputs.append(y)
    if bridge != y and pen.chance(0.3):
        outputs.append(bridge)
    if pen.chance(0.25):
        outputs.append(one_of(pen, (*CONSUMERS, unary(READER)), y))
    pen.rng.shuffle(outputs)
    return pen.builder.build(outputs)


def padding(pen: Pen) -> Graph:
    """Padding in all its forms in front of what it can be merged into."""
    g = pen.builder
    channels = pen.pick((3, 4, 8))
    x = pen.input((1 if pen.chance(0.8) else 2, 5, 5, channels))
    if pen.chance(0.4):
        x = g.unary(pen.pick(("NEG", "RELU", "LOGISTIC")), x)
    padded = one_of(pen, (pad, pad, pad, concat_zeros), x)
    shape = pen.shape(padded)
    choice = int(pen.rng.integers(4))
    if choice == 0 or shape[3] != channels:
        other = tuple(1 if pen.chance(0.12) else size for size in shape)
        z = g.add(padded, pen.input(other)) if pen.chance(0.5) else g.add(pen.input(other), padded)
    elif choice == 1:
        z = one_of(pen, (pool,), padded)
    else:
        z = one_of(pen, (convolution, depthwise), padded)
    outputs = [z]
    if pen.chance(0.4):
        outputs.append(padded)
    if pen.chance(0.2):
        outputs.append(g.unary(READER, padded))
    pen.rng.shuffle(outputs)
    return g.build(outputs)


def channel_counts(pen: Pen) -> Graph:
    """Per-channel constants beside convolutions of one channel, of groups, and of the same count."""
    g = pen.builder
    channels, out = pen.pick((1, 8, 16)), pen.pick((1, 8))
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
        return g.binary(pen.pick(("ADD", "MUL")), name, g.const(pen.numbers(count)))

    y = gemm(x) if pen.chance(0.5) else scaled(x)
    z = scaled(y) if y.startswith(("fully", "conv")) else gemm(y)
    return g.build([z, y] if pen.chance(0.3) else [z])


def splits(pen: Pen) -> Graph:
    """A SPLIT and what may be made of its parts."""
    channels = pen.pick((4, 8))
    x = pen.input(pen.pick(((1, 6, channels), (1, 4, 6, channels), (2, 4, channels))))
    if pen.chance(0.6):
        x = pen.builder.unary("NEG", x)
    parts = split(pen, x)
    assert parts is not None
    whole = joined(pen, parts)
    outputs = [whole] if pen.chance(0.6) else [pen.builder.unary("NEG", whole)]
    outputs += [name for name in parts if pen.chance(0.12)]
    if pen.chance(0.2):
        outputs.append(pen.builder.unary(READER, pen.pick([x, *parts])))
    if x.startswith("neg") and pen.chance(0.15):
        outputs.append(x)
    return pen.builder.build(list(dict.fromkeys(outputs)))
