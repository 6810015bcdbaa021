"""ONE_HOT of one index, or of indices of rank 3 with several rows: it looks for them in other places."""

from __future__ import annotations

from cases.builder import GraphBuilder
from cases.findings.model import clean, control, finding_models, helps, minimal, still_wrong
from cases.graph import Graph


def encoded(shape: tuple[int, ...] = (1, 2, 3), as_vector: bool = False) -> Graph:
    """Eight channels for each index. as_vector: of the indices as a vector, put back into their shape."""
    g = GraphBuilder()
    indices = g.input("indices", shape, "int32")
    count = 1
    for size in shape:
        count *= size
    if as_vector:
        indices = g.reshape(indices, (count,))
    operands = (indices, g.const(8, dtype="int32"), g.const(1.0), g.const(0.0))
    (y,) = g.op("ONE_HOT", operands, axis=-1)
    return g.build([g.reshape(y, (*shape, 8)) if as_vector else y])


MODELS = finding_models(
    minimal("indices [1,2,3]", encoded).that_in_browser("NOT_RESIDENT"),
    control("indices [6]", encoded, shape=(6,)),
    still_wrong("one-index", "not rank 3 alone: one index without dimensions", encoded, shape=()),
    still_wrong("batch", "not batch 1 alone: [2,2,3]", encoded, shape=(2, 2, 3)).that_in_browser("NOT_RESIDENT"),
    clean("one-row", "[2,1,3] is right", encoded, shape=(2, 1, 3)).that_in_browser("NOT_RESIDENT"),
    clean("matrix", "[2,3] is right", encoded, shape=(2, 3)).that_in_browser("NOT_RESIDENT"),
    helps("as-vector", "the indices as a vector, and a RESHAPE", encoded, as_vector=True),
)
