"""A tensor of rank 2 and a constant, lined up with the wrong axis: D-FINE's boxes plus its anchors."""

from __future__ import annotations

import numpy as np

from cases.builder import GraphBuilder
from cases.findings.model import control, face, finding_models, helps, minimal, still_wrong
from cases.findings.pieces import weights
from cases.graph import Graph


def add_anchors(
    x_shape: tuple[int, ...] = (6, 4),
    c_shape: tuple[int, ...] = (1, 6, 4),
    kind: str = "ADD",
    layer: bool = False,
    runtime_anchors: bool = False,
) -> Graph:
    """One elementwise op of a tensor and a constant of the same extents, perhaps of another rank.

    layer: the tensor is what a FULLY_CONNECTED makes, as in D-FINE. runtime_anchors: the constant is an input.
    """
    g = GraphBuilder()
    if layer:
        x = g.fully_connected(g.input("x", (x_shape[0], 16)), weights(x_shape[1], 16), name="offsets")
    else:
        x = g.input("x", x_shape)
    anchors = np.random.default_rng(5).standard_normal(c_shape).astype(np.float32)
    c = g.input("anchors", c_shape) if runtime_anchors else g.const(anchors, name="anchors")
    return g.build([g.binary(kind, x, c, name="coord")])


RANK_4 = (1, 1, 6, 4)

MODELS = finding_models(
    minimal("ADD of a tensor [6,4] and a constant [1,6,4]", add_anchors),
    control("the tensor has rank 3 too: [1,6,4]", add_anchors, x_shape=(1, 6, 4)),
    still_wrong("both-rank-2", "not the unequal ranks: tensor and constant [6,4]", add_anchors, c_shape=(6, 4)),
    still_wrong("mul", "not ADD alone: MUL", add_anchors, kind="MUL"),
    still_wrong("batch", "not rank 2 alone: both [3,6,4]", add_anchors, x_shape=(3, 6, 4), c_shape=(3, 6, 4)),
    helps("runtime-anchors", "feed the second operand at run time", add_anchors, runtime_anchors=True),
    helps("rank-4", "give both operands rank 4, aligned to the right", add_anchors, x_shape=RANK_4, c_shape=RANK_4),
    face(
        "head-and-anchors", "D-FINE's enc_coord: rank-2 FULLY_CONNECTED plus anchors [1,N,4]", add_anchors, layer=True
    ),
)
