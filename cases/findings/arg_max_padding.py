"""ARG_MAX over channels whose number is no multiple of 4."""

from __future__ import annotations

import numpy as np

from cases.builder import GraphBuilder
from cases.findings.model import clean, control, finding_models, helps, minimal, still_wrong
from cases.graph import Graph

INT32 = 2  # TFLite's number of the type that ARG_MAX gives


def largest(shape: tuple[int, ...] = (1, 4, 6), before: str = "NEG", axis: int = -1, reshaped: bool = False) -> Graph:
    """ARG_MAX along an axis of what an op makes of |x|.

    reshaped: it runs over the third of four dimensions, [batch, rows, channels, 1].
    """
    g = GraphBuilder()
    y = g.unary("ABS", g.input("x", shape))
    y = y if before == "ABS" else g.unary(before, y)
    if reshaped:
        wide = g.reshape(y, (1, int(np.prod(shape[:-1])), shape[-1], 1))
        (places,) = g.op("ARG_MAX", [wide, g.const(2, dtype="int32")], output_type=INT32)
        return g.build([g.reshape(places, shape[:-1], name="y")])
    return g.build(g.op("ARG_MAX", [y, g.const(axis, dtype="int32")], name="y", output_type=INT32))


def classifier() -> Graph:
    """Ten logits that are all negative, and which is the largest: the end of a classifier."""
    g = GraphBuilder()
    weights = np.random.default_rng(1).standard_normal((10, 16))
    logits = g.fully_connected(g.input("x", (4, 16)), weights, np.full(10, -50.0, np.float32))
    return g.build(g.op("ARG_MAX", [logits, g.const(-1, dtype="int32")], name="y", output_type=INT32))


MODELS = finding_models(
    minimal("-|x| of [1,4,6], then ARG_MAX over its 6 channels", largest),
    control("8 channels", largest, shape=(1, 4, 8)),
    still_wrong("rank-4", "not rank 3 alone: [1,4,4,5]", largest, shape=(1, 4, 4, 5)),
    still_wrong("rank-2", "not rank 3 alone: [5,7]", largest, shape=(5, 7)),
    still_wrong("classifier", "a FULLY_CONNECTED into ten negative logits", classifier),
    clean("positive", "|x| alone: the largest is above zero", largest, before="ABS"),
    clean("another-axis", "over the second dimension of [1,6,5]", largest, shape=(1, 6, 5), axis=1),
    helps("reshaped", "[1,4,6] as [1,4,6,1], over the third dimension", largest, reshaped=True),
)
