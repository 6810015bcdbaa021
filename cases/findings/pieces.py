"""The graphs of the shipped findings, each a function with the knobs that its claims turn.

The graphs are as small as the bug allows, so that a report fits on a screen and a folder in a few KB.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cases.builder import GraphBuilder
from cases.graph import Graph

TOKENS = (1, 16, 32)


def weights(*shape: int, seed: int = 7) -> np.ndarray:
    """Seeded weights whose products keep the scale of the input: N(0, 1 / fan-in)."""
    fan_in = int(np.prod(shape[1:]))
    return (np.random.default_rng(seed).standard_normal(shape) / np.sqrt(fan_in)).astype(np.float32)


def per_channel(channels: int, seed: int = 8) -> np.ndarray:
    """Seeded constants in [0.5, 1.5], one a channel."""
    return np.random.default_rng(seed).uniform(0.5, 1.5, channels).astype(np.float32)


Emit = Callable[[GraphBuilder, str], str]


def _plain(g: GraphBuilder, y: str) -> str:
    return y


def times_one(g: GraphBuilder, y: str) -> str:
    return g.scaled(y, 1.0, name="y_emitted")


def identity_reshape(g: GraphBuilder, y: str) -> str:
    return g.op("RESHAPE", (y, g.const(list(g.shape(y)), dtype="int32")), name="same")[0]


# --- ADD -> reduction ---------------------------------------------------------------------------------


def add_reduce(
    shape: tuple[int, ...] = TOKENS,
    kind: str = "MEAN",
    axis: int | None = None,
    first: str = "ADD",
    emit: Emit = _plain,
    between: Emit = _plain,
    swap: bool = False,
    second_reader: bool = False,
    exposed: bool = True,
) -> Graph:
    """y = x + z is an output and feeds a reduction."""
    g = GraphBuilder()
    x, z = g.input("x", shape), g.input("z", shape)
    y = g.binary(first, x, z, name="y")
    reduced = g.reduce(kind, between(g, y), [len(shape) - 1 if axis is None else axis], name="reduced")
    outputs = [emit(g, y), reduced] if exposed else [reduced]
    if second_reader:
        outputs.append(g.unary("NEG", y, name="negated"))
    return g.build(outputs=outputs[::-1] if swap else outputs)


# --- CONV / FULLY_CONNECTED -> constant ------------------------------------------------------------------


def gemm_constant(
    kind: str = "MUL",
    constant: str = "scalar",
    conv: bool = False,
    emit: Emit = _plain,
    between: Emit = _plain,
    swap: bool = False,
    second_reader: bool = False,
    reader: str = "",
) -> Graph:
    """y = x @ w is an output and feeds an ADD or MUL by a constant (or a reduction)."""
    g = GraphBuilder()
    if conv:
        x = g.input("x", (1, 4, 4, 32))
        y = g.conv2d(x, weights(8, 1, 1, 32), per_channel(8, 9), name="y")
    else:
        x = g.input("x", TOKENS)
        y = g.fully_connected(x, weights(8, 32), per_channel(8, 9), name="y")
    held = between(g, y)
    if reader:
        other = g.reduce(reader, held, [2], name="reduced")
    else:
        other = g.binary(kind, held, g.const(0.5 if constant == "scalar" else per_channel(8)), name="scaled")
    outputs = [emit(g, y), other]
    if second_reader:
        outputs.append(g.unary("NEG", y, name="negated"))
    return g.build(outputs=outputs[::-1] if swap else outputs)


# --- constant -> CONV / FULLY_CONNECTED ------------------------------------------------------------------


def constant_gemm(
    kind: str = "MUL",
    constant: str = "per-channel",
    conv: bool = False,
    emit: Emit = _plain,
    between: Emit = _plain,
    swap: bool = False,
    second_reader: bool = False,
    runtime_factor: bool = False,
) -> Graph:
    """y = x * c is an output and feeds a FULLY_CONNECTED or CONV_2D."""
    g = GraphBuilder()
    shape = (1, 4, 4, 32) if conv else TOKENS
    x = g.input("x", shape)
    factor = 0.5 if constant == "scalar" else per_channel(32)
    c = g.input("z", shape) if runtime_factor else g.const(factor)
    y = g.binary(kind, x, c, name="y")
    held = between(g, y)
    if conv:
        head = g.conv2d(held, weights(8, 1, 1, 32), per_channel(8, 9), name="head")
    else:
        head = g.fully_connected(held, weights(8, 32), per_channel(8, 9), name="head")
    outputs = [emit(g, y), head]
    if second_reader:
        outputs.append(g.unary("NEG", y, name="negated"))
    return g.build(outputs=outputs[::-1] if swap else outputs)


# --- a constant lined up with the wrong axis ----------------------------------------------------------------


def add_anchors(
    x_shape: tuple[int, ...] = (6, 4),
    c_shape: tuple[int, ...] = (1, 6, 4),
    kind: str = "ADD",
    head: bool = False,
    runtime_anchors: bool = False,
) -> Graph:
    """One elementwise op of a tensor and a constant of the same extents, perhaps of another rank."""
    g = GraphBuilder()
    if head:
        x = g.fully_connected(g.input("x", (x_shape[0], 16)), weights(x_shape[1], 16), name="offsets")
    else:
        x = g.input("x", x_shape)
    anchors = np.random.default_rng(5).standard_normal(c_shape).astype(np.float32)
    c = g.input("anchors", c_shape) if runtime_anchors else g.const(anchors, name="anchors")
    return g.build(outputs=[g.binary(kind, x, c, name="coord")])


# --- the card's graph ------------------------------------------------------------------------------------


def token_fan_out(readers: int = 3, exposed: bool = True) -> Graph:
    """conv.flatten(2).transpose(1, 2) as the converter writes it: tokens [1, N, 256], an output, read by heads."""
    g = GraphBuilder()
    x = g.input("x", (1, 4, 4, 4))
    feature = g.conv2d(x, weights(256, 1, 1, 4), per_channel(256, 9), name="feature")
    tokens = g.op("RESHAPE", (feature, g.const([1, 16, 256], dtype="int32")), name="memory_raw")[0]
    heads = [
        g.fully_connected(tokens, weights(2, 256, seed=20 + i), per_channel(2, 9), name=f"head{i}")
        for i in range(readers)
    ]
    return g.build(outputs=[tokens, *heads] if exposed else heads)


# --- others that the reading of the delegate and the catalogue have shown ------------------------------------


def add_max(negative: bool = True, kind: str = "REDUCE_MAX", apart: bool = False) -> Graph:
    """The largest of sums that are all below zero (or, without NEG, all above)."""
    g = GraphBuilder()
    a, b = (g.unary("ABS", g.input(name, TOKENS), name=f"abs_{name}") for name in ("x", "z"))
    if negative:
        a, b = g.unary("NEG", a, name="a"), g.unary("NEG", b, name="b")
    total = g.add(a, b, name="total")
    if apart:
        total = g.unary("NEG", g.unary("NEG", total, name="there"), name="back")
    return g.build(outputs=[g.reduce(kind, total, [2], name="extreme")])


def pad_conv(emit: Emit = _plain, second_reader: bool = False) -> Graph:
    """y = PAD(x) is an output and feeds an unpadded CONV_2D."""
    g = GraphBuilder()
    x = g.input("x", (1, 4, 4, 8))
    pads = g.const([[0, 0], [1, 1], [1, 1], [0, 0]], dtype="int32")
    y = g.op("PAD", (x, pads), name="y")[0]
    conv = g.conv2d(y, weights(8, 3, 3, 8), per_channel(8, 9), name="conv", padding="VALID")
    outputs = [emit(g, y), conv]
    if second_reader:
        outputs.append(g.unary("NEG", y, name="negated"))
    return g.build(outputs=outputs)


def pad_pool(separate: bool = False, pool: str = "AVERAGE_POOL_2D", border: int = 1) -> Graph:
    """PAD with zeros feeds a VALID pooling; the zeros must count."""
    g = GraphBuilder()
    x = g.input("x", (1, 6, 6, 8))
    pads = g.const([[0, 0], [border, border], [border, border], [0, 0]], dtype="int32")
    y = g.op("PAD", (x, pads), name="padded")[0]
    if separate:
        y = g.unary("NEG", g.unary("NEG", y, name="there"), name="back")
    window: dict[str, Any] = {"padding": "VALID", "stride_w": 2, "stride_h": 2, "filter_width": 2, "filter_height": 2}
    return g.build(outputs=[g.op(pool, (y,), name="pooled", **window)[0]])


def layer_norm_inner(exposed: bool = True, emit: Emit = _plain) -> Graph:
    """A hand-written LayerNorm whose centred tensor is an output as well."""
    g = GraphBuilder()
    x = g.input("x", TOKENS)
    centred = g.sub(x, g.mean(x, axes=[2], name="mean"), name="centred")
    variance = g.mean(g.unary("SQUARE", centred, name="squared"), axes=[2], name="variance")
    scale = g.unary("RSQRT", g.add(variance, g.const(1e-5), name="shifted"), name="scale")
    out = g.mul(centred, scale, name="normalised")
    return g.build(outputs=[emit(g, variance), out] if exposed else [out])


def split_meets(kind: str = "SUB", swap: bool = False, sliced: bool = False) -> Graph:
    """The two halves of a SPLIT meet in one elementwise op; a third output has nothing to do with them."""
    g = GraphBuilder()
    x, other = g.input("x", TOKENS), g.input("other", TOKENS)
    if sliced:
        size = g.const([1, 16, 16], dtype="int32")
        a = g.op("SLICE", (x, g.const([0, 0, 0], dtype="int32"), size), name="a")[0]
        b = g.op("SLICE", (x, g.const([0, 0, 16], dtype="int32"), size), name="b")[0]
    else:
        a, b = g.op("SPLIT", (g.const(2, dtype="int32"), x), outputs=("a", "b"), num_splits=2)
    met = g.binary(kind, b, a, name="met") if swap else g.binary(kind, a, b, name="met")
    return g.build(outputs=[met, g.unary("TANH", other, name="bystander")])


def split_added(sliced: bool = False) -> Graph:
    """The two halves of a SPLIT are only read by one ADD."""
    g = GraphBuilder()
    x = g.unary("TANH", g.input("x", TOKENS), name="source")
    if sliced:
        size = g.const([1, 16, 16], dtype="int32")
        a = g.op("SLICE", (x, g.const([0, 0, 0], dtype="int32"), size), name="a")[0]
        b = g.op("SLICE", (x, g.const([0, 0, 16], dtype="int32"), size), name="b")[0]
    else:
        a, b = g.op("SPLIT", (g.const(2, dtype="int32"), x), outputs=("a", "b"), num_splits=2)
    return g.build(outputs=[g.add(a, b, name="sum")])


def constant_broadcast(channels: int = 1, kind: str = "MUL") -> Graph:
    """A FULLY_CONNECTED with `channels` outputs times a constant of 8 channels."""
    g = GraphBuilder()
    y = g.fully_connected(g.input("x", TOKENS), weights(channels, 32), per_channel(channels, 9), name="y")
    return g.build(outputs=[g.binary(kind, y, g.const(per_channel(8)), name="spread")])


def divided_reduced(channels: int = 3, kind: str = "SUM", reciprocal: bool = False) -> Graph:
    """x divided by a per-channel constant, reduced over channels."""
    g = GraphBuilder()
    x = g.input("x", (1, 4, 4, channels))
    divisor = per_channel(channels)
    y = g.mul(x, g.const(1 / divisor), name="y") if reciprocal else g.div(x, g.const(divisor), name="y")
    if kind == "CONV_2D":
        return g.build(outputs=[g.conv2d(y, weights(8, 1, 1, channels), per_channel(8, 9), name="reduced")])
    return g.build(outputs=[g.reduce(kind, y, [3], name="reduced")])


def depthwise_multiplier(channels: int = 2, multiplier: int = 2, kernel: int = 1) -> Graph:
    """One DEPTHWISE_CONV_2D."""
    g = GraphBuilder()
    x = g.input("x", (1, 4, 4, channels))
    depth = channels * multiplier
    filters = np.random.default_rng(7).standard_normal((1, kernel, kernel, depth)).astype(np.float32)
    return g.build(outputs=[g.depthwise_conv2d(x, filters, per_channel(depth, 9), name="y")])


def rank_1_fully_connected(x_shape: tuple[int, ...] = (4,), out: int = 3) -> Graph:
    """One FULLY_CONNECTED over the last axis of x."""
    g = GraphBuilder()
    return g.build(
        outputs=[g.fully_connected(g.input("x", x_shape), weights(out, x_shape[-1]), per_channel(out), name="y")]
    )


def rank_1_softmax(x_shape: tuple[int, ...] = (4,), as_rank_2: bool = False) -> Graph:
    """One SOFTMAX over the last axis of x. as_rank_2: x goes to [1,C] and the result back to [C]."""
    g = GraphBuilder()
    x = g.input("x", x_shape)
    if not as_rank_2:
        return g.build([g.op("SOFTMAX", (x,), outputs=("y",), beta=1.0)[0]])
    (wide,) = g.op("SOFTMAX", (g.reshape(x, (1, *x_shape)),), outputs=("wide",), beta=1.0)
    return g.build([g.reshape(wide, x_shape, "y")])


# --- one tensor twice ---------------------------------------------------------------------------------------


def same_operand(kind: str = "BATCH_MATMUL", second: Emit = _plain, two_inputs: bool = False) -> Graph:
    """One op that reads x twice, or x and what `second` makes of it, or x and another input."""
    g = GraphBuilder()
    x = g.input("x", (1, 4, 4))
    z = g.input("z", (1, 4, 4)) if two_inputs else second(g, x)
    if kind == "SELECT_V2":
        above = g.op("GREATER", (g.input("c", (1, 4, 4)), g.const(0.0)), name="above")[0]
        return g.build(outputs=[g.select(above, x, z, name="y")])
    return g.build(outputs=[g.op(kind, (x, z), name="y")[0]])


def sum_times_itself(exposed: bool = True) -> Graph:
    """A sum, an output or not, and its product with its own transpose."""
    g = GraphBuilder()
    total = g.add(g.input("x", (1, 4, 4)), g.input("z", (1, 4, 4)), name="total")
    product = g.batch_matmul(total, total, "product", adj_y=True)
    return g.build(outputs=[total, product] if exposed else [product])


def identity_transpose(g: GraphBuilder, y: str) -> str:
    order = list(range(len(g.shape(y))))
    return g.op("TRANSPOSE", (y, g.const(order, dtype="int32")), name="same")[0]


# --- an output that one elementwise op reads ----------------------------------------------------------------


def output_elementwise(
    producer: str = "FULLY_CONNECTED",
    reader: str = "NEG",
    activation: str = "NONE",
    emit: Emit = _plain,
    between: Emit = _plain,
    exposed: bool = True,
    second_reader: bool = False,
    swap: bool = False,
    constant_mask: bool = False,
) -> Graph:
    """y is an output and one op reads it: `reader`, or a MUL by a mask [1, N, 1]."""
    g = GraphBuilder()
    x = g.input("x", TOKENS)
    if producer == "FULLY_CONNECTED":
        y = g.fully_connected(x, weights(8, 32), per_channel(8, 9), name="y", activation=activation)
    elif producer == "TRANSPOSE":
        y = g.op("TRANSPOSE", (x, g.const([0, 2, 1], dtype="int32")), name="y")[0]
    else:
        y = g.unary(producer, x, name="y")
    held = between(g, y)
    if constant_mask:
        count = g.shape(y)[1]
        mask = (np.arange(count) >= count // 4).astype(np.float32).reshape(1, count, 1)
        read = g.mul(held, g.const(mask), name="read")
    elif reader in ("ADD", "MUL"):
        read = g.binary(reader, held, g.input("z", g.shape(y)), name="read")
    elif reader == "SUB-SECOND":
        read = g.sub(g.input("z", g.shape(y)), held, name="read")
    elif reader == "SOFTMAX":
        read = g.softmax(held, name="read")
    else:
        read = g.unary(reader, held, name="read")
    outputs = [emit(g, y), read] if exposed else [read]
    if second_reader:
        outputs.append(g.unary("ABS", y, name="second"))
    return g.build(outputs=outputs[::-1] if swap else outputs)


def masked_tokens(emit: Emit = _plain) -> Graph:
    """The card's memory_raw: tokens [1, N, 256] of a CONV_2D, an output, times the valid mask into a head."""
    g = GraphBuilder()
    feature = g.conv2d(g.input("x", (1, 4, 4, 4)), weights(256, 1, 1, 4), per_channel(256, 9), name="feature")
    tokens = g.op("RESHAPE", (feature, g.const([1, 16, 256], dtype="int32")), name="memory_raw")[0]
    mask = (np.arange(16) >= 4).astype(np.float32).reshape(1, 16, 1)
    valid = g.mul(tokens, g.const(mask), name="valid")
    return g.build(outputs=[g.fully_connected(valid, weights(2, 256), per_channel(2, 9), name="head"), emit(g, tokens)])


# --- thin pointwise convolutions ------------------------------------------------------------------------


def thin_pointwise(
    out: int = 4,
    middle: int = 4,
    height: int = 4,
    width: int = 4,
    kernel: int = 1,
    between: tuple[str, ...] = (),
    exposed: tuple[str, ...] = ("y",),
    activation: str = "NONE",
    third: bool = False,
    tokens: bool = False,
    emit: Emit = _plain,
    second_reader: bool = False,
    branch: bool = False,
) -> Graph:
    """y, a 1x1 CONV_2D (or, tokens, a FULLY_CONNECTED) of `middle` channels, feeds another of `out`.

    exposed: which are outputs, of `y`, the kinds `between` the two, and `ADD`. third: one more of 4 channels behind.
    branch: y reads a NEG of the input, which an ADD adds again behind y.
    """
    g = GraphBuilder()

    def layer(x: str, made: int, read: int, seed: int, name: str, first: bool = False) -> str:
        bias = per_channel(made, seed + 1)
        if tokens:
            return g.fully_connected(x, weights(made, read, seed=seed), bias, name=name)
        size = kernel if first else 1
        fused = activation if first else "NONE"
        return g.conv2d(x, weights(made, size, size, read, seed=seed), bias, name=name, activation=fused)

    x = g.input("x", (1, height * width, 4) if tokens else (1, height, width, 4))
    x = g.unary("NEG", x, name="before") if branch else x
    held = y = layer(x, middle, 4, 7, "y", first=True)
    outputs = [emit(g, y)] if "y" in exposed else []
    for kind in between:
        held = g.reshape(held, g.shape(held)) if kind == "RESHAPE" else g.unary(kind, held, name=kind.lower())
        outputs += [held] if kind in exposed else []
    if branch:
        held = g.add(held, x, name="total")
        outputs += [held] if "ADD" in exposed else []
    held = layer(held, out, middle, 9, "out")
    if third:
        outputs.append(held)
        held = layer(held, 4, out, 17, "last")
    outputs.append(held)
    if second_reader:
        outputs.append(g.unary("TANH", y, name="read"))
    return g.build(outputs)
