"""EMBEDDING_LOOKUP in a table of rank 3 or 4: the process ends when it is compiled."""

from __future__ import annotations

import numpy as np

from cases.builder import GraphBuilder
from cases.findings.model import clean, control, finding_models, helps, minimal, still_wrong
from cases.graph import Graph

ROWS = 12


def looked_up(row: tuple[int, ...] = (2, 4), stored: str = "float32") -> Graph:
    """Four of twelve rows of a table. row: the shape of one. stored: its type, with a scale per row."""
    g = GraphBuilder()
    ids = g.input("ids", (4,), "int32")
    rng = np.random.default_rng(5)
    high = {"int8": 127, "int4": 7, "float32": 1}[stored]
    values = rng.integers(-high, high + 1, (ROWS, *row)) if stored != "float32" else rng.normal(size=(ROWS, *row))
    table = g.const(values, dtype=stored)
    if stored != "float32":
        g.on_grid(table, np.full(ROWS, 0.01))
    return g.build(g.op("EMBEDDING_LOOKUP", (ids, table), name="y"))


def reshaped() -> Graph:
    """The table with its rows as vectors, and a RESHAPE behind."""
    g = GraphBuilder()
    table = g.const(np.random.default_rng(5).normal(size=(ROWS, 8)))
    rows = g.op("EMBEDDING_LOOKUP", (g.input("ids", (4,), "int32"), table))[0]
    return g.build([g.reshape(rows, (4, 2, 4), name="y")])


MODELS = finding_models(
    minimal("a table [12,2,4]", looked_up),
    control("a table [12,8]", looked_up, row=(8,)),
    still_wrong("rank-4", "not rank 3 alone: [12,1,2,4]", looked_up, row=(1, 2, 4)),
    still_wrong("int8", "not float32 alone: [12,1,1,8] of int8", looked_up, row=(1, 1, 8), stored="int8"),
    clean("int8-rank-2", "a table [12,8] of int8", looked_up, row=(8,), stored="int8"),
    helps("reshaped", "rows as vectors, and a RESHAPE behind", reshaped),
    aborts=True,
)
