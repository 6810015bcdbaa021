"""CUMSUM over the first dimension of a tensor of rank below 4, or over the last one as -1."""

from __future__ import annotations

from cases.builder import GraphBuilder
from cases.findings.model import clean, control, finding_models, helps, minimal, still_wrong
from cases.graph import Graph


def cumulated(
    shape: tuple[int, ...] = (5, 4), axis: int = 0, as_shape: tuple[int, ...] = (), bystander: bool = False
) -> Graph:
    """One CUMSUM over an axis of x; as_shape: x is reshaped to it first, and the sum back. bystander: also TANH(x)."""
    g = GraphBuilder()
    x = g.input("x", shape)
    source = g.reshape(x, as_shape, name="reshaped") if as_shape else x
    (y,) = g.op("CUMSUM", (source, g.const(axis, dtype="int32")), name="sums")
    if as_shape:
        y = g.reshape(y, shape, name="y")
    return g.build([y, g.unary("TANH", x, name="bystander")] if bystander else [y])


MODELS = finding_models(
    minimal("CUMSUM of [5,4] over the first dimension: x comes back", cumulated),
    control("the same over the last dimension", cumulated, axis=1),
    still_wrong("vector", "not the rank: [5]", cumulated, shape=(5,)),
    still_wrong("rank-3", "not the rank: [5,4,3]", cumulated, shape=(5, 4, 3)),
    still_wrong("two", "not the size: [2,4]", cumulated, shape=(2, 4)),
    still_wrong("from-the-end", "the last dimension as -1", cumulated, axis=-1),
    still_wrong(
        "from-the-end-rank-3",
        "of [5,4,3] the last dimension as -1: it sums over the first",
        cumulated,
        shape=(5, 4, 3),
        axis=-1,
    ),
    still_wrong(
        "no-batch",
        "axis 0 of [1,3,4,5]: the kernel does not compile, and a TANH beside it is lost too",
        cumulated,
        shape=(1, 3, 4, 5),
        bystander=True,
    )
    .in_outputs(0, 1)
    .refused_over_opencl(),
    clean("one-row", "of [1,4] over the first dimension", cumulated, shape=(1, 4)),
    clean("middle", "of [5,4,3] over the second dimension", cumulated, shape=(5, 4, 3), axis=1),
    clean("rank-4", "of [2,3,4,5] over the first dimension", cumulated, shape=(2, 3, 4, 5)),
    helps(
        "as-height",
        "RESHAPE to [1,5,1,4], sum over the second dimension, and RESHAPE back",
        cumulated,
        axis=1,
        as_shape=(1, 5, 1, 4),
    ),
)
