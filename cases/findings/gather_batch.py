"""GATHER with batch_dims: the indices of one batch serve all."""

from __future__ import annotations

from cases.builder import GraphBuilder
from cases.findings.model import clean, control, finding_models, helps, minimal, still_wrong
from cases.graph import Graph


def gathered(batch: int = 3, dtype: str = "float32", batch_dims: int = 1, axis: int = 1) -> Graph:
    """One row of eight per batch, by an index of the batch's own."""
    g = GraphBuilder()
    x, rows = g.input("x", (batch, 8, 4), dtype), g.input("rows", (batch,), "int32")
    return g.build(g.op("GATHER", (x, rows), name="y", axis=axis, batch_dims=batch_dims))


def one_by_one() -> Graph:
    """A GATHER of the rows as one table, by indices that count on from batch to batch."""
    g = GraphBuilder()
    x, rows = g.input("x", (3, 8, 4)), g.input("rows", (3,), "int32")
    offset = g.const([0, 8, 16], dtype="int32")
    table = g.reshape(x, (24, 4))
    rows = g.op("ADD", (rows, offset))[0]
    return g.build(g.op("GATHER", (table, rows), name="y", axis=0, batch_dims=0))


MODELS = finding_models(
    minimal("[3,8,4] by [3], axis 1, batch_dims 1", gathered),
    control("batch 1", gathered, batch=1),
    still_wrong("int32", "not float32 alone: int32", gathered, dtype="int32"),
    still_wrong("two-batches", "not three batches alone: two", gathered, batch=2),
    clean("no-batch", "without batch_dims it is right", gathered, batch_dims=0),
    helps("one-table", "all batches as one table, the indices counted on", one_by_one),
)
