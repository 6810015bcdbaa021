"""A tensor with several consumers: short branch beside long branch, as an output and not.

The model card of D-FINE-S says that plain fan-out is clobbered on a Mali too. On the host's delegate a
second consumer makes the known fusions impossible, so these are expected to pass there; only a device
can tell about the card's claim.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

import numpy as np

from cases.builder import GraphBuilder
from cases.case import Case
from cases.graph import Graph

FAMILY = "fanout"
CHANNELS = 16
CARD = "model card of D-FINE-S: 'or that fans out to several consumers' (reported)"


def _weights(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return (rng.standard_normal(shape) / np.sqrt(shape[-1])).astype(np.float32)


def _tokens(g: GraphBuilder, rng: np.random.Generator, tokens: int) -> str:
    """conv -> [1, H * W, C], the way `flatten(2).transpose(1, 2)` ends up in a file."""
    side = int(tokens**0.5)
    image = g.input("image", (1, side, side, 3))
    features = g.conv2d(image, _weights(rng, CHANNELS, 3, 3, 3), _weights(rng, CHANNELS), activation="RELU")
    return g.reshape(features, (1, side * side, CHANNELS), "y")


PRODUCERS: Mapping[str, Callable[[GraphBuilder, np.random.Generator], str]] = {
    "add": lambda g, rng: g.add(g.input("x", (1, 64, CHANNELS)), g.input("z", (1, 64, CHANNELS)), "y"),
    "fc": lambda g, rng: g.fully_connected(
        g.input("x", (1, 64, CHANNELS)), _weights(rng, CHANNELS, CHANNELS), _weights(rng, CHANNELS), "y"
    ),
    "scaled": lambda g, rng: g.scaled(g.input("x", (1, 64, CHANNELS)), 1.25, "y"),
    "transpose": lambda g, rng: g.transpose(g.unary("TANH", g.input("x", (1, CHANNELS, 64))), (0, 2, 1), "y"),
    "tokens": lambda g, rng: _tokens(g, rng, 64),
}


def _short(g: GraphBuilder, rng: np.random.Generator, y: str, number: int) -> str:
    kinds: tuple[Callable[[], str], ...] = (
        lambda: g.mean(y, [2], f"branch{number}"),
        lambda: g.fully_connected(y, _weights(rng, 8, CHANNELS), _weights(rng, 8), f"branch{number}"),
        lambda: g.unary("TANH", y, f"branch{number}"),
        lambda: g.mul(y, g.const(0.5), f"branch{number}"),
        lambda: g.softmax(y, f"branch{number}"),
        lambda: g.add(y, g.const(0.25), f"branch{number}"),
    )
    return kinds[number % len(kinds)]()


def _long(g: GraphBuilder, rng: np.random.Generator, y: str) -> str:
    value = y
    for _ in range(4):
        value = g.fully_connected(value, _weights(rng, CHANNELS, CHANNELS), activation="RELU")
        value = g.add(value, y)
    return g.fully_connected(value, _weights(rng, 8, CHANNELS), name="long")


def build(producer: str, consumers: int, long: bool, emitted: bool, seed: int) -> Graph:
    """y feeds `consumers` short branches, and a long one if `long`; it is an output if `emitted`."""
    g = GraphBuilder()
    rng = np.random.default_rng(seed)
    y = PRODUCERS[producer](g, rng)
    outputs = [y] if emitted else []
    outputs += [_short(g, rng, y, number) for number in range(consumers)]
    if long:
        outputs.append(_long(g, rng, y))
    return g.build(outputs)


def cases() -> list[Case]:
    """Producers x (2, 3, 6 consumers) x long branch x emitted."""
    family = []
    for producer in PRODUCERS:
        for consumers, long in ((2, False), (3, False), (6, False), (1, True), (2, True)):
            for emitted in (True, False):
                name = f"{FAMILY}/{producer}-to-{consumers}{'-and-long' if long else ''}{'-output' if emitted else ''}"
                total = consumers + (2 if long else 0)
                reason = f"{producer} feeds {total} ops{', a short beside a long branch' if long else ''}"
                reason += ", and is an output" if emitted else ", and is no output"
                graph = functools.partial(build, producer, consumers, long, emitted, 0)
                family.append(Case(name, FAMILY, reason, graph=graph, link=CARD if producer == "tokens" else ""))
    return family
