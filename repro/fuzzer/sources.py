"""Where the fuzzer's graphs come from: grown from nothing, around one op of any kind, a catalogue graph changed, or a
piece of a real model.

Key insight: graph N of a seed is a function of (seed, N) and the sources alone, so a bug is found again from two
numbers, and a hunt goes on at any N. What is shared by a block of graphs (the palette, which few of the
catalogue's and which pieces of the models) is drawn from the block's own randomness.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from cases.drawn_ops.cells import Cell
from cases.graph import Graph
from repro.campaigns.shards import Shard
from repro.fuzzer.cutting import cutting
from repro.fuzzer.generate import draw_palette, grow
from repro.fuzzer.mutate import mutated
from repro.selftest.draws.surface import surface

BLOCK = 256
"""Graphs that share a palette, so that most of their shaders are compiled once."""
BLOCK_CELLS = 24


def own_index(shard: Shard, index: int, size: int = BLOCK) -> int:
    """The first graph from this one on that is a shard's: blocks are dealt to the shards in turn."""
    block = shard.next_turn(index // size)
    return max(index, block * size)


ONE_OP = "one op of a type"


@dataclass(frozen=True, eq=False)
class Drawn:
    """Graph number `index` of a seed and where it came from; twin_how is empty for an original."""

    index: int
    graph: Graph
    origin: str
    twin_how: str = ""


@dataclass(frozen=True)
class Sources:
    """What graphs are drawn from: chance alone, the catalogue's graphs, real models, and ops of given kinds and types.

    block: how many graphs share a palette (see `repro.fuzzer.generate`); 0 draws each from everything.
    """

    catalogue: Sequence[Graph] = ()
    models: Sequence[Graph] = ()
    cells: Sequence[Cell] = ()
    block: int = BLOCK

    def draw(self, seed: int, index: int) -> Drawn:
        """Graph number `index`: a function of seed, index and the sources."""
        rng = random.Random(f"{seed}/{index}")
        block = random.Random(f"{seed}/block/{index // self.block if self.block else index}")
        palette = draw_palette(block) if self.block else None
        roll = rng.random()
        if roll < 0.25 and self.catalogue:
            few = block.sample(self.catalogue, min(3, len(self.catalogue)))
            return Drawn(index, mutated(rng, rng.choice(few), palette), "mutated case")
        if roll < 0.4 and self.models:
            cuts = [cutting(block, block.choice(self.models)) for _ in range(4)]
            usable = [cut for cut in cuts if cut is not None and cut.ops]
            if usable:
                cut = rng.choice(usable)
                return Drawn(index, mutated(rng, cut, palette) if rng.random() < 0.8 else cut, "cut from a model")
        if roll < 0.65 and self.cells:
            return Drawn(index, surface(rng, block.sample(self.cells, min(BLOCK_CELLS, len(self.cells)))), ONE_OP)
        return Drawn(index, grow(rng, palette=palette), "grown")
