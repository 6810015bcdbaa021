"""The noise floor of one output: how much a healthy delegate may differ from the float64 reference."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from repro.records.strict import Misfit, fitted


@dataclass(frozen=True)
class Floor:
    """s of the rule: RMSE between an emulation of the target's arithmetic and float64.

    source: `emulation` (the graph was evaluated with rounding) or `rule` (no emulation: derived
        from precision, accumulation depth and the reference's range).
    depth: number of accumulations on the longest path into the output (used by the rule).
    gain, offset: |slope of error over reference| and |mean error| of the emulation: rounding is not
        unbiased, so this much of a coherent error is legal.
    levels: for outputs whose values span many powers of two, (magnitude, s) ascending: s of the elements
        with |reference| >= magnitude; empty where one s serves all.
    by_feed: rmse scaled to each feed's reference, for outputs whose size differs between feeds; else empty.
    why: what the emulation could not read, where source is `rule`.
    """

    rmse: float
    source: str
    depth: int
    gain: float = 0.0
    offset: float = 0.0
    levels: tuple[tuple[float, float], ...] = ()
    by_feed: tuple[float, ...] = ()
    why: str = ""

    def of_feed(self, k: int) -> Floor:
        """The floor of this output after feed k."""
        return replace(self, rmse=self.by_feed[k]) if k < len(self.by_feed) else self


def floor_from_json(record: object) -> Floor:
    """The Floor that was written as its `asdict`. Raises ValueError for another record."""
    try:
        floor = fitted(Floor, record)
    except Misfit as error:
        first = error.mistakes[0]
        raise ValueError(f"floor: {'.'.join(map(str, first.place))} {first.problem}") from error
    numbers = (floor.rmse, floor.gain, floor.offset, *floor.by_feed, *(n for level in floor.levels for n in level))
    if not all(0 <= number < math.inf for number in numbers):
        raise ValueError("floor: its numbers are finite and at least 0")
    return floor
