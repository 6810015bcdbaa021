"""One hunt on many adapters and settings: each block of graphs is run in another place, and a bug counts once.

Key insight: where block N runs is a function of the seed and N alone, so the same command goes on where it stopped and
graph N always meets the same delegate. Every place has its turn once before any has its second.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from repro.campaigns.shards import WHOLE, Shard
from repro.fuzzer.corpus import State
from repro.fuzzer.sources import own_index
from runner.run import Precision

BLOCK = 256
"""Graphs in one place: as many as share a palette, so that a place compiles few kinds of shaders."""


@dataclass(frozen=True)
class Place:
    """A target in one precision."""

    target: str
    precision: Precision

    def __str__(self) -> str:
        return f"{self.target} {self.precision}"


class Round(Protocol):
    """A hunt in one place: `run` goes on for at least so many judged graphs and returns its summary so far."""

    def run(self, seconds: float, graphs: int | None = None) -> dict[str, Any]: ...


def place_of(places: Sequence[Place], seed: int, index: int, size: int = BLOCK) -> Place:
    """Where graph number `index` of a seed is run: the places in an order that is drawn anew for each turn."""
    block = index // size
    turn = list(places)
    random.Random(f"{seed}/turn {block // len(turn)}").shuffle(turn)
    return turn[block % len(turn)]


def hunt_in_turns(
    places: Sequence[Place],
    state: State,
    open_round: Callable[[Place], AbstractContextManager[Round | None]],
    seconds: float,
    graphs: int | None = None,
    size: int = BLOCK,
    shard: Shard = WHOLE,
) -> dict[str, Any]:
    """Hunt block by block until the time is over or so many graphs are judged; the summary of all.

    size: graphs of a block. open_round: a hunt that shares `state`; None where nothing counts in that place, whose
    block is passed over. shard: whose blocks these are.
    """
    began, judged = time.monotonic(), state.graphs
    by_place: Counter[str] = Counter()
    summary: dict[str, Any] = {}
    new = judged_here = passed_over = 0
    while not _over(began, seconds) and (graphs is None or state.graphs - judged < graphs):
        state.next_index = own_index(shard, state.next_index, size)
        place, block = place_of(places, state.seed, state.next_index, size), state.next_index // size
        with open_round(place) as hunt:
            if hunt is None:
                state.next_index = (block + 1) * size
                passed_over += 1
                if passed_over == len(places):
                    break
                continue
            passed_over, before = 0, state.graphs
            while state.next_index // size == block and not _over(began, seconds):
                if graphs is not None and state.graphs - judged >= graphs:
                    break
                summary = hunt.run(seconds - (time.monotonic() - began), 1)
            by_place[str(place)] += state.graphs - before
            new, judged_here = new + summary.get("new", 0), judged_here + summary.get("judged", 0)
    spent = time.monotonic() - began
    done = state.graphs - judged
    return {
        **summary,
        "graphs": done,
        "judged": judged_here,
        "seconds": round(spent, 3),
        "graphs_per_s": round(done / spent, 2) if spent else 0.0,
        "new": new,
        "target": ", ".join(dict.fromkeys(place.target for place in places)),
        "precision": ", ".join(dict.fromkeys(str(place.precision) for place in places)),
        "places": dict(by_place),
    }


def _over(began: float, seconds: float) -> bool:
    return time.monotonic() - began >= seconds
