"""One op that reads a tensor twice ends the process."""

from __future__ import annotations

from cases.builder import GraphBuilder
from cases.findings.model import clean, control, face, finding_models, helps, minimal, still_wrong
from cases.findings.pieces import Piece, identity_reshape, identity_transpose, output_and_reader, plain, times_one
from cases.graph import Graph


def same_operand(kind: str = "BATCH_MATMUL", second: Piece = plain, two_inputs: bool = False) -> Graph:
    """One op that reads x twice, or x and what `second` makes of it, or x and another input."""
    g = GraphBuilder()
    x = g.input("x", (1, 4, 4))
    z = g.input("z", (1, 4, 4)) if two_inputs else second(g, x)
    if kind == "SELECT_V2":
        above = g.op("GREATER", (g.input("c", (1, 4, 4)), g.const(0.0)), name="above")[0]
        return g.build([g.select(above, x, z, name="y")])
    return g.build(g.op(kind, (x, z), name="y"))


def sum_times_itself(exposed: bool = True) -> Graph:
    """A sum, an output or not, and its product with its own transpose."""
    g = GraphBuilder()
    total = g.add(g.input("x", (1, 4, 4)), g.input("z", (1, 4, 4)), name="total")
    product = g.batch_matmul(total, total, "product", adj_y=True)
    return output_and_reader(g, total, product, exposed=exposed)


def transposed(g: GraphBuilder, y: str) -> str:
    return identity_transpose(g, y, name="same")


MODELS = finding_models(
    minimal("BATCH_MATMUL of a tensor with itself", same_operand),
    control("two different tensors", same_operand, two_inputs=True),
    still_wrong("select", "not BATCH_MATMUL alone: SELECT_V2(c, x, x)", same_operand, kind="SELECT_V2"),
    clean("select-two", "SELECT_V2 of two different tensors is right", same_operand, kind="SELECT_V2", two_inputs=True),
    still_wrong("inner", "not a graph input alone: a sum times its own transpose", sum_times_itself, exposed=False),
    clean("add", "ADD(x, x) is right", same_operand, kind="ADD"),
    face("sum-exposed", "the same with the sum as an output too", sum_times_itself),
    helps("mul-by-one", "multiply one of the two operands by 1", same_operand, second=times_one),
    helps("transpose", "an identity TRANSPOSE on one of the two operands", same_operand, second=transposed),
    helps("reshape", "an identity RESHAPE on one of the two operands", same_operand, second=identity_reshape),
    helps(
        "select-mul-by-one",
        "multiply one branch of the SELECT_V2 by 1",
        same_operand,
        kind="SELECT_V2",
        second=times_one,
    ),
    aborts=True,
)
