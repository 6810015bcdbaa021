"""In which type an op works is read from the graph."""

from __future__ import annotations

import numpy as np
import pytest

from cases.builder import GraphBuilder
from cases.drawn_ops.cells import cells, type_of
from cases.drawn_ops.one_op import OneOp, fixed
from cases.tflite.extras import on_grid

X = np.ones((2, 3), np.float32)
BYTES = X.astype(np.int8)
GRID = on_grid(0.1, 3)


def cell_of(op: OneOp) -> str:
    graph = op.graph([(2, 3)] * len(op.outputs))
    return type_of(graph, graph.ops[0])


@pytest.mark.parametrize(
    ("op", "found"),
    [
        (OneOp("NEG", (X,)), "float32"),
        (OneOp("GREATER", (X.astype(np.int32), X.astype(np.int32)), ("bool",)), "int32"),
        (OneOp("SELECT_V2", (X > 0, BYTES, BYTES), ("int8",)), "int8"),
        (OneOp("SPLIT", (fixed(0), X), ("float32",) * 2), "float32"),
        (OneOp("QUANTIZE", (X,), ("uint8",), tensor_raws={"out0": GRID}), "uint8"),
        (OneOp("DEQUANTIZE", (BYTES,), tensor_raws={"in0": GRID}), "int8"),
        (OneOp("FULLY_CONNECTED", (X, fixed(BYTES, "int8")), tensor_raws={"in1": GRID}), "int8 weights"),
        (OneOp("FULLY_CONNECTED", (BYTES, fixed(BYTES, "int8")), ("int8",), tensor_raws={"in1": GRID}), "int8"),
        (OneOp("CAST", (X.astype(np.int64),), ("int32",)), ""),
    ],
)
def test_an_op_works_in_the_type_of_its_data_or_of_its_weights(op: OneOp, found: str):
    assert cell_of(op) == found


def test_constants_of_float16_are_weights_behind_their_dequantize_too():
    g = GraphBuilder()
    half = g.const(np.ones(3), dtype="float16")
    whole = g.op("DEQUANTIZE", (half,))[0]
    graph = g.build([g.mul(g.input("x", (2, 3)), whole), g.unary("ABS", "x")])
    assert cells(graph) == {("DEQUANTIZE", "float16 weights"), ("MUL", "float16 weights"), ("ABS", "float32")}
