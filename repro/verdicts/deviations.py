"""An output's error in units of its noise floor: of the whole, of rows, of channels, of elements, in one pass.

Key insight: the power of two below a float is its bits with the fraction masked out, so the floor of every element
is two or three vector operations away, and all that the rule asks about fits in one pass over blocks that stay in
the processor's cache. The error is taken in float64 where float32 is judged; its size in floors needs no more
than float32.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from repro.verdicts.noise_floor import Deviations, Floor
from repro.verdicts.thresholds import Thresholds
from runner.run import Precision

BLOCK = 65536  # elements in a block: four arrays of float32 fill a megabyte, which a cache holds
_SMALLEST_NORMAL = {Precision.FP16: 2.0**-14, Precision.FP32: 2.0**-126}
# Within these magnitudes float32 has room for errors of a part in a hundred million, and for their squares.
_ROOM = (2.0**-40, 2.0**40)
_TYPICAL = 512  # elements that tell the usual floor of a tensor


def as_rows(array: np.ndarray) -> np.ndarray:
    """[rows, channels]: the last axis is the channel; ranks 0 and 1 are one row."""
    return array.reshape(-1, array.shape[-1]) if array.ndim > 1 else array.reshape(1, -1)


@dataclass(frozen=True)
class Measured:
    """One pass over a reference and an output.

    low, high: of the reference. signal, spread: RMS and standard deviation of the reference in floors. places: index
    of the worst row, channel, row_gain and channel_gain.
    """

    deviations: Deviations
    low: float
    high: float
    signal: float
    spread: float
    places: dict[str, int]

    @property
    def is_finite(self) -> bool:
        return math.isfinite(self.deviations.tensor) and math.isfinite(self.spread)


@dataclass(frozen=True)
class Yardstick:
    """A floor, and what it is applied with: how large the noise of each element may be."""

    floor: Floor
    precision: Precision
    table: Thresholds

    @property
    def is_sharp(self) -> bool:
        """Whether fp16's own limits hold: for a floor that is one number for a whole tensor they are too narrow."""
        return bool(self.floor.curve) and self.precision is Precision.FP16

    def of(self, reference: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """s of each element of [rows, channels], contiguous, float32 or float64."""
        constant, linear, square = self._coefficients[reference.dtype]
        power = np.empty_like(reference) if out is None else out
        bits, mask = (np.uint32, 0xFF << 23) if reference.dtype == np.float32 else (np.uint64, 0x7FF << 52)
        np.bitwise_and(reference.view(bits), bits(mask), out=power.view(bits))
        np.multiply(power, linear if square is None else linear + square * power, out=power)
        return np.add(power, constant, out=power)

    @cached_property
    def _coefficients(self) -> dict[np.dtype, tuple[np.ndarray, np.ndarray, np.ndarray | None]]:
        a, b, c = self.floor.curve or (self.floor.rmse, 0.0, 0.0)
        channels = np.asarray(self.floor.channels or (1.0,))
        # Whatever was emulated, a value may be off by its own rounding.
        ulps = self.table["own_ulps_fp16"] if self.is_sharp else self.table["own_ulps_fp32"]
        own = ulps * self.table.ulp(self.precision)
        constant, linear = a * channels + own * _SMALLEST_NORMAL[self.precision], np.maximum(b * channels, own)
        return {
            np.dtype(kind): (constant.astype(kind), linear.astype(kind), (c * channels).astype(kind) if c else None)
            for kind in (np.float32, np.float64)
        }

    def limits(self, shape: tuple[int, ...]) -> dict[str, float]:
        """The largest legal deviations of [rows, channels], by the names of `Deviations`, gross ones first."""
        rows, width = shape
        table, emulated, times = self.table, self.floor.emulated, self.table["emulation_times"]
        if self.is_sharp:
            element, group = table["element_floors_fp16"], table["group_rmse_floors_fp16"]
            errors, share = table["coherent_errors_fp16"], table["coherent_share_fp16"]
        else:
            element, group = table["element_floors_fp32"], table["group_rmse_floors_fp32"]
            errors, share = table["coherent_errors_fp32"], table["coherent_share_fp32"]
        element = max(element, times * emulated.element)
        # One legal element must not fail its group, so a small group's limit follows the element's.
        found = {
            "tensor": max(table["tensor_rmse_floors"], element / math.sqrt(rows * width)),
            "element": element,
            "row": max(group, element / math.sqrt(width)),
            "channel": max(group, element / math.sqrt(rows)),
            "offset": max(errors, share * math.sqrt(rows * width)),
            "gain": max(errors, share * math.sqrt(rows * width)),
            "row_gain": max(errors, share * math.sqrt(width)),
            "channel_gain": max(errors, share * math.sqrt(rows)),
        }
        whole = dict.fromkeys(("offset", "gain"), table["emulation_times_whole"])
        return {name: max(limit, whole.get(name, times) * getattr(emulated, name)) for name, limit in found.items()}

    def typical(self, reference: np.ndarray) -> float:
        """The median s over elements of [rows, channels], as many as tell it."""
        some = np.ascontiguousarray(reference[:: max(1, reference.size // _TYPICAL)])
        return float(np.median(self.of(some)))


def measure(reference: np.ndarray, actual: np.ndarray, yardstick: Yardstick) -> Measured:
    """Hold [rows, channels] against its float64 reference, in floors. Pure; what is read is not written."""
    with np.errstate(invalid="ignore", over="ignore"):
        found = _measure(reference, actual, yardstick, np.float32)
        peak = max(abs(found.low), abs(found.high))
        if found.is_finite and (peak == 0 or _ROOM[0] <= peak <= _ROOM[1]):
            return found
        return _measure(reference, actual, yardstick, np.float64)


def _measure(reference: np.ndarray, actual: np.ndarray, yardstick: Yardstick, dtype: type[np.floating]) -> Measured:
    rows, width = reference.shape
    step = max(1, min(rows, BLOCK // width))
    error, signal, unit = (np.empty((step, width), dtype) for _ in range(3))
    wide = np.empty((step, width)) if yardstick.precision is Precision.FP32 or dtype is np.float64 else None
    low, high, peak, sum_error, sum_signal = math.inf, -math.inf, 0.0, 0.0, 0.0
    by_row, by_channel = np.empty((3, rows)), np.zeros((3, width))
    for start in range(0, rows, step):
        r, a = reference[start : start + step], actual[start : start + step]
        n = len(r)
        d, q, s = error[:n], signal[:n], unit[:n]
        np.copyto(q, r, casting="same_kind")
        if wide is None:
            np.subtract(a, q, out=d, casting="same_kind")
        else:
            # Converting first is faster than a subtraction of mixed types.
            np.copyto(wide[:n], a)
            np.subtract(wide[:n], r, out=wide[:n])
            np.copyto(d, wide[:n], casting="same_kind")
        low, high = min(low, float(q.min())), max(high, float(q.max()))
        yardstick.of(q, s)
        np.divide(d, s, out=d)
        np.divide(q, s, out=q)
        peak = max(peak, float(d.max()), -float(d.min()))
        sum_error += float(np.einsum("ij->", d))
        sum_signal += float(np.einsum("ij->", q))
        for k, (x, y) in enumerate(((d, d), (d, q), (q, q))):
            by_row[k, start : start + n] = np.einsum("ij,ij->i", x, y)
            by_channel[k] += np.einsum("ij,ij->j", x, y)
    total, size = by_row.sum(axis=1), reference.size
    places, worst = {}, {}
    for name, sums, members in (("row", by_row, width), ("channel", by_channel, rows)):
        rms, gain = np.sqrt(sums[0] / members), _standard_errors(sums[1], sums[2])
        for what, values in ((name, rms), (f"{name}_gain", gain)):
            places[what] = int(values.argmax())
            worst[what] = float(values[places[what]])
    deviations = Deviations(
        tensor=math.sqrt(total[0] / size),
        element=peak,
        offset=abs(sum_error) / math.sqrt(size),
        gain=float(_standard_errors(total[1], total[2])),
        **worst,
    )
    spread = math.sqrt(max(0.0, total[2] / size - (sum_signal / size) ** 2))
    return Measured(deviations, low, high, math.sqrt(total[2] / size), spread, places)


def _standard_errors(products: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """The fitted gain over its standard error, where every element's error is one floor."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(squares > 0, np.abs(products) / np.sqrt(squares), 0.0)
