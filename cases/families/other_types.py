"""Ops of other types than float32 that the delegate gets wrong, each beside a type or a shape that it gets right."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from cases.builder import GraphBuilder
from cases.case import Case
from cases.graph import Graph, Op, Tensor
from cases.tflite.schema import DTYPE_CODE

FAMILY = "other-types"
SHAPE = (2, 4, 8)


def of_int16(kind: str, dtype: str = "int16") -> Graph:
    """An op of one quantised tensor, whose result has another scale than it."""
    g = GraphBuilder()
    read, made = (2e-4, 8e-4) if dtype == "int16" else (0.02, 0.08)
    x = g.on_grid(g.input("x", SHAPE, dtype), read)
    (y,) = g.op(kind, (x,) if kind == "ABS" else (x, g.const([1], dtype="int32")), name="y")
    return g.build([g.on_grid(y, made)])


def largest(shape: tuple[int, ...] = (8,)) -> Graph:
    """The six largest of quantised bytes."""
    g = GraphBuilder()
    x = g.quantise(g.input("x", shape), 0.02)
    found = g.op("TOPK_V2", (x, g.const(6, dtype="int32")), outputs=("largest", "places"))
    return g.build([*g.op("DEQUANTIZE", (g.on_grid(found[0], 0.02),), name="y"), found[1]])


def first_truth(dtype: str = "bool") -> Graph:
    """The place of the first truth, or of the largest number."""
    g = GraphBuilder()
    return g.build(g.op("ARG_MAX", (g.input("x", (3, 8), dtype), g.const(1, dtype="int32")), name="y", output_type=2))


def looked_up(shape: tuple[int, ...] = (8, 1, 1, 4)) -> Graph:
    """Rows of a table of int8 with a scale per row."""
    g = GraphBuilder()
    whole = g.const(np.random.default_rng(5).integers(-127, 128, shape), dtype="int8")
    return g.build(g.op("EMBEDDING_LOOKUP", (g.input("ids", (3,), "int32"), g.on_grid(whole, [0.01] * 8)), name="y"))


def bits(to: str = "int8", of: str = "int32") -> Graph:
    """Each number of four bytes as four numbers of a byte."""
    tensors = {"x": Tensor("x", SHAPE[1:], of), "y": Tensor("y", (*SHAPE[1:], 4), to)}
    return Graph(tensors, (Op("BITCAST", ("x",), ("y",)),), ("x",), ("y",)).validate()


def bits_beside(of: str = "float32") -> Graph:
    """The same of floats, beside an op that has nothing to do with it."""
    g = GraphBuilder.extending(bits("uint8", of))
    return g.build(["y", g.unary("TANH", g.input("u", SHAPE), "beside")])


def narrowed(factor: int = 60, offset: int = -100) -> Graph:
    """Whole numbers of 0 to 7, times a factor and an offset, as uint8."""
    g = GraphBuilder()
    x = g.input("x", SHAPE, "int32")
    whole = g.add(g.mul(x, g.const(factor, dtype="int32")), g.const(offset, dtype="int32"))
    types = [DTYPE_CODE[dtype] for dtype in ("int32", "uint8")]
    return g.build(g.op("CAST", (whole,), name="y", in_data_type=types[0], out_data_type=types[1]))


def cases() -> list[Case]:
    made: list[Case] = []

    def add(name: str, reason: str, graph: Callable[[], Graph], control_of: str = "") -> None:
        control = f"{FAMILY}/{control_of}" if control_of else ""
        made.append(Case(f"{FAMILY}/{name}", FAMILY, reason, graph=graph, control_of=control))

    build = functools.partial
    for kind in ("ABS", "SUM"):
        name = f"int16-{kind.lower()}"
        add(name, f"int16 {kind}, whose scales are ignored", build(of_int16, kind))
        add(f"{name}-in-int8", f"{kind} in int8: right", build(of_int16, kind, "int8"), name)
    add("top-k-bytes", "TOPK_V2 of a vector of bytes: its kernel does not compile", largest)
    add("top-k-bytes-rows", "TOPK_V2 of rows of bytes: right", build(largest, (2, 8)), "top-k-bytes")
    add("arg-max-truths", "ARG_MAX of truths: its kernel does not compile", first_truth)
    add("arg-max-whole", "ARG_MAX of int32: right", build(first_truth, "int32"), "arg-max-truths")
    add("embedding-rank-4", "EMBEDDING_LOOKUP of a table of rank 4: the process ends", looked_up)
    add(
        "embedding-rank-2", "EMBEDDING_LOOKUP of a table of rank 2: right", build(looked_up, (8, 4)), "embedding-rank-4"
    )
    add("bitcast-signed", "BITCAST of int32 to int8: its kernel does not compile", bits)
    add("bitcast-unsigned", "BITCAST of int32 to uint8: right", build(bits, "uint8"), "bitcast-signed")
    add("bitcast-floats-beside", "BITCAST of floats to bytes: in fp16 its kernel does not compile", bits_beside)
    add(
        "bitcast-numbers-beside", "BITCAST of int32 to bytes: right", build(bits_beside, "int32"),
        "bitcast-floats-beside",
    )  # fmt: skip
    add("cast-outside", "CAST to uint8 of numbers that it has not: what is stored is the driver's choice", narrowed)
    add("cast-inside", "CAST to uint8 of numbers that it has: right", build(narrowed, 10, 10), "cast-outside")
    return made
