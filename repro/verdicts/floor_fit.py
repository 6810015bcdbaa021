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

import numpy as np

from repro.verdicts.deviations import Yardstick, as_rows, measure
from repro.verdicts.noise_floor import Deviations, Floor
from repro.verdicts.thresholds import DEFAULT
from runner.run import FP16_MAX, Precision

_MEMBERS = 64  # elements that a power of two needs to have a say of its own
_PRIOR = 16  # elements with the noise of the curve that every channel is taken to have besides its own
_SHORTEST = 8  # rows from which on a channel has enough elements to differ from the curve


def fitted_floor(
    references: Sequence[np.ndarray],
    emulations: Sequence[Sequence[np.ndarray]],
    depth: int,
    precision: Precision,
) -> Floor | None:
    """The floor of an output; None where an emulation is not finite though the reference is.

    references[k]: float64, after feed k. emulations[m][k]: the same in the m-th arithmetic. Elements beyond
    float16's range may overflow: they are left to the judge, which leaves them out.
    """
    right = [as_rows(np.asarray(r, dtype=np.float64)) for r in references]
    errors: list[list[np.ndarray]] = [[] for _ in emulations]
    for k, r in enumerate(right):
        usable = np.isfinite(r)
        for emulated in emulations:
            usable = usable & np.isfinite(as_rows(emulated[k]))
        if (~usable & (np.abs(r) <= FP16_MAX)).any() or not usable.any():
            return None
        right[k] = np.where(usable, r, 0.0)
        for found, emulated in zip(errors, emulations, strict=True):
            found.append(np.where(usable, as_rows(emulated[k]) - r, 0.0))
    sizes = _sizes(right)
    scaled = [r / size for r, size in zip(right, sizes, strict=True)]
    noise = [[e / size for e, size in zip(found, sizes, strict=True)] for found in errors]
    rmse = max(_rms(e) for found in noise for e in found)
    floor = Floor(rmse, "emulation", depth, curve=_curve(scaled, noise))
    floor = dataclasses.replace(floor, channels=_channels(scaled, noise, floor, precision))
    shown = [
        measure(r, r + e, Yardstick(floor, precision, DEFAULT)).deviations
        for found in noise
        for r, e in zip(scaled, found, strict=True)
    ]
    worst = {f.name: max(getattr(one, f.name) for one in shown) for f in dataclasses.fields(Deviations)}
    return dataclasses.replace(floor, emulated=Deviations(**worst))


def relative_sizes(references: Sequence[np.ndarray]) -> tuple[float, ...]:
    """Size of each feed's reference over the first one's, a power of two; empty where they are all alike."""
    sizes = _sizes([np.asarray(r, dtype=np.float64) for r in references])
    return tuple(sizes) if any(size != 1.0 for size in sizes) else ()


def _sizes(references: Sequence[np.ndarray]) -> list[float]:
    with np.errstate(over="ignore", invalid="ignore"):
        sizes = [_rms(r) for r in references]
    if not all(0 < size < math.inf for size in sizes):
        return [1.0] * len(sizes)
    ratios = (size / sizes[0] for size in sizes)
    return [2.0 ** round(math.log2(ratio)) if not 0.5 < ratio < 2 else 1.0 for ratio in ratios]


def _rms(values: np.ndarray) -> float:
    peak = float(np.abs(values).max(initial=0.0))
    return peak * math.sqrt(float(np.mean((values / peak) ** 2))) if peak > 0 else 0.0


def _curve(references: Sequence[np.ndarray], noise: Sequence[Sequence[np.ndarray]]) -> tuple[float, float, float]:
    """(a, b, c) of the floor, fitted to the RMS error of the elements below each power of two.

    The larger one of the emulations' errors counts. Exact zeros that stay zero (what a RELU cut off) say nothing of
    the noise of the small values beside them.
    """
    r = np.concatenate([x.ravel() for x in references])
    errors = [np.concatenate([x.ravel() for x in found]) for found in noise]
    telling = r != 0
    for error in errors:
        telling |= error != 0
    if not telling.any():
        return (0.0, 0.0, 0.0)
    values = np.abs(r[telling])
    exponents = np.frexp(np.where(values > 0, values, values.max(initial=0.0)))[1] - 1
    exponents[values == 0] = exponents.min()
    squares = [np.square(error[telling]) for error in errors]
    smallest = int(exponents.min())
    counts = np.bincount(exponents - smallest)
    sums = [np.bincount(exponents - smallest, weights=square) for square in squares]
    needed = _MEMBERS if counts.sum() >= 4 * _MEMBERS else counts.sum()
    powers, sizes = [], []
    start = 0
    for stop in range(1, len(counts) + 1):
        members = int(counts[start:stop].sum())
        if members and (members >= needed or stop == len(counts)):
            weights = counts[start:stop] * 2.0 ** np.arange(start + smallest, stop + smallest)
            powers.append(float(weights.sum()) / members)
            sizes.append(max(math.sqrt(float(total[start:stop].sum()) / members) for total in sums))
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


def _channels(
    references: Sequence[np.ndarray], noise: Sequence[Sequence[np.ndarray]], floor: Floor, precision: Precision
) -> tuple[float, ...]:
    """By how much the noise of each channel differs from the curve, drawn towards 1 where it has few elements."""
    r = np.concatenate(references)
    if len(r) < _SHORTEST or r.shape[1] < 2:
        return ()
    s = Yardstick(floor, precision, DEFAULT).of(r)
    largest = np.zeros(r.shape[1])
    for found in noise:
        in_floors = np.concatenate(found) / s
        largest = np.maximum(largest, np.einsum("ij,ij->j", in_floors, in_floors))
    factors = np.sqrt((largest + _PRIOR) / (len(r) + _PRIOR))
    return tuple(float(f"{factor:.3g}") for factor in factors)
