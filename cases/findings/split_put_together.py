"""A tensor that is split, put together again, and needed elsewhere."""

from __future__ import annotations

from cases.builder import GraphBuilder
from cases.findings.model import clean, control, finding_models, helps, minimal, no_help, still_wrong
from cases.findings.pieces import Piece, identity_transpose, plain, times_one
from cases.graph import Graph


def split_together(
    exposed: bool = True,
    read: bool = False,
    by_slices: bool = False,
    between: Piece = plain,
    emit: Piece = plain,
    axis: int = 2,
) -> Graph:
    """The parts of a SPLIT are put together again; what was split is an output, or read by TANH."""
    g = GraphBuilder()
    x = g.unary("NEG", g.input("x", (1, 4, 4)), name="source")
    if by_slices:
        parts = [g.slice(x, begin, [1, 4, 2], name=name) for name, begin in (("a", [0, 0, 0]), ("b", [0, 0, 2]))]
    else:
        parts = list(g.split(x, 2, axis, ("a", "b")))
    parts[0] = between(g, parts[0])
    joined = g.concat(parts, axis, name="joined")
    outputs = [emit(g, x)] if exposed else []
    outputs += [g.unary("TANH", x, name="read")] if read else []
    return g.build([*outputs, joined])


MODELS = finding_models(
    minimal("NEG, an output, is taken apart by SPLIT and put together by CONCATENATION", split_together),
    control("the parts come from two SLICEs", split_together, by_slices=True),
    clean("not-exposed", "nothing else uses what is split", split_together, exposed=False),
    still_wrong(
        "read", "not outputs alone: a TANH that reads what is split is wrong", split_together, exposed=False, read=True
    ),
    still_wrong("axis-1", "not the axis: along tokens", split_together, axis=1),
    helps("transposed", "an identity TRANSPOSE behind the first part", split_together, between=identity_transpose),
    no_help("emit-mul", "emit what is split through a MUL by 1", split_together, emit=times_one),
)
