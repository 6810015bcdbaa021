"""A tensor inside a LayerNorm that is a graph output."""

from __future__ import annotations

from cases.builder import GraphBuilder
from cases.findings.model import control, finding_models, helps, minimal
from cases.findings.pieces import TOKENS, Piece, normalised, output_and_reader, plain, times_one
from cases.graph import Graph


def layer_norm_inner(exposed: bool = True, emit: Piece = plain) -> Graph:
    """A hand-written LayerNorm whose variance is an output as well."""
    g = GraphBuilder()
    x = g.input("x", TOKENS)
    centred = g.sub(x, g.mean(x, axes=[2], name="mean"), name="centred")
    variance, out = normalised(g, centred)
    return output_and_reader(g, variance, out, emit, exposed=exposed)


MODELS = finding_models(
    minimal("the variance inside a LayerNorm is an output too", layer_norm_inner),
    control("only the normalised tensor is an output", layer_norm_inner, exposed=False),
    helps("emit-mul", "emit it through a MUL by 1", layer_norm_inner, emit=times_one),
)
