"""Arithmetic of quantised int16 tensors, which is done on their integers, whatever they stand for."""

from __future__ import annotations

from cases.builder import GraphBuilder
from cases.findings.model import FindingModel, clean, control, finding_models, minimal, still_wrong
from cases.graph import Graph

TOKENS = (1, 4, 8)
SCALES = (1e-4, 2e-4, 8e-4)
"""Of the two operands and of the result."""
ONE_SCALE = (1e-4,) * 3


def pair(
    kind: str = "MUL",
    shape: tuple[int, ...] = TOKENS,
    other: tuple[int, ...] = (),
    scales: tuple[float, float, float] = SCALES,
) -> Graph:
    """An op of two quantised int16 tensors. other: the second one's shape, the first one's unless given."""
    g = GraphBuilder()
    x, z = (
        g.on_grid(g.input("x", shape, "int16"), scales[0]),
        g.on_grid(g.input("z", other or shape, "int16"), scales[1]),
    )
    (y,) = g.op(kind, (x, z), name="y")
    return g.build([g.on_grid(y, scales[2])])


def of_int8() -> Graph:
    """A MUL of two int8 tensors, quantised in front of it and back behind it."""
    g = GraphBuilder()
    held = [g.quantise(g.input(name, TOKENS), 0.02, 3) for name in ("x", "z")]
    (y,) = g.op("MUL", held)
    return g.build(g.op("DEQUANTIZE", (g.on_grid(y, 0.04, 3),), name="y"))


def total() -> Graph:
    """The SUM over the channels, on a grid of its own."""
    g = GraphBuilder()
    x = g.on_grid(g.input("x", TOKENS, "int16"), 1e-4)
    return g.build([g.on_grid(g.op("SUM", (x, g.const([2], dtype="int32")), name="y", keep_dims=True)[0], 8e-4)])


def refused_in_browser(model: FindingModel) -> FindingModel:
    """A browser has no int16 inputs."""
    return model.that_in_browser("REFUSED")


MODELS = finding_models(
    refused_in_browser(minimal("int16 MUL", pair)),
    control("the same in int8", of_int8),
    refused_in_browser(still_wrong("add", "not MUL alone: ADD", pair, kind="ADD")),
    refused_in_browser(still_wrong("sub", "not MUL alone: SUB", pair, kind="SUB")),
    refused_in_browser(still_wrong("sum", "not two operands alone: SUM, on another grid", total)),
    refused_in_browser(still_wrong("rank-2", "not rank 3 alone: [4,8]", pair, shape=(4, 8))),
    refused_in_browser(still_wrong("rank-4", "not rank 3 alone: [1,4,4,8]", pair, shape=(1, 4, 4, 8))),
    refused_in_browser(still_wrong("broadcast", "not equal shapes alone: times [1,1,8]", pair, other=(1, 1, 8))),
    refused_in_browser(clean("maximum", "MAXIMUM, which has one scale", pair, kind="MAXIMUM", scales=ONE_SCALE)),
)
