"""One campaign on several machines: which cases each of them runs, without a word between them.

Key insight: whoever cuts must come to the same cut, so only what all of them have may decide: the names of the cases
and a table of costs that is part of the release. The names are put in the order of their hashes, which mixes cheap and
dear ones, and the line of their costs is cut into equal parts. A case that is added moves each border by less than its
own cost, so that all but the cases at the borders stay where they were.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from cases.case import Case
from runner.errors import BadInput

Item = TypeVar("Item")

COST_S = {"token-tensor": 0.45}
"""Seconds of one run of a case of a family and of judging it, where they are far from the others': means of the
catalogue on gpu:lavapipe, LiteRT 2.3.0, two cores, both precisions. D-FINE's heads are in that family."""
OTHERS_COST_S = 0.04


@dataclass(frozen=True)
class Shard:
    """Part `number` of `of`, counted from 1."""

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """`2/5`. Raises BadInput."""
        found = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
        if found is None or not 1 <= int(found[1]) <= int(found[2]):
            raise BadInput(f"shard {text!r}: give I/N with I from 1 to N, such as 2/5")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def part(
        self, items: Sequence[Item], name: Callable[[Item], str], cost: Callable[[Item], float] = lambda item: 1.0
    ) -> tuple[Item, ...]:
        """The items of this shard, in their own order. name: unique of each. cost: above 0, in any unit."""
        ordered = sorted(range(len(items)), key=lambda place: hashlib.sha256(name(items[place]).encode()).digest())
        total = sum(map(cost, items))
        mine, before = set(), 0.0
        for place in ordered:
            middle = before + cost(items[place]) / 2
            before += cost(items[place])
            if min(int(middle / total * self.of), self.of - 1) + 1 == self.number:
                mine.add(place)
        return tuple(item for place, item in enumerate(items) if place in mine)

    def next_turn(self, turn: int) -> int:
        """The first turn from this one on that is this shard's, where endless turns are dealt in order."""
        return turn + (self.number - 1 - turn) % self.of


WHOLE = Shard(1, 1)


def require_one_cut(shards: Sequence[tuple[Path, Shard]]) -> None:
    """Raise BadInput, naming two files, where not all are shards of one number of shards."""
    path, first = shards[0]
    for other, shard in shards[1:]:
        if shard.of != first.of:
            raise BadInput(f"{path} is shard {first} and {other} is {shard}: not of one number of shards")


def missing_shards(shards: Iterable[Shard]) -> list[str]:
    """`shard 2/5` for each that is not there, of those that are parts of one cut."""
    there = set(shards)
    of = next(iter(there)).of
    return [f"shard {number}/{of}" for number in range(1, of + 1) if Shard(number, of) not in there]


def cost_s(case: Case) -> float:
    """About how many seconds one run of a case takes."""
    return COST_S.get(case.family, OTHERS_COST_S)


def cases_of(shard: Shard, cases: Sequence[Case]) -> tuple[Case, ...]:
    """The cases of a shard, in the order of the catalogue."""
    return shard.part(cases, lambda case: case.name, cost_s)
