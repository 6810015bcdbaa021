"""What the fuzzer found on the current runtime and no fusion rule explains, each with its healthy twin."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from cases.builder import GraphBuilder
from cases.case import Case
from cases.graph import Graph

FAMILY = "fuzzed"


def _weights(*shape: int) -> np.ndarray:
    fan_in = max(1, int(np.prod(shape[1:])))
    return (np.random.default_rng(shape).standard_normal(shape) / np.sqrt(fan_in)).astype(np.float32)


def batch_matmul(same: bool) -> Graph:
    """BATCH_MATMUL of a tensor with itself aborts the process (a CHECK in the delegate's graph model)."""
    g = GraphBuilder()
    x = g.input("x", (1, 3, 3))
    return g.build([g.batch_matmul(x, x if same else g.input("z", (1, 3, 3)), "product")])


def select(same: bool) -> Graph:
    """SELECT_V2 with the same tensor in both branches aborts the process in the same way."""
    g = GraphBuilder()
    x = g.input("x", (1, 4, 8))
    above = g.op("GREATER", (g.input("c", (1, 4, 8)), g.const(0.0)), name="above")[0]
    return g.build([g.select(above, x, x if same else g.input("z", (1, 4, 8)), "chosen")])


def fully_connected(rank: int) -> Graph:
    """FULLY_CONNECTED on a rank-1 input: its elements are taken for a batch."""
    g = GraphBuilder()
    x = g.input("x", (8,) if rank == 1 else (1, 8))
    return g.build([g.fully_connected(x, _weights(4, 8), _weights(4), "y")])


def padding_channels(kind: str, consumer: str, channels: int) -> Graph:
    """Tensors are stored in slices of four channels; what an op leaves in the padding must not be read.

    DIV leaves 0 / 0, RSQRT 1 / 0 and LOG log(0) there, and a consumer that sums over channels takes it in.
    """
    g = GraphBuilder()
    x = g.input("x", (1, 4, 4, channels))
    positive = g.add(g.unary("SQUARE", x), g.const(np.full(channels, 0.5, np.float32)))
    if kind == "DIV":
        y = g.div(x, g.const(np.linspace(0.5, 1.5, channels)), "y")
    else:
        y = g.unary(kind, g.unary("ABS", positive), "y")
    if consumer == "conv":
        out = g.conv2d(y, _weights(5, 1, 1, channels), _weights(5), "out")
    elif consumer == "max":
        out = g.reduce("REDUCE_MAX", y, [3], "out")
    else:
        out = g.mean(y, [3], "out")
    return g.build([out])


def pad_rank3(batch: int) -> Graph:
    """PAD of a rank-3 tensor: the three-row table is read as H, W, C, so a batch above 1 is lost."""
    g = GraphBuilder()
    return g.build([g.pad(g.input("x", (batch, 3, 4)), [[0, 0], [1, 0], [0, 0]], "padded")])


def sliced_part(part: int) -> Graph:
    """SPLIT in two, then a SLICE of everything of one part; slice and other part are outputs."""
    g = GraphBuilder()
    parts = g.split(g.input("x", (1, 4, 4)), 2, 2, ("first", "second"))
    sliced = g.slice(parts[part], (0, 0, 0), (1, 4, 2), "sliced")
    return g.build([sliced, parts[1 - part]])


def product(turned: bool) -> Graph:
    """BATCH_MATMUL by constant weights, then an ADD of a constant with fewer numbers than they have rows.

    turned: by adj_y, and not in the file.
    """
    g = GraphBuilder()
    weights = _weights(5, 8)
    held = g.const(weights if turned else np.ascontiguousarray(weights.T))
    y = g.batch_matmul(g.input("x", (6, 8)), held, adj_y=turned)
    return g.build([g.add(y, g.const(np.linspace(0.5, 1.5, 5)), "shifted")])


def split(constant: bool) -> Graph:
    """SPLIT of a constant, or of an input, beside an op on an input."""
    g = GraphBuilder()
    x = g.input("x", (4, 6))
    parts = g.split(g.const(_weights(4, 6)) if constant else g.input("z", (4, 6)), 2, 1, ("first", "second"))
    return g.build([g.unary("TANH", x, "y"), *parts])


def _pair(
    name: str, reason: str, twin: str, why: str, sick: Callable[[], Graph], sound: Callable[[], Graph]
) -> list[Case]:
    return [
        Case(f"{FAMILY}/{name}", FAMILY, reason, graph=sick),
        Case(f"{FAMILY}/{twin}", FAMILY, f"control: {why}", graph=sound, control_of=f"{FAMILY}/{name}"),
    ]


def cases() -> list[Case]:
    """Pairs of a failing graph and its control."""
    part = functools.partial
    family = _pair(
        "batch-matmul-of-itself", "BATCH_MATMUL of a tensor with itself aborts the process",
        "batch-matmul-of-two", "two different tensors", part(batch_matmul, True), part(batch_matmul, False),
    )  # fmt: skip
    family += _pair(
        "select-same-branches", "SELECT_V2 between a tensor and itself aborts the process",
        "select-two-branches", "two different tensors", part(select, True), part(select, False),
    )  # fmt: skip
    family += _pair(
        "fc-rank1", "FULLY_CONNECTED on a rank-1 input", "fc-rank2", "the same at rank 2",
        part(fully_connected, 1), part(fully_connected, 2),
    )  # fmt: skip
    family += _pair(
        "pad-rank3-batch2", "PAD of a rank-3 tensor with a batch of 2", "pad-rank3-batch1", "a batch of 1",
        part(pad_rank3, 2), part(pad_rank3, 1),
    )  # fmt: skip
    family += _pair(
        "slice-of-first-part", "a SLICE of all of a SPLIT's first part holds the other part",
        "slice-of-second-part", "the second part", part(sliced_part, 0), part(sliced_part, 1),
    )  # fmt: skip
    family += _pair(
        "folded-constant-turned", "a constant behind BATCH_MATMUL by weights that adj_y turns is read beyond its end",
        "folded-constant-as-read", "the weights the other way round in the file",
        part(product, True), part(product, False),
    )  # fmt: skip
    family += _pair(
        "split-of-constant", "SPLIT of a constant aborts the process", "split-of-input", "an input",
        part(split, True), part(split, False),
    )  # fmt: skip
    for kind in ("DIV", "RSQRT", "LOG"):
        for consumer in ("conv", "mean"):
            word = f"{kind.lower()}-{consumer}"
            family += _pair(
                f"padding-channels-{word}", f"{kind} over 3 channels feeds {consumer}: the padding channel is read",
                f"four-channels-{word}", "4 channels leave no padding",
                part(padding_channels, kind, consumer, 3), part(padding_channels, kind, consumer, 4),
            )  # fmt: skip
    why = "DIV over 3 channels feeds a maximum, which skips the padding"
    family.append(
        Case(f"{FAMILY}/padding-channels-div-max", FAMILY, why, graph=part(padding_channels, "DIV", "max", 3))
    )
    return family
