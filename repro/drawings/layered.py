"""A plain layered layout: every arrow points down, few of them cross. Pure.

Key insight: a picture has some thirty boxes, so the textbook way is enough and takes a millisecond: a box stands one
layer below the lowest box that it reads from; an arrow over several layers gets an unseen box in each layer on its way;
and a few sweeps put each box below the middle of what is above it, then above the middle of what is below it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence

from repro.drawings.picture import NodeKind, Picture, neighbours_by_node
from repro.drawings.placed import MARGIN, Placed, Point, box_size

SWEEPS = 6
GAP_X = 24.0
GAP_Y = 34.0
THREAD = 8.0  # width of an unseen box


def layered(picture: Picture) -> Placed:
    """Places for a picture whose arrows have no circle."""
    nodes = {node.id: node for node in picture.nodes}
    level = _levels(picture)
    chains = {(e.source, e.target): _chain(e.source, e.target, level) for e in picture.edges}
    sizes: dict[str, Point] = {node.id: box_size(node) for node in picture.nodes}
    layers: list[list[str]] = [[] for _ in range(max(level.values(), default=0) + 1)]
    for name in nodes:
        layers[level[name]].append(name)
    for (source, _), chain in chains.items():
        for step, name in enumerate(chain[1:-1], 1):
            sizes[name] = (THREAD, 0.0)
            layers[level[source] + step].append(name)
    above, below = _linked(chains.values())
    x = _columns(layers, sizes, above, below)
    heights = [max((sizes[name][1] for name in layer), default=0.0) for layer in layers]
    tops = [MARGIN + sum(heights[:n]) + n * GAP_Y for n in range(len(layers))]
    centres = {name: (x[name], tops[n] + heights[n] / 2) for n, layer in enumerate(layers) for name in layer}
    routes = tuple(_route(chains[e.source, e.target], centres, sizes) for e in picture.edges)
    width = max((x[name] + sizes[name][0] / 2 for name in sizes), default=0.0) + MARGIN
    height = (tops[-1] + heights[-1] if layers else 0.0) + MARGIN
    return Placed(picture, width, height, {name: centres[name] for name in nodes}, routes)


def _levels(picture: Picture) -> dict[str, int]:
    """Node -> its layer. Inputs and cut ends stand just above their first reader."""
    after, before = neighbours_by_node(picture)
    level: dict[str, int] = {}
    waiting = {name: len(sources) for name, sources in before.items()}
    ready = [name for name, count in waiting.items() if not count]
    while ready:
        name = ready.pop()
        level[name] = max((level[source] + 1 for source in before[name]), default=0)
        for target in after[name]:
            waiting[target] -= 1
            if not waiting[target]:
                ready.append(target)
    for node in picture.nodes:
        if node.kind in (NodeKind.INPUT, NodeKind.CUT) and not before[node.id] and after[node.id]:
            level[node.id] = min(level[target] for target in after[node.id]) - 1
    return level


def _chain(source: str, target: str, level: Mapping[str, int]) -> list[str]:
    between = range(1, level[target] - level[source])
    return [source, *(f"{source} {target} {step}" for step in between), target]


def _linked(chains: Iterable[list[str]]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    above: dict[str, list[str]] = {}
    below: dict[str, list[str]] = {}
    for chain in chains:
        for upper, lower in itertools.pairwise(chain):
            above.setdefault(lower, []).append(upper)
            below.setdefault(upper, []).append(lower)
    return above, below


def _columns(
    layers: list[list[str]],
    sizes: Mapping[str, Point],
    above: Mapping[str, list[str]],
    below: Mapping[str, list[str]],
) -> dict[str, float]:
    """Node -> the x of its middle: the order within the layers is settled first, then how far apart they stand."""
    x: dict[str, float] = {}
    for layer in layers:
        _pack(layer, sizes, x, dict.fromkeys(layer, 0.0))
    for sweep in range(SWEEPS):
        downwards = sweep % 2 == 0
        linked = above if downwards else below
        for layer in layers if downwards else reversed(layers):
            wanted = {name: _mean([x[other] for other in linked.get(name, ())], x[name]) for name in layer}
            layer.sort(key=wanted.__getitem__)
            _pack(layer, sizes, x, wanted)
    shift = min((x[name] - sizes[name][0] / 2 for name in x), default=0.0) - MARGIN
    return {name: value - shift for name, value in x.items()}


def _pack(layer: Sequence[str], sizes: Mapping[str, Point], x: dict[str, float], wanted: Mapping[str, float]) -> None:
    """Put each box of a layer where it is wanted, pushed apart from both sides so that none is favoured."""
    to_right: dict[str, float] = {}
    edge = -float("inf")
    for name in layer:
        half = sizes[name][0] / 2
        to_right[name] = max(wanted[name], edge + half)
        edge = to_right[name] + half + GAP_X
    to_left: dict[str, float] = {}
    edge = float("inf")
    for name in reversed(layer):
        half = sizes[name][0] / 2
        to_left[name] = min(wanted[name], edge - half)
        edge = to_left[name] - half - GAP_X
    for name in layer:
        x[name] = (to_right[name] + to_left[name]) / 2


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _route(chain: Sequence[str], centres: Mapping[str, Point], sizes: Mapping[str, Point]) -> tuple[Point, ...]:
    first, last = chain[0], chain[-1]
    start = (centres[first][0], centres[first][1] + sizes[first][1] / 2)
    end = (centres[last][0], centres[last][1] - sizes[last][1] / 2)
    return (start, *(centres[name] for name in chain[1:-1]), end)
