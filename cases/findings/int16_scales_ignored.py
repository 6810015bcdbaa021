"""Arithmetic of quantised int16 tensors, which is done on their integers."""

from __future__ import annotations

from cases.builder import GraphBuilder
from cases.findings.model import clean, control, finding_models, minimal, still_wrong
from cases.graph import Graph

SCALES = (1e-4, 2e-4, 8e-4)
"""Of the two operands and of the result."""


def pair(
    kind: str = "MUL",
    shape: tuple[int, ...] = (1, 4, 8),
    other: tuple[int, ...] = (),
    scales: tuple[float, float, float] = SCALES,
    dtype: str = "int16",
) -> Graph:
    """An op of two quantised tensors. other: the second one's shape, the first one's unless given."""
    g = GraphBuilder()
    x = g.on_grid(g.input("x", shape, dtype), scales[0])
    z = g.on_grid(g.input("z", other or shape, dtype), scales[1])
    (y,) = g.op(kind, (x, z), name="y")
    return g.build([g.on_grid(y, scales[2])])


MODELS = finding_models(
    minimal("int16 MUL", pair),
    control("the same in int8", pair, scales=(0.02, 0.02, 0.04), dtype="int8"),
    still_wrong("add", "not MUL alone: ADD", pair, kind="ADD"),
    still_wrong("sub", "not MUL alone: SUB", pair, kind="SUB"),
    still_wrong("rank-2", "not rank 3 alone: [4,8]", pair, shape=(4, 8)),
    still_wrong("rank-4", "not rank 3 alone: [1,4,4,8]", pair, shape=(1, 4, 4, 8)),
    still_wrong("broadcast", "not equal shapes alone: times [1,1,8]", pair, other=(1, 1, 8)),
    clean("maximum", "MAXIMUM, which has one scale", pair, kind="MAXIMUM", scales=(1e-4,) * 3),
)
