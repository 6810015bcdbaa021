"""Quantised graphs that the delegate gets wrong, each beside the same op in other integers, which is right.

They stand apart from the findings of the same bugs, whose controls every target has to pass: over OpenCL int8 inputs
and outputs come back as they were.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from cases.builder import GraphBuilder
from cases.case import Case
from cases.graph import Graph

FAMILY = "quantised"
TOKENS = (1, 4, 8)
SCALES = (1e-4, 2e-4, 8e-4)
"""Of the two operands and of the result."""


def of_int16(kind: str) -> Graph:
    """An op of two quantised int16 tensors."""
    return _pair(kind, "int16", SCALES)


def of_one_scale(kind: str) -> Graph:
    """An op of int16 that has one scale for operands and result."""
    return _pair(kind, "int16", (1e-4,) * 3)


def of_int8(kind: str) -> Graph:
    """The same op of int8."""
    return _pair(kind, "int8", (0.02, 0.02, 0.04))


def _pair(kind: str, dtype: str, scales: tuple[float, float, float]) -> Graph:
    g = GraphBuilder()
    x, z = g.on_grid(g.input("x", TOKENS, dtype), scales[0]), g.on_grid(g.input("z", TOKENS, dtype), scales[1])
    (y,) = g.op(kind, (x, z), name="y")
    return g.build([g.on_grid(y, scales[2])])


def int4_weights(block: int = 0) -> Graph:
    """FULLY_CONNECTED of 256 channels into as many. block: neighbours that share a scale; 0 for one scale per row."""
    g, size = GraphBuilder(), 256
    rng = np.random.default_rng(7)
    matrix = g.const(rng.integers(-7, 8, (size, size)), dtype="int4")
    if block:
        g.on_block_grid(matrix, rng.uniform(0.01, 0.02, (size, size // block)))
    else:
        g.on_grid(matrix, rng.uniform(0.01, 0.02, size))
    return g.build(g.op("FULLY_CONNECTED", (g.input("x", (1, size)), matrix), name="y", keep_num_dims=True))


def cases() -> list[Case]:
    made: list[Case] = []

    def add(name: str, reason: str, graph: Callable[[], Graph], control_of: str = "") -> None:
        control = f"{FAMILY}/{control_of}" if control_of else ""
        made.append(Case(f"{FAMILY}/{name}", FAMILY, reason, graph=graph, control_of=control))

    build = functools.partial
    for kind in ("MUL", "ADD", "SUB"):
        name = f"int16-{kind.lower()}"
        add(name, f"int16 {kind}, whose scales are ignored", build(of_int16, kind))
        add(f"{name}-in-int8", f"{kind} in int8: right", build(of_int8, kind), name)
    add("int16-maximum", "int16 MAXIMUM, which has one scale: right", build(of_one_scale, "MAXIMUM"), "int16-mul")
    add("int4-blocks", "int4 weights with a scale per block of 32: memory is corrupted", build(int4_weights, block=32))
    add("int4-rows", "int4 weights with a scale per row: right", int4_weights, "int4-blocks")
    return made
