"""In fp16, a CAST to float32 that is an output and read by another op: no kernel of the model's outputs is right."""

from __future__ import annotations

from cases.builder import GraphBuilder
from cases.findings.model import clean, control, face, finding_models, helps, minimal, still_wrong
from cases.findings.pieces import per_channel, weights
from cases.graph import Graph
from cases.tflite.schema import DTYPE_CODE

SHAPE = (1, 3, 5, 4)


def floats_of(g: GraphBuilder, x: str, dtype: str, name: str) -> str:
    return g.op("CAST", (x,), name=name, in_data_type=DTYPE_CODE[dtype], out_data_type=DTYPE_CODE["float32"])[0]


def cast_and(
    reader: str = "TANH", dtype: str = "int32", shown: bool = True, emitted: bool = False, beside: bool = False
) -> Graph:
    """A CAST of x to float32, and an op that reads it. shown: the CAST is an output. emitted: through a TRANSPOSE.

    beside: with a TANH of another input, which has nothing to do with it.
    """
    g = GraphBuilder()
    x = g.input("x", SHAPE, dtype)
    y = floats_of(g, x, dtype, "y")
    match reader:
        case "ADD":
            z = g.add(y, g.const(per_channel(SHAPE[-1])), name="z")
        case "CONCATENATION":
            z = g.concat([y, g.input("other", SHAPE)], 3, name="z")
        case "SLICE":
            z = g.slice(y, [0, 0, 0, 0], [1, 2, 2, 4], name="z")
        case "FULLY_CONNECTED":
            z = g.fully_connected(y, weights(3, SHAPE[-1]), name="z")
        case "SUM":
            z = g.reduce("SUM", y, [3], name="z")
        case _:
            z = g.unary(reader, y, name="z")
    first = g.transpose(y, [0, 1, 2, 3], name="y_emitted") if emitted else y
    outputs = [first, z] if shown else [z]
    return g.build([*outputs, g.unary("TANH", g.input("free", SHAPE), name="tanh")] if beside else outputs)


def preprocessing(shown: bool = True) -> Graph:
    """An image of bytes, cast and normalised in the graph; shown: the cast image is an output too."""
    g = GraphBuilder()
    image = g.input("image", (1, 8, 8, 3), "uint8")
    pixels = floats_of(g, image, "uint8", "pixels")
    centred = g.sub(pixels, g.const([123.7, 116.3, 103.5]))
    scaled = g.mul(centred, g.const([1 / 58.4, 1 / 57.1, 1 / 57.4]))
    features = g.conv2d(scaled, weights(4, 3, 3, 3), name="features", activation="RELU")
    return g.build([features, pixels] if shown else [features])


MODELS = finding_models(
    minimal("CAST of int32, an output, feeds TANH", cast_and).in_outputs(0, 1),
    control("the CAST is no output", cast_and, shown=False),
    still_wrong("add", "not TANH alone: ADD of a constant", cast_and, reader="ADD").in_outputs(0, 1),
    still_wrong("concat", "not elementwise alone: CONCATENATION", cast_and, reader="CONCATENATION").in_outputs(0, 1),
    still_wrong("slice", "SLICE", cast_and, reader="SLICE").in_outputs(0, 1),
    still_wrong("bool", "not int32 alone: truths", cast_and, dtype="bool").in_outputs(0, 1),
    still_wrong("float32", "not whole numbers alone: float32", cast_and, dtype="float32").in_outputs(0, 1),
    still_wrong(
        "beside", "not its own outputs alone: a TANH of another input is lost too", cast_and, beside=True
    ).in_outputs(0, 1, 2),
    clean("fully-connected", "FULLY_CONNECTED converts what it reads", cast_and, reader="FULLY_CONNECTED"),
    clean("sum", "SUM converts what it reads", cast_and, reader="SUM"),
    helps("emitted", "emit the CAST through an identity TRANSPOSE", cast_and, emitted=True),
    face(
        "preprocessing", "an image cast and normalised in the graph, the cast image an output", preprocessing
    ).in_outputs(0, 1),
    helps("hidden", "the cast image is no output", preprocessing, shown=False),
    targets=("gpu:lavapipe*", "gpu:nvidia-*"),
    precisions=("fp16",),
)
