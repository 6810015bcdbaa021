"""A graph output that feeds an op that changes nothing."""

from __future__ import annotations

from cases.builder import GraphBuilder
from cases.findings.model import clean, control, finding_models, helps, minimal, no_help, still_wrong
from cases.findings.pieces import NO_OPS, Piece, identity_transpose, output_and_reader, plain, times_one
from cases.graph import Graph


def no_op_behind(
    kind: str = "CONCATENATION",
    shape: tuple[int, ...] = (1, 4, 4),
    exposed: bool = True,
    emit: Piece = plain,
    between: Piece = plain,
    swap: bool = False,
    read: bool = False,
) -> Graph:
    """y = TANH(x) is an output and feeds an op that changes nothing; so is what that makes, or (read) its NEG."""
    g = GraphBuilder()
    y = g.unary("TANH", g.input("x", shape), name="y")
    same = NO_OPS[kind](g, between(g, y))
    if read:
        same = g.unary("NEG", same, name="negated_same")
    return output_and_reader(g, y, same, emit, swap, exposed=exposed)


MODELS = finding_models(
    minimal("TANH, an output, feeds a CONCATENATION of one tensor", no_op_behind),
    control("an identity RESHAPE instead", no_op_behind, kind="RESHAPE"),
    clean("not-exposed", "without the TANH among the outputs", no_op_behind, exposed=False),
    still_wrong("slice", "not CONCATENATION alone: a SLICE of everything", no_op_behind, kind="SLICE"),
    still_wrong(
        "resize",
        "not CONCATENATION alone: a RESIZE to the same size",
        no_op_behind,
        kind="RESIZE_NEAREST_NEIGHBOR",
        shape=(1, 2, 2, 4),
    ),
    still_wrong("swapped", "not the order of the outputs", no_op_behind, swap=True).in_outputs(1),
    still_wrong("read", "the CONCATENATION need not be an output: NEG reads it", no_op_behind, read=True),
    helps("transposed", "an identity TRANSPOSE between the two", no_op_behind, between=identity_transpose),
    helps(
        "slice-emit-mul",
        "with a SLICE or RESIZE: emit the TANH through a MUL by 1",
        no_op_behind,
        kind="SLICE",
        emit=times_one,
    ),
    no_help(
        "emit-mul",
        "with CONCATENATION a MUL by 1 keeps the op, whose kernel then takes all outputs with it",
        no_op_behind,
        emit=times_one,
    )
    .in_outputs(0, 1)
    .refused_over_opencl(),
)
