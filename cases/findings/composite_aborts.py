"""A composite that the delegate means to compute by its name ends the process; over OpenCL it is right."""

from __future__ import annotations

from cases.builder import GraphBuilder
from cases.findings.model import control, face, finding_models, helps, minimal, still_wrong
from cases.findings.pieces import per_channel, weights
from cases.graph import Graph

SHAPE = (1, 4, 8)


def _root_mean_square(g: GraphBuilder, x: str, scale: str) -> str:
    mean = g.mean(g.unary("SQUARE", x, name="squared"), axes=[2], name="mean")
    root = g.unary("RSQRT", g.add(mean, g.const(1e-6), name="shifted"), name="root")
    return g.mul(g.mul(x, root, name="unit"), scale, name="normalised")


def rms_norm(inlined: bool = False, projected: bool = False) -> Graph:
    """x over its root mean square, times a scale per channel.

    inlined: the plain ops of its body in its place. projected: a FULLY_CONNECTED behind it.
    """
    g = GraphBuilder()
    x, scale = g.input("x", SHAPE), g.const(per_channel(8), name="scale")
    if inlined:
        y = _root_mean_square(g, x, scale)
    else:
        inner = GraphBuilder()
        y = _root_mean_square(inner, inner.input("x", SHAPE), inner.input("scale", (8,)))
        y = g.composite("odml.rms_norm", (x, scale), inner.build([y]), {"epsilon": 1e-6}, name="normalised")
    return g.build([g.fully_connected(y, weights(8, 8), per_channel(8), name="y") if projected else y])


def attention() -> Graph:
    """Attention of 2 heads with a mask, [batch, tokens, heads, channels]."""
    shape, scale = (1, 4, 2, 16), 0.25
    g, inner = GraphBuilder(), GraphBuilder()

    def parts(builder: GraphBuilder) -> list[str]:
        return [builder.input(name, shape) for name in "qkv"] + [builder.input("mask", (1, 1, 4, 4))]

    q, k, v, mask = parts(inner)
    q, k, v = (inner.transpose(name, (0, 2, 1, 3)) for name in (q, k, v))
    scores = inner.scaled(inner.batch_matmul(q, k, adj_y=True), scale)
    mixed = inner.batch_matmul(inner.softmax(inner.add(scores, mask)), v)
    body = inner.build([inner.transpose(mixed, (0, 2, 1, 3), name="mixed")])
    return g.build([g.composite("odml.scaled_dot_product_attention", parts(g), body, {"scale": scale}, name="y")])


def layer_norm() -> Graph:
    """Normalised over the channels, which this composite is asked for by its `sub_type`."""
    shape = (1, 4, 4, 8)
    g, inner = GraphBuilder(), GraphBuilder()
    x, scale, shift = inner.input("x", shape), inner.input("scale", (8,)), inner.input("shift", (8,))
    centred = inner.sub(x, inner.mean(x, axes=[3]), name="centred")
    variance = inner.mean(inner.unary("SQUARE", centred), axes=[3])
    unit = inner.mul(centred, inner.unary("RSQRT", inner.add(variance, inner.const(1e-5))))
    body = inner.build([inner.add(inner.mul(unit, scale), shift, name="normalised")])
    operands = (g.input("x", shape), g.const(per_channel(8)), g.const(per_channel(8, 9)))
    return g.build([g.composite("odml.group_norm", operands, body, {"epsilon": 1e-5, "sub_type": 1}, name="y")])


MODELS = finding_models(
    minimal("odml.rms_norm", rms_norm).right_over_opencl().that_in_browser("PASS"),
    control("the plain ops of its body", rms_norm, inlined=True),
    still_wrong("attention", "not rms_norm alone: odml.scaled_dot_product_attention", attention)
    .right_over_opencl()
    .that_in_browser("PASS"),
    still_wrong("group-norm", "not rms_norm alone: odml.group_norm, of a layer norm", layer_norm)
    .right_over_opencl()
    .that_in_browser("PASS"),
    face("projected", "rms_norm in front of a FULLY_CONNECTED, as language models have it", rms_norm, projected=True)
    .right_over_opencl()
    .that_in_browser("PASS"),
    helps("projected-inlined", "the same with the plain ops", rms_norm, inlined=True, projected=True),
    aborts=True,
)
