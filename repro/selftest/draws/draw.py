"""Graphs drawn around the lint's rules: every producer with every consumer, in every role, and near misses.

Key insight: a rule is wrong at its edges, so some draws are chains of two to four ops from one pool in
which each tensor is by chance an output, read twice, or reshaped on the way; the others are the delegate's
longer patterns, the ops it parses wrong and the lanes it leaves, with one thing changed. Every fourth is around one op
of any kind in any type that the delegate takes, and every eighth a row of small convolutions, of which some adapters'
branches make one kernel. A draw is a function of (seed, index) alone.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cases.graph import Graph, GraphError
from repro.selftest.answers import known_answers
from repro.selftest.draws.chains import chain, channel_counts, padding, pair, splits
from repro.selftest.draws.lanes import lanes
from repro.selftest.draws.parsing import misparsed
from repro.selftest.draws.patterns import correlation, mish, normalisation
from repro.selftest.draws.steps import Pen
from repro.selftest.draws.surface import surface
from repro.selftest.draws.thin import thin


@dataclass(frozen=True)
class Draw:
    """One drawn graph and where it came from."""

    index: int
    family: str
    graph: Graph


FAMILIES: tuple[tuple[float, str, Callable[[Pen], Graph]], ...] = (
    (0.22, "pair", pair),
    (0.18, "chain", chain),
    (0.10, "padding", padding),
    (0.06, "channels", channel_counts),
    (0.06, "splits", splits),
    (0.07, "normalisation", normalisation),
    (0.02, "mish", mish),
    (0.04, "correlation", correlation),
    (0.12, "misparsed", misparsed),
    (0.13, "lanes", lanes),
)


SURFACE = "surface"
SURFACE_EVERY = 4
THIN = "thin"
THIN_EVERY = 8
THIN_AT = 2


def draw(seed: int, index: int) -> Draw:
    """The index-th graph of a seed."""
    if index % SURFACE_EVERY == SURFACE_EVERY - 1:
        return Draw(index, SURFACE, surface(random.Random(f"{seed}/{index}"), known_answers().taken))
    if index % THIN_EVERY == THIN_AT:
        return Draw(index, THIN, thin(random.Random(f"{seed}/{index}/thin")))
    attempt = 0
    while True:
        rng = np.random.default_rng([seed, index, attempt])
        roll, family, make = float(rng.random()), "", FAMILIES[0][2]
        for weight, name, maker in FAMILIES:
            family, make = name, maker
            roll -= weight
            if roll < 0:
                break
        try:
            return Draw(index, family, make(Pen(rng)))
        except GraphError:
            attempt += 1  # shapes that do not fit: the same index is drawn again
