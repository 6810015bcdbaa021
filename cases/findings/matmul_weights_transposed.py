"""BATCH_MATMUL by a constant matrix with adj_x or adj_y, which are not read."""

from __future__ import annotations

import numpy as np

from cases.builder import GraphBuilder
from cases.findings.model import clean, control, face, finding_models, helps, minimal, still_wrong
from cases.findings.pieces import weights
from cases.graph import Graph

DEPTH, OUT = 8, 8


def product(
    rows: tuple[int, ...] = (6,),
    adj_x: bool = False,
    adj_y: bool = True,
    out: int = OUT,
    computed: bool = False,
    transposed: str = "",
) -> Graph:
    """x [..., 6, 8] times constant weights [out, 8], which adj_y turns, or [8, out].

    computed: the weights are an input. transposed: "file" holds the weights the other way round and "front" puts a
    TRANSPOSE before them, both without adj_y.
    """
    g = GraphBuilder()
    *batch, count = rows
    x = g.input("x", (*batch, DEPTH, count) if adj_x else (*rows, DEPTH))
    matrix = weights(out, DEPTH)
    if transposed == "front":
        return g.build([g.batch_matmul(x, g.transpose(g.const(matrix), [1, 0]), name="y")])
    is_turned = adj_y and transposed != "file"
    held = np.ascontiguousarray(matrix if is_turned else matrix.T)
    b = g.input("weights", held.shape) if computed else g.const(held)
    return g.build([g.batch_matmul(x, b, name="y", adj_x=adj_x, adj_y=is_turned)])


def projected_twice(adj_y: bool = True) -> Graph:
    """Tokens through a projection and back through the same weights, as tied embeddings are used."""
    g = GraphBuilder()
    tokens = g.input("tokens", (1, 6, DEPTH))
    matrix = weights(DEPTH, DEPTH, seed=9)
    hidden = g.unary("TANH", g.batch_matmul(tokens, g.const(matrix)))
    back = g.const(matrix if adj_y else np.ascontiguousarray(matrix.T))
    return g.build([g.batch_matmul(hidden, back, name="y", adj_y=adj_y)])


MODELS = finding_models(
    minimal("[6,8] times a constant [8,8] under adj_y", product),
    control("the constant as it is multiplied, without adj_y", product, adj_y=False),
    still_wrong("adj-x", "not adj_y alone: adj_x", product, adj_x=True, adj_y=False),
    still_wrong("both", "both of them", product, adj_x=True),
    still_wrong("rank-3", "not rank 2 alone: [1,6,8]", product, rows=(1, 6)),
    still_wrong("batch", "not batch 1 alone: [2,6,8]", product, rows=(2, 6)),
    still_wrong("wide", "not square weights alone: [12,8]", product, out=12),
    clean("computed", "weights that are an input", product, computed=True),
    helps("turned", "the constant the other way round in the file", product, transposed="file"),
    face("tied", "tokens projected and back by the same weights", projected_twice),
    helps("untied", "the weights twice in the file", projected_twice, adj_y=False),
)
