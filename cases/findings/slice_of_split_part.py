"""A SLICE of all of one part of a SPLIT."""

from __future__ import annotations

from cases.builder import GraphBuilder
from cases.findings.model import clean, control, finding_models, helps, minimal, still_wrong
from cases.findings.pieces import Piece, identity_transpose, plain, times_one
from cases.graph import Graph


def slice_of_part(
    sliced: int = 0,
    axis: int = 2,
    count: int = 2,
    emit: Piece = plain,
    read: bool = False,
    between: Piece = plain,
    kind: str = "SLICE",
) -> Graph:
    """SPLIT, then a SLICE of everything of one part; the slice (or, read, its NEG) and the other parts are outputs."""
    g = GraphBuilder()
    shape = [1, 4, 4]
    shape[axis] = 2 * count
    parts = list(g.split(g.input("x", shape), count, axis, ("first", "second", "third")[:count]))
    size = g.shape(parts[0])
    source = between(g, parts[sliced])
    if kind == "SLICE":
        y = g.slice(source, [0, 0, 0], size, name="whole")
    else:
        y = g.strided_slice(source, [0, 0, 0], size, [1, 1, 1], name="whole")
    parts[sliced] = g.unary("NEG", y, name="negated") if read else emit(g, y)
    return g.build(parts)


MODELS = finding_models(
    minimal(
        "SPLIT in two, a SLICE of all of the first part; the outputs hold each other's values", slice_of_part
    ).in_outputs(0, 1),
    control("a SLICE of all of the last part", slice_of_part, sliced=1),
    still_wrong("axis-1", "not the axis: split along tokens", slice_of_part, axis=1).in_outputs(0, 1),
    still_wrong(
        "three-parts", "not two parts alone: of three, all are in the wrong place", slice_of_part, count=3
    ).in_outputs(0, 1, 2),
    still_wrong(
        "middle-part",
        "not the first part alone: of three, the middle one and the last change places",
        slice_of_part,
        sliced=1,
        count=3,
    ).in_outputs(1, 2),
    still_wrong(
        "strided-slice",
        "not SLICE alone: STRIDED_SLICE",
        slice_of_part,
        kind="STRIDED_SLICE",
    ).in_outputs(0, 1),
    clean("not-exposed", "the SLICE is no output, NEG reads it", slice_of_part, read=True),
    helps("emit-mul", "emit the SLICE through a MUL by 1", slice_of_part, emit=times_one),
    helps("transposed", "an identity TRANSPOSE between SPLIT and SLICE", slice_of_part, between=identity_transpose),
)
