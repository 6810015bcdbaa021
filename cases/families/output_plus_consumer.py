"""A tensor that is a graph output and feeds exactly one more op: producer x consumer x rank x N.

This is the pattern of the first bug. Every pair the delegate is known to break has three controls:
the same graph without the output (`inner`), with a second consumer (`second`), emitted x2 (`x2`).
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cases.builder import GraphBuilder
from cases.case import Case
from cases.graph import Graph

FAMILY = "output-plus-consumer"
CHANNELS = 16
REDUCTIONS = {"sum": "SUM", "mean": "MEAN", "max": "REDUCE_MAX", "min": "REDUCE_MIN", "prod": "REDUCE_PROD"}


@dataclass
class Site:
    """Where a producer or consumer writes: the builder, the two inputs, the shape, seeded weights."""

    graph: GraphBuilder
    x: str
    z: str
    shape: tuple[int, ...]
    rng: np.random.Generator

    def weights(self, *shape: int) -> np.ndarray:
        """N(0, 1 / fan-in): outputs keep the scale of their inputs."""
        fan_in = int(np.prod(shape[1:])) if len(shape) > 1 else 4
        return (self.rng.standard_normal(shape) / np.sqrt(fan_in)).astype(np.float32)

    def per_channel(self, low: float = 0.5, high: float = 1.5) -> np.ndarray:
        return self.rng.uniform(low, high, self.shape[-1]).astype(np.float32)

    def constant(self, value: object) -> str:
        return self.graph.const(value)


def _layer_norm(s: Site, affine: bool) -> str:
    g = s.graph
    axis = [len(s.shape) - 1]
    centred = g.sub(s.x, g.mean(s.x, axis))
    scaled = g.mul(centred, g.unary("RSQRT", g.add(g.mean(g.mul(centred, centred), axis), g.const(1e-5))))
    if not affine:
        return g.add(scaled, s.z, "y")
    return g.add(g.mul(scaled, s.constant(s.per_channel())), s.constant(s.per_channel(-0.5, 0.5)), "y")


def _square_weights(s: Site) -> np.ndarray:
    return s.weights(s.shape[-1], s.shape[-1])


PRODUCERS: Mapping[str, Callable[[Site], str]] = {
    "add": lambda s: s.graph.add(s.x, s.z, "y"),
    "add-relu": lambda s: s.graph.add(s.x, s.z, "y", activation="RELU"),
    "sub": lambda s: s.graph.sub(s.x, s.z, "y"),
    "mul": lambda s: s.graph.mul(s.x, s.z, "y"),
    "maximum": lambda s: s.graph.binary("MAXIMUM", s.x, s.z, "y"),
    "add-scalar": lambda s: s.graph.add(s.x, s.constant(0.75), "y"),
    "add-channel": lambda s: s.graph.add(s.x, s.constant(s.per_channel()), "y"),
    "mul-scalar": lambda s: s.graph.mul(s.x, s.constant(1.25), "y"),
    "mul-channel": lambda s: s.graph.mul(s.x, s.constant(s.per_channel()), "y"),
    "double": lambda s: s.graph.add(s.x, s.x, "y"),
    "square": lambda s: s.graph.mul(s.x, s.x, "y"),
    "fc": lambda s: s.graph.fully_connected(s.x, _square_weights(s), s.per_channel(), "y"),
    "fc-relu": lambda s: s.graph.fully_connected(s.x, _square_weights(s), s.per_channel(), "y", activation="RELU"),
    "conv": lambda s: s.graph.conv2d(s.x, s.weights(s.shape[-1], 1, 1, s.shape[-1]), s.per_channel(), "y"),
    "conv3x3": lambda s: s.graph.conv2d(s.x, s.weights(s.shape[-1], 3, 3, s.shape[-1]), s.per_channel(), "y"),
    "conv-relu": lambda s: s.graph.conv2d(
        s.x, s.weights(s.shape[-1], 1, 1, s.shape[-1]), s.per_channel(), "y", activation="RELU"
    ),
    "depthwise": lambda s: s.graph.depthwise_conv2d(s.x, s.weights(1, 3, 3, s.shape[-1]), s.per_channel(), "y"),
    "layernorm": lambda s: _layer_norm(s, affine=True),
    "residual": lambda s: s.graph.add(s.x, s.graph.fully_connected(s.x, _square_weights(s)), "y"),
    "norm-residual": lambda s: _layer_norm(s, affine=False),
    "reshape": lambda s: s.graph.reshape(
        s.graph.unary("TANH", s.x), (*s.shape[:-2], s.shape[-2] * s.shape[-1], 1), "y"
    ),
    "transpose": lambda s: s.graph.transpose(
        s.graph.unary("TANH", s.x), [*range(len(s.shape) - 2), len(s.shape) - 1, len(s.shape) - 2], "y"
    ),
    "concat": lambda s: s.graph.concat([s.x, s.z], len(s.shape) - 1, "y"),
    "relu": lambda s: s.graph.unary("RELU", s.x, "y"),
    "logistic": lambda s: s.graph.unary("LOGISTIC", s.x, "y"),
    "tanh": lambda s: s.graph.unary("TANH", s.x, "y"),
    "softmax": lambda s: s.graph.softmax(s.x, "y"),
    "matmul": lambda s: s.graph.batch_matmul(s.x, s.z, "y", adj_y=True),
}


def _reduce(kind: str) -> Callable[[Site, str, str], str]:
    def consume(s: Site, y: str, name: str) -> str:
        return s.graph.reduce(kind, y, [len(s.graph.shape(y)) - 1], name)

    return consume


def _fc(s: Site, y: str, name: str) -> str:
    depth = s.graph.shape(y)[-1]
    return s.graph.fully_connected(y, s.weights(8, depth), s.weights(8), name)


def _conv(size: int, padding: str = "SAME") -> Callable[[Site, str, str], str]:
    def consume(s: Site, y: str, name: str) -> str:
        depth = s.graph.shape(y)[-1]
        return s.graph.conv2d(y, s.weights(8, size, size, depth), s.weights(8), name, padding=padding)

    return consume


def _channel(s: Site, y: str) -> str:
    return s.constant(s.rng.uniform(0.5, 1.5, s.graph.shape(y)[-1]).astype(np.float32))


CONSUMERS: Mapping[str, Callable[[Site, str, str], str]] = {
    **{name: _reduce(kind) for name, kind in REDUCTIONS.items()},
    "fc": _fc,
    "conv": _conv(1),
    "conv3x3": _conv(3),
    "conv3x3-valid": _conv(3, "VALID"),
    "add-scalar": lambda s, y, name: s.graph.add(y, s.constant(0.5), name),
    "add-channel": lambda s, y, name: s.graph.add(y, _channel(s, y), name),
    "mul-scalar": lambda s, y, name: s.graph.mul(y, s.constant(0.5), name),
    "mul-channel": lambda s, y, name: s.graph.mul(y, _channel(s, y), name),
    "add-runtime": lambda s, y, name: s.graph.add(y, s.x, name),
    "mul-runtime": lambda s, y, name: s.graph.mul(y, s.x, name),
    "relu": lambda s, y, name: s.graph.unary("RELU", y, name),
    "tanh": lambda s, y, name: s.graph.unary("TANH", y, name),
    "softmax": lambda s, y, name: s.graph.softmax(y, name),
    "matmul": lambda s, y, name: s.graph.batch_matmul(y, y, name, adj_y=True),
    "matmul-runtime": lambda s, y, name: s.graph.batch_matmul(y, s.x, name, adj_y=True),
}


def shape_of(rank: int, tokens: int) -> tuple[int, ...]:
    """[N, C], [1, N, C] or [1, H, W, C] with H * W = N."""
    if rank == 2:
        return (tokens, CHANNELS)
    if rank == 3:
        return (1, tokens, CHANNELS)
    height = max(h for h in range(1, int(tokens**0.5) + 1) if tokens % h == 0)
    return (1, height, tokens // height, CHANNELS)


def build(producer: str, consumer: str, rank: int, tokens: int, variant: str, seed: int) -> Graph:
    """variant: `plain` (y is output and consumed once), or one of the controls `inner`, `second`, `x2`."""
    g = GraphBuilder()
    shape = shape_of(rank, tokens)
    if consumer == "prod":
        # A product of 16 normal factors leaves fp16's range, and the comparison would have no power.
        shape = (*shape[:-1], 4)
    x = g.input("x", shape)
    site = Site(g, x, "", shape, np.random.default_rng(seed))
    if producer in ("add", "add-relu", "sub", "mul", "maximum", "norm-residual", "concat", "matmul"):
        site.z = g.input("z", shape)
    y = PRODUCERS[producer](site)
    out = CONSUMERS[consumer](site, y, "out")
    if variant == "plain":
        return g.build([y, out])
    if variant == "inner":
        return g.build([out])
    if variant == "second":
        return g.build([y, out, g.unary("TANH", y, "second")])
    if variant == "inner-second":
        return g.build([out, g.unary("TANH", y, "second")])
    return g.build([g.scaled(y, 2.0, "y_x2"), out])


VARIANTS = {
    "inner": "without the output",
    "second": "with a second consumer of y",
    "x2": "with y emitted x2",
}


def make(
    producer: str, consumer: str, rank: int = 3, tokens: int = 64, *, breaks: str = "", seed: int = 0
) -> list[Case]:
    """A case and, if the delegate breaks it (`breaks` says by which fusion), its three controls."""
    name = f"{FAMILY}/{producer}-{consumer}-r{rank}-n{tokens}"
    what = f"{producer} is an output and feeds {consumer}, rank {rank}, N={tokens}"
    reason = f"{what}: {breaks}" if breaks else f"{what}: no fusion may take it away"
    build_plain = functools.partial(build, producer, consumer, rank, tokens, "plain", seed)
    group = [Case(name, FAMILY, reason, graph=build_plain, seed=seed)]
    if breaks:
        for variant, text in VARIANTS.items():
            graph = functools.partial(build, producer, consumer, rank, tokens, variant, seed)
            if variant == "inner" and consumer in ("max", "min"):
                # No control: fused, the reduction itself is wrong wherever all sums have the other sign.
                why = f"{producer} feeds {consumer} and is no output: the fused {consumer} starts from zero"
                group.append(Case(f"{name}-inner", FAMILY, why, graph=graph, seed=seed))
                apart = functools.partial(build, producer, consumer, rank, tokens, "inner-second", seed)
                why = f"control: without the output, {VARIANTS['second']}"
                group.append(
                    Case(f"{name}-inner-second", FAMILY, why, graph=apart, control_of=f"{name}-inner", seed=seed)
                )
                continue
            group.append(Case(f"{name}-{variant}", FAMILY, f"control: {text}", graph=graph, control_of=name, seed=seed))
    return group


F1 = "ADD is fused into the reduction"
F2 = "the constant is fused into the convolution's weights"
F3 = "the scale or offset is fused into the following convolution's weights"


def _pairs(
    producers: Sequence[str], consumers: Sequence[str], rank: int, breaks: str = "", tokens: int = 64
) -> list[Case]:
    return [c for p in producers for q in consumers for c in make(p, q, rank, tokens, breaks=breaks)]


def cases() -> list[Case]:
    """The family in a stable order."""
    family: list[Case] = []
    # F1: an ADD of two runtime tensors that feeds a reduction; rank and N do not matter.
    family += _pairs(["add"], list(REDUCTIONS), 3, F1)
    for rank in (2, 3, 4):
        for tokens in (64, 400, 2100, 8400):
            if (rank, tokens) != (3, 64):
                family += make("add", "mean", rank, tokens, breaks=F1)
    family += _pairs(["residual", "norm-residual"], ["mean", "sum"], 3, F1)
    family += _pairs(
        ["add-relu", "sub", "mul", "maximum", "add-scalar", "add-channel", "fc", "relu"], ["mean", "max"], 3
    )
    family += _pairs(["add"], ["fc", "softmax", "relu", "add-runtime", "mul-scalar"], 3)
    (both,) = make("add", "matmul")
    (other,) = make("add", "matmul-runtime")
    family.append(dataclasses.replace(both, reason="add is an output and both operands of BATCH_MATMUL, which aborts"))
    family.append(dataclasses.replace(other, reason="control: a second tensor as operand", control_of=both.name))
    # F2: a convolution (a rank-3 or rank-2 FC counts) that feeds a constant ADD or MUL.
    constants = ["add-scalar", "add-channel", "mul-scalar", "mul-channel"]
    family += _pairs(["fc"], constants, 3, F2)
    family += _pairs(["fc"], constants, 2, F2)
    family += _pairs(["conv", "conv3x3"], constants, 4, F2)
    family += _pairs(["depthwise"], ["add-channel", "mul-scalar"], 4, F2)
    family += _pairs(["fc-relu"], ["add-scalar", "mul-channel"], 3)
    family += _pairs(["conv-relu"], ["add-scalar", "mul-channel"], 4)
    family += _pairs(["fc"], ["add-runtime", "mul-runtime", "relu", "softmax", "tanh"], 3)
    family += _pairs(["conv"], ["add-runtime", "relu", "softmax", "conv"], 4)
    # F3: a scaled or shifted tensor that feeds a convolution.
    family += _pairs(["mul-scalar", "mul-channel"], ["fc"], 3, F3)
    family += _pairs(["mul-scalar", "mul-channel"], ["conv", "conv3x3"], 4, F3)
    family += _pairs(["add-scalar", "add-channel"], ["conv", "conv3x3-valid"], 4, F3)
    family += _pairs(["add-channel", "layernorm", "double"], ["fc"], 3, F3)
    family += make("layernorm", "fc", 3, 8400, breaks=F3)
    family += _pairs(["add-channel"], ["conv3x3"], 4)
    family += _pairs(["mul", "square", "relu", "logistic"], ["fc"], 3)
    family += _pairs(["mul", "sub"], ["conv"], 4)
    # Layout and activation producers: nothing is fused away, so all of these must pass.
    layout = ["reshape", "transpose", "concat"]
    family += _pairs(layout, ["mean", "fc", "add-channel", "mul-scalar", "tanh"], 3)
    # A softmax over one channel is constant, so the reshape (which leaves one) is not paired with it.
    family += _pairs(["transpose", "concat"], ["softmax"], 3)
    family += _pairs(["relu", "logistic", "tanh", "softmax", "matmul"], ["add-scalar", "mul-scalar", "softmax"], 3)
    family += _pairs(["transpose", "reshape", "concat"], ["mean", "tanh"], 4)
    return family
