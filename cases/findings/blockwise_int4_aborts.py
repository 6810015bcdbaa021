"""FULLY_CONNECTED with int4 weights that have one scale per block corrupts memory while it is compiled."""

from __future__ import annotations

import numpy as np

from cases.builder import GraphBuilder
from cases.findings.model import control, finding_models, minimal, still_wrong
from cases.findings.pieces import per_channel, quantised_weights
from cases.graph import Graph


def blockwise(
    size: int = 256, block: int = 32, per_row: bool = False, bias: bool = False, shape: tuple[int, ...] = ()
) -> Graph:
    """FULLY_CONNECTED of depth `size` into `size` channels with int4 weights.

    block: neighbours along a row that share a scale. per_row: one scale per row instead. shape: of x, [1, size] unless
    given.
    """
    g = GraphBuilder()
    x = g.input("x", shape or (1, size))
    if per_row:
        matrix = quantised_weights(g, size, size, "int4")
    else:
        rng = np.random.default_rng(7)
        matrix = g.const(rng.integers(-7, 8, (size, size)), dtype="int4")
        g.on_block_grid(matrix, rng.uniform(0.01, 0.02, (size, size // block)))
    operands = (x, matrix, g.const(per_channel(size))) if bias else (x, matrix)
    return g.build(g.op("FULLY_CONNECTED", operands, name="y", keep_num_dims=True))


MODELS = finding_models(
    minimal("int4 weights [256,256] with a scale per block of 32", blockwise),
    control("a scale per row", blockwise, per_row=True),
    still_wrong("block-128", "not blocks of 32 alone: of 128", blockwise, block=128),
    still_wrong("bias", "with a bias", blockwise, bias=True),
    still_wrong("rank-3", "not rank 2 alone: [1,4,256]", blockwise, shape=(1, 4, 256)),
    runtimes="!=2.1.6",
    aborts=True,
)
