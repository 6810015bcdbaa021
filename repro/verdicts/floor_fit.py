"""The floor that emulations of one output show: a curve over magnitude, a factor per channel, what is left over.

Key insight: an emulation is one draw of the noise, so only what many elements share can be learnt from it. Elements
of one power of two share the coarseness of their rounding, those of one channel its weights. What the curve and the
factors then leave unexplained is kept as well: the emulation's own worst element, row, channel and gain, in units
of the floor. A delegate may deviate as much, times a little, and no more.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from repro.verdicts.bfloat16 import needs_few_bits
from repro.verdicts.deviations import Yardstick, as_rows, measure
from repro.verdicts.few_elements import is_few
from repro.verdicts.noise_floor import Deviations, Floor
from repro.verdicts.thresholds import DEFAULT
from repro.verdicts.value_range import FP16_LAST_POWER, LARGEST
from runner.run import Precision

_MEMBERS = 64  # elements that a power of two needs to have a say of its own
_PRIOR = 16  # elements with the noise of the curve that every channel is taken to have besides its own
_SHORTEST = 8  # rows from which on a channel has enough elements to differ from the curve
_UNLIKE = 256.0  # floors that a lone element is off by: what it is off by has nothing to do with its size
_TAKEN_FOR_ZERO = {Precision.FP32: 2.0**-126, Precision.FP16: 2.0**-25}
"""GPUs flush what float32 holds with fewer bits below this; float16 rounds half its smallest number to zero."""
_LARGEST_RATIO = 100  # powers of two between the sizes of two feeds
_FITTED = 1 << 18  # elements of one draw that the curve and the factors are fitted to, spread over all rows


def fitted_floor(
    references: Sequence[np.ndarray],
    emulations: Sequence[Sequence[np.ndarray]],
    depth: int,
    precision: Precision,
) -> Floor | None:
    """The floor of an output; None where an emulation is not finite though the reference is.

    references[k]: float64, after feed k. emulations[m][k]: the same in the m-th arithmetic, of the first feeds or of
    all. Elements beyond float16's range may overflow, and such as end in its last power of two may round beyond it:
    they are left to the judge, which knows how far their noise reaches. A feed that has no others says nothing of
    rounding.
    """
    right = [as_rows(np.asarray(r, dtype=np.float64)) for r in references]
    sizes = _sizes(right, precision)
    usable: dict[int, np.ndarray] = {}
    for k, r in enumerate(right):
        finite = np.isfinite(r)
        for of_kind in emulations:
            if k < len(of_kind):
                finite = finite & np.isfinite(as_rows(of_kind[k]))
        if (~finite & (np.abs(r) < FP16_LAST_POWER)).any():
            return None
        if finite.any():
            usable[k] = finite & (np.abs(r) <= LARGEST[precision])
            right[k] = np.where(usable[k], r, 0.0)
    draws = [
        [_Draw(right[k], as_rows(of_kind[k]), usable[k], sizes[k]) for k in usable if k < len(of_kind)]
        for of_kind in emulations
    ]
    if not all(draws):
        return None
    rmse = max(_rms(draw.noise()) for of_kind in draws for draw in of_kind)
    some = [[draw.thinned() for draw in of_kind] for of_kind in draws]
    largest = max(draw.largest() for of_kind in draws for draw in of_kind) if is_few(right[0]) else 0.0
    few_bits = precision is Precision.FP16 and needs_few_bits(emulations[0][0])
    floor = Floor(rmse, "emulation", depth, curve=_curve(some, precision), largest=largest, few_bits=few_bits)
    floor = dataclasses.replace(floor, channels=_channels(some, floor, precision))
    floor = dataclasses.replace(floor, emulated=_left_over(draws, floor, precision))
    if floor.emulated.element <= _UNLIKE:
        return floor
    # A sigmoid behind a noisy sum turns 1e-6 into 1e-2 here and leaves it there: then one number is as good as a curve.
    flat = dataclasses.replace(floor, curve=(rmse, 0.0, 0.0), channels=(), emulated=Deviations())
    flat = dataclasses.replace(flat, emulated=_left_over(draws, flat, precision))
    return min(floor, flat, key=lambda one: one.emulated.element)


def _left_over(draws: Sequence[Sequence[_Draw]], floor: Floor, precision: Precision) -> Deviations:
    """The largest deviations of the emulations themselves, in units of a floor."""
    yardstick = Yardstick(floor, precision, DEFAULT)
    shown = [measure(*draw.held_against(), yardstick).deviations for of_kind in draws for draw in of_kind]
    return Deviations(**{f.name: max(getattr(one, f.name) for one in shown) for f in dataclasses.fields(Deviations)})


@dataclass(frozen=True, eq=False)
class _Draw:
    """One emulation after one feed: [rows, channels] that are computed when they are asked for, one draw at a time.

    size: of the feed's reference over the first one's, which both are divided by.
    """

    right: np.ndarray
    emulated: np.ndarray
    usable: np.ndarray
    size: float

    def reference(self) -> np.ndarray:
        return self.right / self.size

    def noise(self) -> np.ndarray:
        return np.where(self.usable, self.emulated - self.right, 0.0) / self.size

    def largest(self) -> float:
        """The largest error, in the output's own units."""
        return float(np.abs(self.noise()).max(initial=0.0)) * self.size

    def held_against(self) -> tuple[np.ndarray, np.ndarray]:
        """The reference and what the emulation made of it."""
        reference = self.reference()
        return reference, reference + self.noise()

    def thinned(self) -> _Draw:
        """As many rows as the fit needs, evenly spread; an odd step, so that no column of an image is met alone."""
        step = self.right.size // _FITTED | 1
        return _Draw(self.right[::step], self.emulated[::step], self.usable[::step], self.size)


def relative_sizes(references: Sequence[np.ndarray], precision: Precision) -> tuple[float, ...]:
    """Size of each feed's reference over the first one's, a power of two; empty where they are all alike.

    What the precision cannot hold is not judged, so it has no say.
    """
    sizes = _sizes([np.asarray(r, dtype=np.float64) for r in references], precision)
    return tuple(sizes) if any(size != 1.0 for size in sizes) else ()


def _sizes(references: Sequence[np.ndarray], precision: Precision) -> list[float]:
    with np.errstate(over="ignore", invalid="ignore"):
        sizes = [_rms(np.where(np.abs(r) <= LARGEST[precision], r, 0.0)) for r in references]
    if not all(0 < size < math.inf for size in sizes):
        return [1.0] * len(sizes)
    powers = (math.log2(size) - math.log2(sizes[0]) for size in sizes)
    held = (max(-_LARGEST_RATIO, min(_LARGEST_RATIO, power)) for power in powers)
    return [2.0 ** round(power) if abs(power) >= 1 else 1.0 for power in held]


def _rms(values: np.ndarray) -> float:
    peak = float(np.abs(values).max(initial=0.0))
    return peak * math.sqrt(float(np.mean((values / peak) ** 2))) if peak > 0 else 0.0


def _curve(draws: Sequence[Sequence[_Draw]], precision: Precision) -> tuple[float, float, float]:
    """(a, b, c) of the floor, fitted to the RMS error of the elements below each power of two.

    The larger one of the emulations' errors counts. Zeros that stay zero (what a RELU cut off, a product of a thousand
    factors) say nothing of the noise of the small values beside them.
    """
    none = _TAKEN_FOR_ZERO[precision]
    pairs = []
    for of_kind in draws:
        r = np.concatenate([draw.reference().ravel() for draw in of_kind])
        error = np.concatenate([draw.noise().ravel() for draw in of_kind])
        telling = (np.abs(r) > none) | (np.abs(error) > none)
        pairs.append((np.abs(r[telling]), np.square(error[telling])))
    positive = [values[values > 0] for values, _ in pairs]
    if not any(values.size for values, _ in pairs):
        return (0.0, 0.0, 0.0)
    # A zero is as noisy as the smallest value; where all are zero, any power of two is as good.
    lowest = min((int(np.frexp(values.min())[1]) - 1 for values in positive if values.size), default=0)
    highest = max((int(np.frexp(values.max())[1]) - 1 for values in positive if values.size), default=0)
    counts, sums = np.zeros((2, len(pairs), highest - lowest + 1))
    for (values, squares), count, total in zip(pairs, counts, sums, strict=True):
        bins = np.where(values > 0, np.frexp(values)[1] - 1, lowest) - lowest
        count += np.bincount(bins, minlength=len(count))
        total += np.bincount(bins, weights=squares, minlength=len(total))
    most = counts.max(axis=0)
    needed = _MEMBERS if most.sum() >= 4 * _MEMBERS else most.sum()
    powers, sizes = [], []
    start = 0
    for stop in range(1, len(most) + 1):
        members = most[start:stop].sum()
        if members and (members >= needed or stop == len(most)):
            weights = most[start:stop] * 2.0 ** np.arange(start + lowest, stop + lowest)
            powers.append(float(weights.sum() / members))
            of_kinds = sums[:, start:stop].sum(axis=1) / np.maximum(counts[:, start:stop].sum(axis=1), 1)
            sizes.append(math.sqrt(float(of_kinds.max())))
            start = stop
    # A larger value may not have a smaller floor by luck.
    return _fitted(np.array(powers), np.maximum.accumulate(sizes))


def _fitted(powers: np.ndarray, sizes: np.ndarray) -> tuple[float, float, float]:
    """Least squares of the relative misfit over a, b, c >= 0: the best of the fits that leave some of them out."""
    top, largest = float(powers.max()), float(sizes.max())
    if largest == 0:
        return (0.0, 0.0, 0.0)
    x, y = powers / top, np.maximum(sizes / largest, 1e-9)
    terms = np.stack([np.ones_like(x), x, x * x], axis=1) / y[:, None]
    best, kept = np.zeros(3), math.inf
    for count in (1, 2, 3):
        for chosen in itertools.combinations(range(3), count):
            part = terms[:, chosen]
            solved = np.linalg.lstsq(part, np.ones(len(y)), rcond=None)[0]
            misfit = float(np.square(part @ solved - 1).sum())
            if (solved >= 0).all() and misfit < kept - 1e-12:
                best, kept = np.zeros(3), misfit
                best[list(chosen)] = solved
    a, b, c = (float(v) for v in best * largest)
    return (a, b / top, c / top**2)


def _channels(draws: Sequence[Sequence[_Draw]], floor: Floor, precision: Precision) -> tuple[float, ...]:
    """By how much the noise of each channel differs from the curve, drawn towards 1 where it has few elements."""
    rows = sum(len(draw.right) for draw in max(draws, key=len))
    width = draws[0][0].right.shape[1]
    if rows < _SHORTEST or width < 2:
        return ()
    yardstick = Yardstick(floor, precision, DEFAULT)
    largest = np.zeros(width)
    for of_kind in draws:
        total, count = np.zeros(width), 0
        for draw in of_kind:
            in_floors = draw.noise() / yardstick.of(np.ascontiguousarray(draw.reference()))
            total += np.einsum("ij,ij->j", in_floors, in_floors)
            count += len(in_floors)
        # A kind that saw fewer feeds than others is taken to have shown as much in those.
        largest = np.maximum(largest, total * (rows / count))
    factors = np.sqrt((largest + _PRIOR) / (rows + _PRIOR))
    return tuple(float(f"{factor:.3g}") for factor in factors)
