"""A tensor inside a Mish that is a graph output."""

from __future__ import annotations

import numpy as np

from cases.builder import GraphBuilder
from cases.findings.model import control, finding_models, helps, minimal, still_wrong
from cases.findings.pieces import Piece, plain, times_one
from cases.graph import Graph


def mish(inner: str = "tanh", emit: Piece = plain, second_reader: bool = False) -> Graph:
    """x * tanh(log(exp(x) + 1)); inner: which step is an output too (exp, shifted, log or tanh), or empty."""
    g = GraphBuilder()
    x = g.input("x", (1, 4, 4))
    steps = {"exp": g.unary("EXP", x, name="exp")}
    steps["shifted"] = g.add(steps["exp"], g.const(np.float32(1.0)), name="shifted")
    steps["log"] = g.unary("LOG", steps["shifted"], name="log")
    steps["tanh"] = g.unary("TANH", steps["log"], name="tanh")
    outputs = [emit(g, steps[inner])] if inner else []
    if second_reader:
        outputs.append(g.unary("NEG", steps[inner], name="negated"))
    return g.build([*outputs, g.mul(x, steps["tanh"], name="mish")])


MODELS = finding_models(
    minimal("the TANH inside x * tanh(log(exp(x) + 1)) is an output too", mish),
    control("only the Mish is an output", mish, inner=""),
    still_wrong("exp", "not TANH alone: EXP", mish, inner="exp"),
    still_wrong("shifted", "not TANH alone: ADD", mish, inner="shifted"),
    still_wrong("log", "not TANH alone: LOG", mish, inner="log"),
    helps("emit-mul", "emit it through a MUL by 1", mish, emit=times_one),
    helps("second-reader", "give it a second consumer", mish, second_reader=True),
)
