"""Outputs of few elements: where one feed tells too little of them, all feeds together may tell enough.

Key insight: a number alone has no spread to be held against its noise, and one emulation of it is one draw of that
noise, which may be small by luck. After several feeds there are several such numbers, in one unit and with one kind of
noise: they are the elements of one tensor, [feeds, elements], and the more feeds there are, the more values a wrong
output has to hit. And noise can be drawn again: feeds that are moved a little round otherwise. The largest of all
draws is legal as many times as for an offset of a whole tensor, which is one number per feed as well.

Nothing is drawn for outputs that pass, nor for those that are off by far more than what was emulated.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np

from cases.evaluation.evaluate import unsupported
from cases.graph import Graph
from repro.verdicts import steps
from repro.verdicts.noise_floor import Floor
from repro.verdicts.thresholds import Thresholds
from repro.verdicts.verdict import NumericVerdict, Status
from runner.run import FP16_MAX, Feed, Precision

MOST = 8
"""Elements from which on one feed is a sample of its own."""
_FAR = 8  # times what is legal: no draw of the noise explains that


def is_few(reference: np.ndarray) -> bool:
    """Whether an output has so few elements that its feeds are judged together where each alone tells too little."""
    return 0 < reference.size < MOST


@dataclasses.dataclass(frozen=True, eq=False)
class FewElements:
    """One output of few elements over all feeds.

    references, outputs: [k], after feed k, all of one shape. draw: gives the largest error that noise was drawn to
    have after each feed (`repro.verdicts.drawn_noise`); asked only where it decides something.
    """

    graph: Graph
    feeds: tuple[Feed, ...]
    references: Sequence[np.ndarray]
    outputs: Sequence[np.ndarray]
    floor: Floor
    precision: Precision
    table: Thresholds
    draw: Callable[[], Sequence[float]]

    def judged_together(self, alone: list[NumericVerdict]) -> list[NumericVerdict]:
        """The verdicts by all feeds, where those on each alone say that one tells nothing or is off by little."""
        wanted, given = (
            np.stack([np.asarray(a).reshape(-1) for a in arrays]) for arrays in (self.references, self.outputs)
        )
        if self.floor.source == "steps" or wanted.dtype.kind != "f":
            return self._of_integers(wanted, given, alone)
        if all(one.status is Status.PASS for one in alone) or not self._can_be_drawn:
            return alone
        if not np.isfinite(wanted).all() or not np.isfinite(given).all():
            return alone
        times, error = self.table["emulation_times_whole"], np.abs(given - wanted)
        own = _own_rounding(wanted, self.precision, self.table)
        failed = [k for k, one in enumerate(alone) if one.status is Status.FAIL]
        if any((error[k] > _FAR * times * np.maximum(self.floor.largest, own[k])).any() for k in failed):
            return alone
        if not failed and self._power(self.floor) < self.table["floor_snr_db"]:
            return alone  # more noise makes it no better
        drawn = self.draw()
        if any((error[k] > times * np.maximum(drawn[k], own[k])).any() for k in failed):
            return alone
        largest = max(self.floor.largest, *drawn)
        legal = times * np.maximum(largest, own)
        if self._power(dataclasses.replace(self.floor, largest=largest)) < self.table["floor_snr_db"]:
            why = f"off by {error.max():.3g}, which rounding may explain, and all feeds together vary too little"
            said = NumericVerdict(Status.INVALID, why, float(legal.max()))
            return [said if one.status is Status.FAIL else one for one in alone]
        together = [
            NumericVerdict(Status.PASS, "", float(limits.max()))
            if (off <= limits).all()
            else NumericVerdict(
                Status.FAIL, f"off by {off.max():.3g}, and rounding explains {limits.max():.2g}", float(limits.max())
            )
            for off, limits in zip(error, legal, strict=True)
        ]
        return [one if one.status is Status.PASS else new for one, new in zip(alone, together, strict=True)]

    def _power(self, floor: Floor) -> float:
        return signal_over_noise_db(self.references, [floor], self.precision, self.table)

    @property
    def _can_be_drawn(self) -> bool:
        """Whether there is an emulation, and an input that can be moved a little."""
        has_number = any(one.dtype.kind == "f" for one in self.feeds[0])
        return self.floor.source == "emulation" and has_number and not unsupported(self.graph)

    def _of_integers(self, wanted: np.ndarray, given: np.ndarray, alone: list[NumericVerdict]) -> list[NumericVerdict]:
        """Integers are judged feed by feed; what one feed may lack is that they differ."""
        statuses = {one.status for one in alone}
        if Status.INVALID not in statuses or Status.FAIL in statuses:
            return alone
        if self.floor.source == "steps":
            found = steps.judge_steps(wanted, given, self.floor, self.table)
        else:
            is_flat = bool((wanted == wanted.flat[0]).all())
            found = NumericVerdict(Status.INVALID if is_flat else Status.PASS, "", 0.0)
        return alone if found.status is Status.INVALID else [found] * len(alone)


def signal_over_noise_db(
    references: Sequence[np.ndarray], floors: Sequence[Floor], precision: Precision, table: Thresholds
) -> float:
    """By how many dB few elements vary over all feeds above the largest of their emulated errors.

    inf where whole numbers vary that are compared exactly. -inf where nothing varies or was emulated, or something
    leaves the precision's range.
    """
    values = np.stack([np.asarray(r, np.float64).reshape(-1) for r in references])
    if not (values != values.flat[0]).any():
        return -math.inf
    if floors[0].source == "steps":
        return steps.signal_over_noise_db(values, max(floors, key=lambda one: one.rmse))
    if references[0].dtype.kind != "f":
        return math.inf
    most = FP16_MAX if precision is Precision.FP16 else math.inf
    is_known = all(one.source == "emulation" and not one.leaves_float32 for one in floors)
    if not is_known or not np.isfinite(values).all() or np.abs(values).max() > most:
        return -math.inf
    noise = np.maximum(max(one.largest for one in floors), _own_rounding(values, precision, table))
    return 20 * math.log10(float(values.std()) / float(noise.max()))


def _own_rounding(values: np.ndarray, precision: Precision, table: Thresholds) -> np.ndarray:
    """Whatever was emulated, a value may be off by its own rounding."""
    smallest = 2.0**-14 if precision is Precision.FP16 else 2.0**-126
    return np.asarray(table.ulp(precision) * np.maximum(np.abs(values), smallest))
