"""FULLY_CONNECTED with quantised weights whose result has other rows than its input has."""

from __future__ import annotations

import numpy as np

from cases.builder import GraphBuilder
from cases.findings.model import clean, control, finding_models, helps, minimal, still_wrong
from cases.findings.pieces import per_channel, quantised_weights, weights
from cases.graph import Graph

OUT = 4


def rows(
    shape: tuple[int, ...] = (1, 2, 8),
    flat: bool = True,
    per_tensor: bool = False,
    bias: bool = False,
    stored: str = "int8",
    reshaped: str = "",
) -> Graph:
    """FULLY_CONNECTED with int8 weights of x; flat: all but the last dimension become one, as TFLite does by default.

    stored: the type of the weights, int8, int4 or float32. reshaped: which end a RESHAPE brings to rank 2 instead.
    """
    g = GraphBuilder()
    x = g.input("x", shape)
    depth, count = shape[-1], int(np.prod(shape[:-1]))
    if reshaped == "before":
        x = g.reshape(x, (count, depth), name="flat")
    if stored == "float32":
        matrix = g.const(weights(OUT, depth))
    else:
        matrix = quantised_weights(g, OUT, depth, stored, per_tensor=per_tensor)
    operands = (x, matrix, g.const(per_channel(OUT))) if bias else (x, matrix)
    keep = reshaped == "behind" or not flat
    (y,) = g.op("FULLY_CONNECTED", operands, name="rows" if reshaped == "behind" else "y", keep_num_dims=keep)
    return g.build([g.reshape(y, (count, OUT), name="y") if reshaped == "behind" else y])


def all_int8(flat: bool = True) -> Graph:
    """The same with int8 activations and an int32 bias, as full quantisation with float inputs writes it."""
    g = GraphBuilder()
    x = g.quantise(g.input("x", (1, 2, 8)), 0.02, 3)
    matrix = quantised_weights(g, OUT, 8, per_tensor=True)
    scale = float(np.float32(0.02)) * 0.5 / 127
    bias = g.on_grid(g.const([40, -30, 20, -10], dtype="int32"), scale)
    (y,) = g.op("FULLY_CONNECTED", (x, matrix, bias), keep_num_dims=not flat)
    return g.build(g.op("DEQUANTIZE", (g.on_grid(y, 0.04, -4),), name="y"))


MODELS = finding_models(
    minimal("int8 weights: [1,2,8] becomes [2,4]", rows),
    control("the rank is kept: [1,2,4]", rows, flat=False),
    still_wrong("rank-4", "not rank 3 alone: [1,1,2,8]", rows, shape=(1, 1, 2, 8)),
    still_wrong("height", "not the width alone: [1,2,1,8]", rows, shape=(1, 2, 1, 8)),
    still_wrong("batch", "not batch 1 alone: [2,3,8] becomes [6,4]", rows, shape=(2, 3, 8)),
    still_wrong("per-tensor", "not one scale per channel: one for all", rows, per_tensor=True),
    still_wrong("bias", "with a bias", rows, bias=True),
    still_wrong("int4", "not int8 alone: int4 weights", rows, stored="int4"),
    still_wrong("all-int8", "not float activations alone: int8 ones", all_int8),
    clean("all-int8-rank-kept", "int8 activations, the rank is kept", all_int8, flat=False),
    clean("float-weights", "float32 weights: [1,2,8] becomes [2,4]", rows, stored="float32"),
    clean("rank-2", "[2,8] becomes [2,4]", rows, shape=(2, 8)),
    clean("one-row", "one row in each batch: [2,1,8] becomes [2,4]", rows, shape=(2, 1, 8)),
    helps("reshaped", "RESHAPE the input to [2,8]", rows, reshaped="before"),
    helps("reshaped-behind", "keep the rank, and RESHAPE the result", rows, reshaped="behind"),
)
