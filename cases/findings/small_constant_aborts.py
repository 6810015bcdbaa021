"""A constant of int16, or of int8 that is not quantised, that an op reads as data ends the process."""

from __future__ import annotations

import numpy as np

from cases.builder import GraphBuilder
from cases.findings.model import clean, control, finding_models, helps, minimal, still_wrong
from cases.graph import Graph


def joined(dtype: str = "int16", kind: str = "CONCATENATION", constant: bool = True) -> Graph:
    """[1,3,4] and a constant, or another input, of the same shape."""
    g = GraphBuilder()
    x = g.input("x", (1, 3, 4), dtype)
    z = g.const(np.arange(12).reshape(1, 3, 4), dtype=dtype) if constant else g.input("z", (1, 3, 4), dtype)
    return g.build([g.concat([x, z], 1, "y") if kind == "CONCATENATION" else g.op(kind, (x, z), name="y")[0]])


MODELS = finding_models(
    minimal("CONCATENATION of int16 and a constant", joined),
    control("the same in int32", joined, dtype="int32"),
    still_wrong("int8", "not int16 alone: int8 that is not quantised", joined, dtype="int8").that_in_browser("REFUSED"),
    still_wrong("maximum", "not CONCATENATION alone: MAXIMUM", joined, kind="MAXIMUM"),
    clean("inputs", "two inputs of int16 are right", joined, constant=False).that_in_browser("REFUSED"),
    helps("int32", "MAXIMUM with a constant of int32", joined, dtype="int32", kind="MAXIMUM"),
    aborts=True,
)
