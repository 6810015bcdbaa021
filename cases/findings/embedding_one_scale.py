"""EMBEDDING_LOOKUP of int8 weights with one scale: all rows but the first are zeros."""

from __future__ import annotations

import numpy as np

from cases.builder import GraphBuilder
from cases.findings.model import clean, control, face, finding_models, helps, minimal, still_wrong
from cases.findings.pieces import weights
from cases.graph import Graph

ROWS, DEPTH = 12, 8


def looked_up(per_row: str = "", stored: str = "int8") -> Graph:
    """Rows of an integer table. per_row: "same" holds its one scale once per row, "own" another for each."""
    g = GraphBuilder()
    ids = g.input("ids", (4,), "int32")
    rng = np.random.default_rng(5)
    high = 127 if stored == "int8" else 7
    whole = g.const(rng.integers(-high, high + 1, (ROWS, DEPTH)), dtype=stored)
    scale = {"": 0.01, "same": np.full(ROWS, 0.01), "own": rng.uniform(0.005, 0.02, ROWS)}[per_row]
    table = g.on_grid(whole, scale)
    return g.build(g.op("EMBEDDING_LOOKUP", (ids, table), name="y"))


def language_model(per_row: str = "") -> Graph:
    """The first layer of a small language model with weight-only quantisation."""
    g = GraphBuilder()
    ids = g.input("ids", (6,), "int32")
    whole = np.random.default_rng(6).integers(-127, 128, (32, 16))
    table = g.on_grid(g.const(whole, dtype="int8"), np.full(32, 0.01) if per_row else 0.01)
    tokens = g.op("EMBEDDING_LOOKUP", (ids, table))[0]
    return g.build([g.fully_connected(tokens, weights(8, 16), name="y")])


MODELS = finding_models(
    minimal("a table [12,8] of int8 with one scale", looked_up),
    control("the scale once per row", looked_up, per_row="same"),
    still_wrong("int4", "not int8 alone: int4", looked_up, stored="int4"),
    clean("own-scales", "another scale for each row", looked_up, per_row="own"),
    face("language-model", "the first layer of a language model", language_model),
    helps("scale-per-row", "the scale once per row", language_model, per_row="same"),
)
