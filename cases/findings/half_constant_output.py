"""A float16 constant that is an output, through its DEQUANTIZE: nobody writes it."""

from __future__ import annotations

import numpy as np

from cases.builder import GraphBuilder
from cases.findings.model import clean, control, face, finding_models, helps, minimal, still_wrong
from cases.findings.pieces import weights
from cases.graph import Graph


def returned(held: str = "float16", reader: str = "", with_grid: bool = False) -> Graph:
    """A table beside a TANH. held: its type in the file. reader: an op that reads it too."""
    g = GraphBuilder()
    x = g.input("x", (1, 4, 8))
    values = np.arange(1, 33).reshape(1, 4, 8)
    table = g.const(values if with_grid else values / 7, dtype=held)
    if with_grid:
        g.on_grid(table, 0.1)
    if held != "float32":
        (table,) = g.op("DEQUANTIZE", (table,), name="table")
    beside = g.op(reader, (x, table), name="y")[0] if reader else g.unary("TANH", x, name="y")
    return g.build([table, beside])


def anchors() -> Graph:
    """A detection head of float16 weights that returns its anchors beside the boxes."""
    g = GraphBuilder()
    rng = np.random.default_rng(5)
    tokens = g.input("tokens", (1, 12, 16))
    (held,) = g.op("DEQUANTIZE", (g.const(rng.uniform(0.1, 0.9, (1, 12, 4)), dtype="float16"),), name="anchors")
    boxes = g.add(g.fully_connected(tokens, weights(4, 16)), held, name="boxes")
    return g.build([boxes, held])


MODELS = finding_models(
    minimal("a float16 table is an output, beside a TANH", returned),
    control("the same table in float32", returned, held="float32"),
    still_wrong("read", "an ADD that reads it too gets it", returned, reader="ADD").in_outputs(0),
    clean("int8", "a DEQUANTIZE of an int8 table is written", returned, held="int8", with_grid=True),
    helps("float32-read", "the table in float32, read by an ADD", returned, held="float32", reader="ADD"),
    face("anchors", "anchors beside boxes", anchors).in_outputs(1),
)
