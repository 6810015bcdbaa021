"""Graphs of findings about ops that only move data: PAD, SLICE, SPLIT, CONCATENATION. As small as each bug allows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cases.builder import GraphBuilder
from cases.findings.pieces import Emit, per_channel, weights
from cases.graph import Graph

MAP = (1, 4, 4, 4)


def plain(g: GraphBuilder, y: str) -> str:
    return y


def apart(g: GraphBuilder, y: str) -> str:
    """The tensor through an identity TRANSPOSE, which no pass of the delegate takes out."""
    return g.transpose(y, list(range(len(g.shape(y)))), name=f"{y}_apart")


# --- PAD ----------------------------------------------------------------------------------------------


def pad_rank_3(
    batch: int = 2,
    table: tuple[tuple[int, int], ...] = ((0, 0), (0, 1), (0, 0)),
    value: float | None = None,
    rank_4: bool = False,
) -> Graph:
    """PAD (or, with a value, PADV2) of a tensor [batch, 3, 4]; rank_4: as [batch, 1, 3, 4], and back."""
    g = GraphBuilder()
    x = g.input("x", (batch, 3, 4))
    if rank_4:
        x, table = g.reshape(x, (batch, 1, 3, 4), name="as_rank_4"), (table[0], (0, 0), *table[1:])
    rows = g.const(table, dtype="int32")
    if value is None:
        y = g.op("PAD", (x, rows), name="padded")[0]
    else:
        y = g.op("PADV2", (x, rows, g.const(np.float32(value))), name="padded")[0]
    if rank_4:
        shape = g.shape(y)
        y = g.reshape(y, (shape[0], *shape[2:]), name="as_rank_3")
    return g.build([y])


def pad_value(value: float = 2.0, depthwise: bool = False, between: Emit = plain) -> Graph:
    """PADV2 of height and width with a value feeds an unpadded convolution."""
    g = GraphBuilder()
    x = g.input("x", MAP)
    rows = g.const([[0, 0], [1, 1], [1, 1], [0, 0]], dtype="int32")
    y = g.op("PADV2", (x, rows, g.const(np.float32(value))), name="padded")[0]
    held = between(g, y)
    if depthwise:
        filters = np.random.default_rng(7).standard_normal((1, 3, 3, 4)).astype(np.float32) / 3
        out = g.depthwise_conv2d(held, filters, per_channel(4, 9), name="conv", padding="VALID")
    else:
        out = g.conv2d(held, weights(4, 3, 3, 4), per_channel(4, 9), name="conv", padding="VALID")
    return g.build([out])


def pad_then_add(
    other: tuple[int, ...] = (1, 1, 1, 8),
    before: int = 0,
    between: Emit = plain,
    value: float | None = None,
) -> Graph:
    """PAD of channels, 4 to 8, is added to a second tensor."""
    g = GraphBuilder()
    x, z = g.input("x", (1, 2, 2, 4)), g.input("z", other)
    rows = g.const([[0, 0], [0, 0], [0, 0], [before, 4 - before]], dtype="int32")
    if value is None:
        y = g.op("PAD", (x, rows), name="padded")[0]
    else:
        y = g.op("PADV2", (x, rows, g.const(np.float32(value))), name="padded")[0]
    return g.build([g.add(between(g, y), z, name="sum")])


# --- CUMSUM -------------------------------------------------------------------------------------------


def cumulated(
    shape: tuple[int, ...] = (5, 4), axis: int = 0, as_shape: tuple[int, ...] = (), bystander: bool = False
) -> Graph:
    """One CUMSUM over an axis of x; as_shape: x is reshaped to it first, and the sum back. bystander: also TANH(x)."""
    g = GraphBuilder()
    x = g.input("x", shape)
    held = g.reshape(x, as_shape, name="reshaped") if as_shape else x
    (y,) = g.op("CUMSUM", (held, g.const(axis, dtype="int32")), name="sums")
    if as_shape:
        y = g.reshape(y, shape, name="y")
    return g.build([y, g.unary("TANH", x, name="bystander")] if bystander else [y])


# --- SPLIT and SLICE ----------------------------------------------------------------------------------


def slice_of_part(
    sliced: int = 0,
    axis: int = 2,
    count: int = 2,
    emit: Emit = plain,
    read: bool = False,
    between: Emit = plain,
    kind: str = "SLICE",
) -> Graph:
    """SPLIT, then a SLICE of everything of one part; the slice and the other parts are outputs."""
    g = GraphBuilder()
    shape = [1, 4, 4]
    shape[axis] = 2 * count
    names = ("first", "second", "third")[:count]
    parts = list(g.split(g.input("x", shape), count, axis, names))
    size = g.shape(parts[0])
    source = between(g, parts[sliced])
    if kind == "SLICE":
        y = g.slice(source, [0, 0, 0], size, name="whole")
    else:
        y = g.strided_slice(source, [0, 0, 0], size, [1, 1, 1], name="whole")
    parts[sliced] = g.unary("NEG", y, name="negated") if read else emit(g, y)
    return g.build(parts)


def split_together(
    exposed: bool = True,
    read: bool = False,
    by_slices: bool = False,
    between: Emit = plain,
    emit: Emit = plain,
    axis: int = 2,
) -> Graph:
    """The parts of a SPLIT are put together again; what was split is an output, or read by TANH."""
    g = GraphBuilder()
    x = g.unary("NEG", g.input("x", (1, 4, 4)), name="source")
    if by_slices:
        parts = [g.slice(x, begin, [1, 4, 2], name=name) for name, begin in (("a", [0, 0, 0]), ("b", [0, 0, 2]))]
    else:
        parts = list(g.split(x, 2, axis, ("a", "b")))
    parts[0] = between(g, parts[0])
    joined = g.concat(parts, axis, name="joined")
    outputs = [emit(g, x)] if exposed else []
    outputs += [g.unary("TANH", x, name="read")] if read else []
    return g.build([*outputs, joined])


# --- ops that change nothing --------------------------------------------------------------------------


def _one_input_concat(g: GraphBuilder, y: str) -> str:
    return g.concat([y], len(g.shape(y)) - 1, name="same")


def _resize(g: GraphBuilder, y: str) -> str:
    return g.op("RESIZE_NEAREST_NEIGHBOR", (y, g.const(g.shape(y)[1:3], dtype="int32")), name="same")[0]


def _slice(g: GraphBuilder, y: str) -> str:
    return g.slice(y, [0] * len(g.shape(y)), g.shape(y), name="same")


def _reshape(g: GraphBuilder, y: str) -> str:
    return g.reshape(y, g.shape(y), name="same")


NO_OPS: dict[str, Callable[[GraphBuilder, str], str]] = {
    "CONCATENATION": _one_input_concat,
    "RESIZE_NEAREST_NEIGHBOR": _resize,
    "SLICE": _slice,
    "RESHAPE": _reshape,
}


def no_op_behind(
    kind: str = "CONCATENATION",
    shape: tuple[int, ...] = (1, 4, 4),
    exposed: bool = True,
    emit: Emit = plain,
    between: Emit = plain,
    swap: bool = False,
    second_reader: bool = False,
    read: bool = False,
) -> Graph:
    """y = TANH(x) is an output and feeds an op that changes nothing; so is what that makes, or (read) its NEG."""
    g = GraphBuilder()
    y = g.unary("TANH", g.input("x", shape), name="y")
    same = NO_OPS[kind](g, between(g, y))
    if read:
        same = g.unary("NEG", same, name="negated_same")
    outputs = [emit(g, y), same] if exposed else [same]
    if second_reader:
        outputs.append(g.unary("NEG", y, name="negated"))
    return g.build(outputs[::-1] if swap else outputs)


def concat_of_one(
    batch: int = 1,
    kind: str = "CONCATENATION",
    behind_op: bool = False,
    shared: bool = False,
    between: Emit = plain,
    axis: int = -1,
) -> Graph:
    """A CONCATENATION of one tensor, a graph input by default; the other output has nothing to do with it."""
    g = GraphBuilder()
    x, other = g.input("x", (batch, 4, 4)), g.input("other", (1, 4, 4))
    source = g.unary("ABS", x, name="source") if behind_op else x
    held = between(g, source)
    same = g.concat([held], axis % 3, name="same") if kind == "CONCATENATION" else NO_OPS[kind](g, held)
    outputs = [same, g.unary("TANH", other, name="bystander")]
    if shared:
        outputs.append(g.unary("SQUARE", source, name="read"))
    return g.build(outputs)
