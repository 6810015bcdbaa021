"""CAST of a whole number to a type that has not all of them, over WebGPU: the number stays what it is."""

from __future__ import annotations

import numpy as np

from cases.builder import GraphBuilder
from cases.findings.model import clean, control, finding_models, helps, minimal, still_wrong
from cases.graph import Graph
from cases.tflite.schema import DTYPE_CODE

WEBGPU = ("gpu:lavapipe*", "gpu:swiftshader*", "gpu:nvidia-*", "gpu:web*")
OLDEST_TAKES = "int32"
"""The type of all inputs and outputs, since LiteRT 2.1.3 has no buffers of 8 and 16 bits."""


def cast(to: str = "uint8", factor: int = 60, offset: int = -100, clamped: bool = False) -> Graph:
    """x, of 0 to 7, times a factor and an offset, as another type and back."""
    g = GraphBuilder()
    x = g.input("x", (1, 4, 8), OLDEST_TAKES)
    whole = g.add(g.mul(x, g.const(factor, dtype=OLDEST_TAKES)), g.const(offset, dtype=OLDEST_TAKES))
    if clamped:
        low, high = (int(end) for end in (np.iinfo(to).min, np.iinfo(to).max))
        for kind, bound in (("MAXIMUM", low), ("MINIMUM", high)):
            (whole,) = g.op(kind, (whole, g.const(bound, dtype=OLDEST_TAKES)))
    wide, narrow = DTYPE_CODE[OLDEST_TAKES], DTYPE_CODE[to]
    (held,) = g.op("CAST", (whole,), in_data_type=wide, out_data_type=narrow)
    return g.build(g.op("CAST", (held,), name="y", in_data_type=narrow, out_data_type=wide))


MODELS = finding_models(
    minimal("-100 to 320 as uint8", cast),
    control("10 to 80 as uint8", cast, factor=10, offset=10),
    still_wrong("int8", "not uint8 alone: -100 to 320 as int8", cast, to="int8"),
    still_wrong("int16", "not bytes alone: -40,000 to 30,000 as int16", cast, to="int16", factor=10000, offset=-40000),
    clean("int32", "the same as int32", cast, to="int32"),
    helps("clamped", "a MAXIMUM and a MINIMUM with the ends of the type in front", cast, clamped=True),
    targets=WEBGPU,
)
