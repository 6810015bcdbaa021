"""A CONCATENATION of one tensor that is a graph input or that others read too."""

from __future__ import annotations

from cases.builder import GraphBuilder
from cases.findings.model import clean, control, finding_models, helps, minimal, still_wrong
from cases.findings.pieces import NO_OPS, Piece, identity_transpose, plain
from cases.graph import Graph


def concat_of_one(
    batch: int = 1,
    kind: str = "CONCATENATION",
    behind_op: bool = False,
    shared: bool = False,
    between: Piece = plain,
    axis: int = 2,
) -> Graph:
    """A CONCATENATION of one tensor; the other output has nothing to do with it. kind: another op of NO_OPS.

    The tensor is a graph input, or (behind_op) the result of an op; shared: another op reads it too.
    """
    g = GraphBuilder()
    x, other = g.input("x", (batch, 4, 4)), g.input("other", (1, 4, 4))
    source = g.unary("ABS", x, name="source") if behind_op else x
    y = between(g, source)
    same = g.concat([y], axis, name="same") if kind == "CONCATENATION" else NO_OPS[kind](g, y)
    outputs = [same, g.unary("TANH", other, name="bystander")]
    if shared:
        outputs.append(g.unary("SQUARE", source, name="read"))
    return g.build(outputs)


MODELS = finding_models(
    minimal("a CONCATENATION of one graph input; every output is lost", concat_of_one)
    .in_outputs(0, 1)
    .refused_over_opencl(),
    control("an identity RESHAPE instead", concat_of_one, kind="RESHAPE"),
    still_wrong("axis-1", "not the axis: along tokens", concat_of_one, axis=1).in_outputs(0, 1).refused_over_opencl(),
    still_wrong(
        "read-twice",
        "not graph inputs alone: an op's result that another op reads too",
        concat_of_one,
        behind_op=True,
        shared=True,
    )
    .in_outputs(0, 1, 2)
    .refused_over_opencl(),
    clean(
        "read-once",
        "of an op's result that nothing else reads: the CONCATENATION is removed",
        concat_of_one,
        behind_op=True,
    ),
    clean("batch-2", "of a tensor with a batch of 2", concat_of_one, batch=2),
    helps("transposed", "an identity TRANSPOSE in front of it", concat_of_one, between=identity_transpose),
)
