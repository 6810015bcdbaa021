"""BATCH_MATMUL whose operands have different batches."""

from __future__ import annotations

import numpy as np

from cases.builder import GraphBuilder
from cases.findings.model import clean, control, face, finding_models, helps, minimal, still_wrong
from cases.graph import Graph

Shape = tuple[int, ...]


def broadcast_product(
    a_shape: Shape = (2, 3, 4),
    b_shape: Shape = (1, 4, 5),
    adj_x: bool = False,
    adj_y: bool = False,
    constant: bool = False,
    repeated: int = 1,
) -> Graph:
    """a @ b. constant: b is one. repeated: how many copies of b stand behind each other along its batch."""
    g = GraphBuilder()
    a = g.input("a", a_shape)
    values = np.random.default_rng(1).standard_normal(b_shape)
    b = g.const(values, name="b") if constant else g.input("b", b_shape)
    if repeated > 1:
        b = g.concat([b] * repeated, 0, name="copies")
    return g.build([g.batch_matmul(a, b, name="y", adj_x=adj_x, adj_y=adj_y)])


def stacked_rows() -> Graph:
    """The rows of all batches of a behind each other, in one batch."""
    g = GraphBuilder()
    rows = g.reshape(g.input("a", (2, 3, 4)), (1, 6, 4), name="rows")
    return g.build([g.reshape(g.batch_matmul(rows, g.input("b", (1, 4, 5)), name="product"), (2, 3, 5), name="y")])


def multi_query_attention() -> Graph:
    """Four heads of queries over one head of keys and values."""
    g = GraphBuilder()
    queries, keys = g.input("queries", (4, 6, 16)), g.input("keys", (1, 8, 16))
    scores = g.batch_matmul(queries, g.transpose(keys, [0, 2, 1]))
    return g.build([g.batch_matmul(g.softmax(g.scaled(scores, 0.25)), keys, name="y")])


MODELS = finding_models(
    minimal("[2,3,4] times [1,4,5]", broadcast_product),
    control("the same batch on both sides", broadcast_product, b_shape=(2, 4, 5)),
    # Over OpenCL it is right where tensors are in buffers, as without a presented name.
    still_wrong(
        "left", "not the right operand alone: [1,3,4] times [2,4,5]", broadcast_product, (1, 3, 4), (2, 4, 5)
    ).on_targets("gpu:lavapipe*", "gpu:swiftshader*", "gpu:pocl@*", "gpu:nvidia-*", "gpu:opencl-nvidia", "adb:*"),
    still_wrong("constant", "not a runtime operand alone", broadcast_product, constant=True),
    still_wrong("rank-2", "the right operand is [4,5] at run time", broadcast_product, b_shape=(4, 5)),
    still_wrong("rank-4", "not rank 3 alone", broadcast_product, (1, 2, 3, 4), (1, 1, 4, 5)),
    still_wrong("one-of-two", "one batch dimension of two", broadcast_product, (2, 3, 3, 4), (2, 1, 4, 5)),
    still_wrong("adj-x", "not the plain order alone: adj_x", broadcast_product, (2, 4, 3), adj_x=True),
    clean(
        "weights", "a constant [4,5] on the right: a FULLY_CONNECTED", broadcast_product, b_shape=(4, 5), constant=True
    ),
    face("multi-query", "four heads of queries, one of keys and values", multi_query_attention),
    helps("copies", "a CONCATENATION of copies", broadcast_product, repeated=2),
    helps("rows", "the rows of all batches in one batch", stacked_rows),
)
