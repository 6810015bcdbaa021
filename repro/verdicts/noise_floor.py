"""The noise floor of one output: how much a healthy delegate may differ from the float64 reference.

Key insight: rounding is as coarse as the power of two below the value it rounds, and what a sum has lost before
that is as coarse as the sum's largest term. So the noise of an element is a curve over that power of two, and what
sets a channel apart (its weights, a small bias) is one factor per channel.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, replace

from repro.records.strict import Misfit, fitted


@dataclass(frozen=True)
class Deviations:
    """How far an output is from its reference, in units of its noise floor; healthy ones are near 1 or below.

    tensor, row, channel: RMS error, of all or of the worst row or channel. element: the largest error.
    offset: the mean error, gain: the part of the error that is proportional to the reference (row_gain,
    channel_gain: in the worst row or channel), each in its own standard errors, which grow with the root of the
    number of elements where the error has the same direction in all of them.
    """

    tensor: float = 0.0
    element: float = 0.0
    row: float = 0.0
    channel: float = 0.0
    offset: float = 0.0
    gain: float = 0.0
    row_gain: float = 0.0
    channel_gain: float = 0.0


@dataclass(frozen=True)
class Floor:
    """s of the rule: RMSE between an emulation of the target's arithmetic and float64.

    source: `emulation` (the graph was evaluated with rounding), `steps` (the same for integers that stand for real
        numbers, in steps of their grid) or `rule` (no emulation: derived from precision, accumulation depth and the
        reference's range).
    depth: number of accumulations on the longest path into the output (used by the rule).
    curve: (a, b, c), s of an element by the power of two p below its |reference|: a + b p + c p^2. Empty where only
        `rmse` is known, which then holds for every element.
    channels: by how much the s of each channel (last axis) differs from the curve; empty where it does not.
    emulated: the largest deviations of the emulations themselves, in units of this floor.
    by_feed: size of each feed's reference over the first one's, for outputs whose size differs between feeds; else
        empty.
    largest: the largest error of the emulations after any feed, in the output's own units; of outputs of few elements
        (`repro.verdicts.few_elements`), else 0.
    why: what the emulation could not read, where source is `rule`.
    few_bits: whether most values that the emulations give are numbers of bfloat16, as of a difference of nearly equal
        ones: such an output needs no more bits, and having no more says nothing.
    leaves_float32: even float32 cannot compute it from what is fed, though float64 can: no target is to blame.
    """

    rmse: float
    source: str
    depth: int
    curve: tuple[float, ...] = ()
    channels: tuple[float, ...] = ()
    emulated: Deviations = Deviations()
    by_feed: tuple[float, ...] = ()
    why: str = ""
    leaves_float32: bool = False
    largest: float = 0.0
    few_bits: bool = False

    def of_feed(self, k: int) -> Floor:
        """The floor of this output after feed k."""
        return self.scaled(self.by_feed[k]) if k < len(self.by_feed) else self

    def widened(self, times: float) -> Floor:
        """The floor of a delegate that is `times` as noisy."""
        return replace(self, rmse=self.rmse * times, curve=tuple(part * times for part in self.curve))

    def scaled(self, size: float) -> Floor:
        """The floor of the same output, were its reference and its noise `size` times as large."""
        if size == 1.0 or not self.curve:
            return replace(self, rmse=self.rmse * size, by_feed=())
        a, b, c = self.curve
        return replace(self, rmse=self.rmse * size, curve=(a * size, b, c / size), by_feed=())


def floor_from_json(record: object) -> Floor:
    """The Floor that was written as its `asdict`. Raises ValueError for another record."""
    try:
        floor = fitted(Floor, record)
    except Misfit as error:
        first = error.mistakes[0]
        raise ValueError(f"floor: {'.'.join(map(str, first.place))} {first.problem}") from error
    if len(floor.curve) not in (0, 3):
        raise ValueError(f"floor: its curve has 3 coefficients, not {len(floor.curve)}")
    sizes = (floor.rmse, floor.largest, *floor.channels, *floor.by_feed, *dataclasses.astuple(floor.emulated))
    if not all(map(math.isfinite, floor.curve)) or not all(0 <= size < math.inf for size in sizes):
        raise ValueError("floor: its numbers are finite, and all but its curve's at least 0")
    return floor
