"""A tensor normalised by the mean of another one."""

from __future__ import annotations

from cases.builder import GraphBuilder
from cases.findings.model import clean, control, finding_models, helps, minimal, still_wrong
from cases.findings.pieces import TOKENS, Piece, identity_transpose, normalised, plain
from cases.graph import Graph


def norm_of_other(mean_of: str = "input", between: Piece = plain) -> Graph:
    """(x - mean(m)) * rsqrt(mean((x - mean(m))^2) + eps) over channels.

    mean_of: m is a second graph input, x itself (`same`), the second part of the SPLIT that makes x
    (`split`) or of two SLICEs (`slices`), or a second input behind a TANH (`computed`).
    """
    g = GraphBuilder()
    if mean_of in ("split", "slices"):
        both = g.unary("NEG", g.input("both", (1, 16, 64)), name="source")
        if mean_of == "split":
            x, m = g.split(both, 2, 2, ("x", "m"))
        else:
            x, m = (g.slice(both, [0, 0, at], TOKENS, name=name) for name, at in (("x", 0), ("m", 32)))
    else:
        x = g.input("x", TOKENS)
        m = x if mean_of == "same" else g.input("m", TOKENS)
        if mean_of == "computed":
            m = g.unary("TANH", m, name="computed")
    centred = g.sub(x, g.mean(between(g, m), axes=[2], name="mu"), name="centred")
    return g.build([normalised(g, centred)[1]])


MODELS = finding_models(
    minimal("x minus the mean of another graph input, normalised", norm_of_other),
    control("x minus its own mean", norm_of_other, mean_of="same"),
    still_wrong(
        "split", "not graph inputs alone: x and the other tensor are parts of one SPLIT", norm_of_other, mean_of="split"
    ),
    clean("slices", "the same parts by two SLICEs", norm_of_other, mean_of="slices"),
    clean("computed", "the other input behind a TANH", norm_of_other, mean_of="computed"),
    helps("transposed", "an identity TRANSPOSE in front of the MEAN", norm_of_other, between=identity_transpose),
)
