"""FULLY_CONNECTED whose depth is not the last dimension of its input, which it flattens."""

from __future__ import annotations

import numpy as np

from cases.builder import GraphBuilder
from cases.findings.model import clean, control, face, finding_models, helps, minimal, no_help, still_wrong
from cases.findings.pieces import Piece, identity_transpose, per_channel, plain, weights
from cases.graph import Graph


def flattened(
    shape: tuple[int, ...] = (1, 2, 4), depth: int = 8, out: int = 3, reshaped: bool = False, between: Piece = plain
) -> Graph:
    """FULLY_CONNECTED of x, whose dimensions TFLite flattens to [elements / depth, depth].

    reshaped: x is brought to that shape by a RESHAPE. between: what else x goes through first.
    """
    g = GraphBuilder()
    x = between(g, g.input("x", shape))
    if reshaped:
        x = g.reshape(x, (int(np.prod(shape)) // depth, depth), name="flat")
    return g.build(g.op("FULLY_CONNECTED", (x, g.const(weights(out, depth)), g.const(per_channel(out))), name="y"))


def pooled_head(reshaped: bool = False) -> Graph:
    """A classifier's end: MAX_POOL_2D to [1, 2, 2, 4], and FULLY_CONNECTED of all 16; reshaped: through a RESHAPE."""
    g = GraphBuilder()
    y = g.pool("MAX_POOL_2D", g.input("x", (1, 4, 4, 4)), size=2, stride=2, name="pooled")
    if reshaped:
        y = g.reshape(y, (1, 16), name="flat")
    return g.build(g.op("FULLY_CONNECTED", (y, g.const(weights(3, 16)), g.const(per_channel(3))), name="scores"))


MODELS = finding_models(
    minimal("FULLY_CONNECTED of depth 8 on a tensor [1,2,4]", flattened),
    control("the same of depth 4", flattened, depth=4),
    still_wrong("two-rows", "not rank 3 alone: [2,4]", flattened, shape=(2, 4)),
    still_wrong("shallower", "not a greater depth alone: of depth 2 on [2,4]", flattened, shape=(2, 4), depth=2),
    still_wrong("rank-4", "not rank 3 alone: [1,2,2,2]", flattened, shape=(1, 2, 2, 2)),
    still_wrong("batch", "not maps alone: [2,1,1,4]", flattened, shape=(2, 1, 1, 4)),
    clean("one-row", "of depth 8 on [1,8]", flattened, shape=(1, 8)),
    clean("one-pixel", "of depth 8 on [1,1,1,8]", flattened, shape=(1, 1, 1, 8)),
    helps("reshaped", "RESHAPE the input to [1,8]", flattened, reshaped=True),
    no_help("transposed", "an identity TRANSPOSE in front of it", flattened, between=identity_transpose),
    face("pooled-head", "a classifier's end without Flatten: MAX_POOL_2D to [1,2,2,4]", pooled_head),
    helps("pooled-head-reshaped", "the same with a RESHAPE to [1,16]", pooled_head, reshaped=True),
)
