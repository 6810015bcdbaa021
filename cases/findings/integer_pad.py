"""PAD of whole numbers: no kernel of the model runs."""

from __future__ import annotations

from cases.builder import GraphBuilder
from cases.findings.model import clean, control, finding_models, helps, minimal, still_wrong
from cases.graph import Graph

ROWS = ((0, 0), (0, 1), (0, 0))


def padded(dtype: str = "int32", beside: bool = False) -> Graph:
    """[1,3,4] with one more row of zeros. beside: with a TANH that has nothing to do with it."""
    g = GraphBuilder()
    y = g.pad(g.input("x", (1, 3, 4), dtype), ROWS, "y")
    return g.build([y, g.unary("TANH", g.input("other", (1, 3, 4)), name="tanh")] if beside else [y])


def images() -> Graph:
    """Rank 4: rows and columns in front and behind."""
    g = GraphBuilder()
    return g.build([g.pad(g.input("x", (1, 3, 4, 2), "int32"), ((0, 0), (1, 1), (1, 0), (0, 0)), "y")])


def as_floats() -> Graph:
    """Cast to float32, padded, and cast back."""
    g = GraphBuilder()
    x = g.op("CAST", (g.input("x", (1, 3, 4), "int32"),), in_data_type=INT32, out_data_type=FLOAT32)[0]
    y = g.pad(x, ROWS)
    return g.build(g.op("CAST", (y,), name="y", in_data_type=FLOAT32, out_data_type=INT32))


FLOAT32, INT32 = 0, 2  # TFLite's numbers of types

MODELS = finding_models(
    minimal("one row behind int32 [1,3,4]", padded).right_over_opencl(),
    control("the same in float32", padded, dtype="float32"),
    still_wrong("bool", "not int32 alone: bool", padded, dtype="bool").right_over_opencl().that_in_browser("REFUSED"),
    still_wrong("images", "not rank 3 alone: [1,3,4,2]", images).right_over_opencl(),
    still_wrong("beside", "not its own output alone: a TANH of another input is lost too", padded, beside=True)
    .in_outputs(0, 1)
    .right_over_opencl(),
    helps("as-floats", "CAST to float32, PAD, and CAST back", as_floats),
    clean("beside-healthy", "the same TANH beside a PAD of float32", padded, dtype="float32", beside=True),
)
