"""FULLY_CONNECTED with int4 weights that have one scale per block corrupts memory while it is compiled."""

from __future__ import annotations

import numpy as np

from cases.builder import GraphBuilder
from cases.findings.model import FindingModel, control, finding_models, helps, minimal, still_wrong
from cases.findings.pieces import per_channel, quantised_weights
from cases.graph import Graph

SIZE = 256
"""Channels in and out: what is written too far is then so much that the C library notices."""


def blockwise(
    block: int = 32, stored: str = "blocks", bias: bool = False, size: int = SIZE, rows: tuple[int, ...] = (1,)
) -> Graph:
    """FULLY_CONNECTED of `size` channels into as many with int4 weights.

    block: neighbours along a row of the weights that share a scale. stored: in blocks; or with a scale per row, or the
    same weights as float32.
    """
    g = GraphBuilder()
    x = g.input("x", (*rows, size))
    rng = np.random.default_rng(7)
    steps, scales = rng.integers(-7, 8, (size, size)), rng.uniform(0.01, 0.02, (size, size // block))
    if stored == "rows":
        matrix = quantised_weights(g, size, size, "int4")
    elif stored == "floats":
        matrix = g.const(steps * np.repeat(scales.astype(np.float16), block, axis=1).astype(np.float32))
    else:
        matrix = g.on_block_grid(g.const(steps, dtype="int4"), scales)
    operands = (x, matrix, g.const(per_channel(size))) if bias else (x, matrix)
    return g.build(g.op("FULLY_CONNECTED", operands, name="y", keep_num_dims=True))


def ends_the_page(model: FindingModel) -> FindingModel:
    """In a browser it is the page that ends."""
    return model.that_in_browser("CRASH")


MODELS = finding_models(
    ends_the_page(minimal("int4 weights [256,256] with a scale per block of 32", blockwise)),
    control("a scale per row", blockwise, stored="rows"),
    ends_the_page(still_wrong("block-128", "not blocks of 32 alone: of 128", blockwise, block=128)),
    ends_the_page(still_wrong("bias", "with a bias", blockwise, bias=True)),
    ends_the_page(still_wrong("rank-3", "not rank 2 alone: [1,4,256]", blockwise, rows=(1, 4))),
    helps("in-float", "such weights as float32, [64,64]", blockwise, stored="floats", size=64),
    runtimes=">=2.2",
    litert_lm=">=0.15",
    aborts=True,
)
