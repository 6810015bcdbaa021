"""FULLY_CONNECTED with weights that are not constant, whose bias is left out."""

from __future__ import annotations

from cases.builder import GraphBuilder
from cases.findings.model import clean, control, finding_models, helps, minimal, still_wrong
from cases.findings.pieces import per_channel, weights
from cases.graph import Graph


def runtime_weights(
    shape: tuple[int, ...] = (1, 4),
    origin: str = "input",
    bias: str = "own",
    activation: str = "NONE",
    out: int = 4,
    convolution: bool = False,
) -> Graph:
    """FULLY_CONNECTED (or 1x1 CONV_2D) of x and weights.

    origin: the weights are an `input`, the `result` of an op, or a `constant`.
    bias: `own`, `none`, or an ADD of its own `behind` it.
    """
    g = GraphBuilder()
    x, depth = g.input("x", shape), shape[-1]
    size = (out, 1, 1, depth) if convolution else (out, depth)
    w = g.const(weights(*size)) if origin == "constant" else g.input("w", size)
    w = g.unary("NEG", w, name="negated") if origin == "result" else w
    own = g.const(per_channel(out))
    if convolution:
        (y,) = g.op("CONV_2D", (x, w, own), name="y", padding="SAME", stride_w=1, stride_h=1)
    elif bias == "behind":
        y = g.add(g.fully_connected(x, w, name="product"), own, name="y")
    else:
        y = g.fully_connected(x, w, own if bias == "own" else None, name="y", activation=activation)
    return g.build([y])


MODELS = finding_models(
    minimal("FULLY_CONNECTED of inputs x and w, with a constant bias", runtime_weights),
    control("the same with constant weights", runtime_weights, origin="constant"),
    still_wrong("made", "not weights that are an input alone: NEG of one", runtime_weights, origin="result"),
    still_wrong("rows", "not one row alone: [3,4]", runtime_weights, shape=(3, 4)),
    still_wrong("rank-3", "not rank 2 alone: [1,3,4]", runtime_weights, shape=(1, 3, 4)),
    still_wrong("rank-4", "not rank 2 alone: [1,2,3,4]", runtime_weights, shape=(1, 2, 3, 4)),
    still_wrong("wide", "not 4 channels alone: 64 to 64", runtime_weights, shape=(1, 64), out=64),
    still_wrong("relu", "not a bare one alone: with RELU", runtime_weights, activation="RELU"),
    clean("no-bias", "without a bias", runtime_weights, bias="none"),
    clean("convolution", "a 1x1 CONV_2D of the same values", runtime_weights, shape=(1, 1, 1, 4), convolution=True),
    helps("behind", "the bias in an ADD behind it", runtime_weights, bias="behind"),
)
