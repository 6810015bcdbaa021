"""DYNAMIC_UPDATE_SLICE of a constant, or with one, ends the process."""

from __future__ import annotations

import numpy as np

from cases.builder import GraphBuilder
from cases.findings.model import clean, control, finding_models, helps, minimal, still_wrong
from cases.graph import Graph


def updated(whole: str = "constant", part: str = "input", rank: int = 4, dtype: str = "float32") -> Graph:
    """One row of eight is replaced. whole, part: `constant`, `input`, or `computed`: a constant behind an op."""
    g = GraphBuilder()
    shapes = {3: ((1, 8, 4), (1, 1, 4)), 4: ((1, 8, 2, 4), (1, 1, 2, 4))}[rank]

    def operand(name: str, shape: tuple[int, ...], how: str) -> str:
        if how == "input":
            return g.input(name, shape, dtype)
        constant = g.const(np.ones(shape), dtype=dtype)
        return g.mul(constant, g.input(f"{name}_one", (1,) * rank, dtype)) if how == "computed" else constant

    operands = (operand("whole", shapes[0], whole), operand("part", shapes[1], part))
    start = g.input("start", (rank,), "int32")
    return g.build(g.op("DYNAMIC_UPDATE_SLICE", (*operands, start), name="y"))


MODELS = finding_models(
    minimal("a constant [1,8,2,4] is updated", updated),
    control("an input [1,8,2,4] is updated", updated, whole="input"),
    still_wrong("part", "not the first operand alone: a constant part", updated, whole="input", part="constant"),
    still_wrong("rank-3", "not rank 4 alone", updated, rank=3),
    clean("rank-3-inputs", "rank 3 of inputs is right", updated, whole="input", rank=3),
    helps("computed", "the constant times an input that is one", updated, whole="computed"),
    aborts=True,
)
