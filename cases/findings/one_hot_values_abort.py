"""ONE_HOT whose on or off value is no constant: the process ends when it is compiled."""

from __future__ import annotations

from cases.builder import GraphBuilder
from cases.findings.model import clean, control, finding_models, helps, minimal, still_wrong
from cases.graph import Graph


def encoded(on: str = "input", off: str = "constant", rank: int = 1, computed: bool = False) -> Graph:
    """Five channels for each of three indices. on, off: where the two values come from."""
    g = GraphBuilder()
    indices = g.input("indices", (3,) if rank == 1 else (2, 3), "int32")
    values = [
        g.input(name, ()) if how == "input" else g.const(value)
        for name, how, value in (("on", on, 2.0), ("off", off, -1.0))
    ]
    if computed:
        values = [g.unary("ABS", value) for value in values]
    return g.build(g.op("ONE_HOT", (indices, g.const(5, dtype="int32"), *values), axis=-1, name="y"))


def scaled() -> Graph:
    """The same from a ONE_HOT of 1 and 0: times on - off, and off."""
    g = GraphBuilder()
    indices, on = g.input("indices", (3,), "int32"), g.input("on", (1, 1))
    off = g.const(-1.0)
    (ones,) = g.op("ONE_HOT", (indices, g.const(5, dtype="int32"), g.const(1.0), g.const(0.0)), axis=-1)
    return g.build([g.add(g.mul(ones, g.sub(on, off)), off, name="y")])


MODELS = tuple(
    # None of them is taken whole in a browser but for vectors of constants.
    model if model.name in ("control", "scaled") else model.that_in_browser("NOT_RESIDENT")
    for model in finding_models(
        minimal("the on value is an input", encoded),
        control("both values are constants", encoded, on="constant"),
        still_wrong("off", "not the on value alone", encoded, on="constant", off="input"),
        still_wrong("computed", "not inputs alone: values that an ABS makes", encoded, off="input", computed=True),
        still_wrong("matrix", "not a vector of indices alone", encoded, rank=2),
        clean("matrix-of-constants", "a matrix of indices, with constant values", encoded, on="constant", rank=2),
        helps("scaled", "a ONE_HOT of 1 and 0, a MUL by (on - off) and an ADD of off", scaled),
        aborts=True,
    )
)
