"""LayerNorm of a tensor whose mean is large: the variance is lost. In fp32."""

from __future__ import annotations

import numpy as np

from cases.builder import GraphBuilder
from cases.findings.model import clean, control, finding_models, helps, minimal, still_wrong
from cases.findings.pieces import TOKENS, Piece, identity_transpose, normalised, plain
from cases.graph import Graph


def norm_of_shifted(offset: float = 100.0, between: Piece = plain) -> Graph:
    """A hand-written LayerNorm of x + offset; between: what the centred tensor goes through before it is squared."""
    g = GraphBuilder()
    shifted = g.add(g.input("x", TOKENS), g.const(np.float32(offset)), name="shifted")
    centred = g.sub(shifted, g.mean(shifted, axes=[2], name="mu"), name="centred")
    return g.build([normalised(g, centred, between, shifted="padded")[1]])


def absolute(g: GraphBuilder, y: str) -> str:
    """|y|, whose square is that of y."""
    return g.unary("ABS", y, name=f"{y}_absolute")


MODELS = finding_models(
    minimal("LayerNorm of x + 100", norm_of_shifted),
    control("the same with an ABS in front of the SQUARE: nothing is fused", norm_of_shifted, between=absolute),
    still_wrong("thirty", "LayerNorm of x + 30", norm_of_shifted, offset=30.0),
    clean("one", "LayerNorm of x + 1", norm_of_shifted, offset=1.0),
    helps("transposed", "an identity TRANSPOSE in front of the SQUARE", norm_of_shifted, between=identity_transpose),
    precisions=("fp32",),
)
