"""Two parts of one SPLIT that meet in one elementwise op."""

from __future__ import annotations

from cases.builder import GraphBuilder
from cases.findings.model import control, finding_models, helps, minimal
from cases.findings.pieces import TOKENS, halves
from cases.graph import Graph


def split_meets(swap: bool = False, sliced: bool = False) -> Graph:
    """The two halves of a SPLIT meet in a SUB; a second output has nothing to do with them."""
    g = GraphBuilder()
    x, other = g.input("x", TOKENS), g.input("other", TOKENS)
    a, b = halves(g, x, sliced)
    met = g.sub(b, a, name="met") if swap else g.sub(a, b, name="met")
    return g.build([met, g.unary("TANH", other, name="bystander")])


MODELS = finding_models(
    minimal("SUB of the two halves of one SPLIT; every output is lost", split_meets)
    .in_outputs(0, 1)
    .races_over_opencl(),
    control("the halves come from two SLICEs", split_meets, sliced=True),
    helps("swap-operands", "swap the operands", split_meets, swap=True),
)
