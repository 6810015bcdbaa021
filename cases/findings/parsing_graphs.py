"""Graphs of findings about ops that the delegate reads as something else, or takes apart. One op, where it can be."""

from __future__ import annotations

import numpy as np

from cases.builder import GraphBuilder
from cases.findings.layout_graphs import plain
from cases.findings.pieces import Emit, per_channel, weights
from cases.graph import Graph

# --- FULLY_CONNECTED ----------------------------------------------------------------------------------


def flattened(
    shape: tuple[int, ...] = (1, 2, 4), depth: int = 8, out: int = 3, reshaped: bool = False, between: Emit = plain
) -> Graph:
    """FULLY_CONNECTED of x, whose dimensions TFLite flattens to [elements / depth, depth].

    reshaped: x is brought to that shape by a RESHAPE. between: what else x goes through first.
    """
    g = GraphBuilder()
    x = between(g, g.input("x", shape))
    if reshaped:
        x = g.reshape(x, (int(np.prod(shape)) // depth, depth), name="flat")
    (y,) = g.op("FULLY_CONNECTED", (x, g.const(weights(out, depth)), g.const(per_channel(out))), name="y")
    return g.build([y])


def pooled_head(reshaped: bool = False) -> Graph:
    """A classifier's end: MAX_POOL_2D to [1, 2, 2, 4], and FULLY_CONNECTED of all 16; reshaped: through a RESHAPE."""
    g = GraphBuilder()
    x = g.input("x", (1, 4, 4, 4))
    (y,) = g.op(
        "MAX_POOL_2D", (x,), name="pooled", filter_height=2, filter_width=2, stride_h=2, stride_w=2, padding="VALID"
    )
    if reshaped:
        y = g.reshape(y, (1, 16), name="flat")
    (scores,) = g.op("FULLY_CONNECTED", (y, g.const(weights(3, 16)), g.const(per_channel(3))), name="scores")
    return g.build([scores])


def runtime_weights(
    shape: tuple[int, ...] = (1, 4),
    held: str = "input",
    bias: str = "own",
    activation: str = "NONE",
    out: int = 4,
    convolution: bool = False,
) -> Graph:
    """FULLY_CONNECTED (or 1x1 CONV_2D) of x and weights: an `input`, the `made` result of an op, or a `const`.

    bias: `own`, `none`, or an ADD of its own `behind` it.
    """
    g = GraphBuilder()
    x, depth = g.input("x", shape), shape[-1]
    size = (out, 1, 1, depth) if convolution else (out, depth)
    w = g.const(weights(*size)) if held == "const" else g.input("w", size)
    w = g.unary("NEG", w, name="negated") if held == "made" else w
    own = g.const(per_channel(out))
    if convolution:
        (y,) = g.op("CONV_2D", (x, w, own), name="y", padding="SAME", stride_w=1, stride_h=1)
    elif bias == "behind":
        y = g.add(g.fully_connected(x, w, name="product"), own, name="y")
    else:
        y = g.fully_connected(x, w, own if bias == "own" else None, name="y", activation=activation)
    return g.build([y])


# --- CUMSUM -------------------------------------------------------------------------------------------


def directed_sums(
    shape: tuple[int, ...] = (1, 5, 4),
    exclusive: bool = False,
    reverse: bool = False,
    by_hand: bool = False,
    between: Emit = plain,
) -> Graph:
    """CUMSUM over the second dimension of x, before each element (exclusive), from the end (reverse), or both.

    by_hand: made of a plain CUMSUM, its total and x, for one of the two. between: what else x goes through first.
    """
    g = GraphBuilder()
    x = between(g, g.input("x", shape))
    if not by_hand:
        return g.build(g.op("CUMSUM", (x, g.const(1, dtype="int32")), name="y", exclusive=exclusive, reverse=reverse))
    (sums,) = g.op("CUMSUM", (x, g.const(1, dtype="int32")), name="sums")
    if exclusive:
        return g.build([g.sub(sums, x, name="y")])
    return g.build([g.add(g.sub(g.sum(x, [1], name="total"), sums, name="later"), x, name="y")])


# --- PAD ----------------------------------------------------------------------------------------------

BATCH_IN_FRONT = ((1, 0), (0, 0), (0, 0), (0, 0))
"""Paddings of a rank-4 tensor: one batch in front."""


def pad_batch(
    table: tuple[tuple[int, int], ...] = BATCH_IN_FRONT,
    batch: int = 1,
    value: float | None = None,
    as_height: bool = False,
    as_rank_3: bool = False,
    between: Emit = plain,
) -> Graph:
    """PAD (or, with a value, PADV2) of a tensor [batch, 2, 3, 4].

    as_height, as_rank_3: the batch of 1 is padded as the height of [1, 1, 2, 3*4], or as the first dimension of
    [1, 2, 3*4], and the result is brought back. between: what x goes through first.
    """
    g = GraphBuilder()
    x = between(g, g.input("x", (batch, 2, 3, 4)))
    if as_height:
        x, table = g.reshape(x, (1, 1, 2, 12), name="flat"), ((0, 0), table[0], (0, 0), (0, 0))
    elif as_rank_3:
        x, table = g.reshape(x, (1, 2, 12), name="flat"), table[:3]
    rows = g.const(table, dtype="int32")
    if value is None:
        y = g.op("PAD", (x, rows), name="padded")[0]
    else:
        y = g.op("PADV2", (x, rows, g.const(np.float32(value))), name="padded")[0]
    if as_height or as_rank_3:
        y = g.reshape(y, (1 + sum(table[1 if as_height else 0]), 2, 3, 4), name="back")
    return g.build([y])


def batch_concatenated() -> Graph:
    """The same one batch of zeros in front of x, put there by CONCATENATION with a constant."""
    g = GraphBuilder()
    x = g.input("x", (1, 2, 3, 4))
    return g.build([g.concat([g.const(np.zeros((1, 2, 3, 4), np.float32)), x], 0, name="padded")])


# --- grouped CONV_2D ----------------------------------------------------------------------------------


def grouped_conv(
    taken: int = 3,
    made: int = 4,
    groups: int = 2,
    kernel: int = 3,
    dense: bool = False,
    by_hand: bool = False,
    between: Emit = plain,
    bystander: bool = True,
) -> Graph:
    """One CONV_2D of a 3x3 map in groups of `taken` channels, each of which makes `made`; beside it a TANH.

    dense: one group, whose weights are zero between the groups. by_hand: SPLIT, one CONV_2D a group, CONCATENATION.
    between: what x goes through first. bystander: whether there is the TANH, of another input.
    """
    g = GraphBuilder()
    x = between(g, g.input("x", (1, 3, 3, groups * taken)))
    others = [g.unary("TANH", g.input("z", (1, 3, 3, 5)), name="bystander")] if bystander else []
    filters = weights(groups * made, kernel, kernel, taken)
    bias = per_channel(groups * made)
    if by_hand:
        parts = g.split(x, groups, 3, tuple(f"part_{i}" for i in range(groups)))
        rows = [slice(i * made, (i + 1) * made) for i in range(groups)]
        done = [g.conv2d(part, filters[row], bias[row]) for part, row in zip(parts, rows, strict=True)]
        return g.build([g.concat(done, 3, name="y"), *others])
    if dense:
        whole = np.zeros((groups * made, kernel, kernel, groups * taken), np.float32)
        for i in range(groups):
            row, column = slice(i * made, (i + 1) * made), slice(i * taken, (i + 1) * taken)
            whole[row, :, :, column] = filters[row]
        filters = whole
    return g.build([g.conv2d(x, filters, bias, name="y"), *others])
