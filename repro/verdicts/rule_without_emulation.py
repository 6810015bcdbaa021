"""The rule without an emulation: ulps per root of the depth, variance SNR, the worst channel's correlation.

For graphs with an op that our evaluator does not know, or whose emulation overflows. Coarse: it knows the size of
one rounding and how many there are, and nothing of where they fall.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from repro.verdicts.dot import dot
from repro.verdicts.thresholds import Thresholds
from repro.verdicts.verdict import NumericVerdict, Status
from runner.run import Precision

BLOCK = 131072  # elements of float64 in a block: a megabyte, which a last-level cache holds


@dataclass
class Sums:
    """One pass over reference r and error d = actual - r."""

    n: int = 0
    rows: int = 0
    width: int = 1
    r_min: float = math.inf
    r_max: float = -math.inf
    r_sum: float = 0.0
    r_square: float = 0.0
    d_max: float = 0.0
    d_sum: float = 0.0
    d_square: float = 0.0
    d_r: float = 0.0

    @property
    def r_peak(self) -> float:
        return max(abs(self.r_min), abs(self.r_max))

    @property
    def r_mean(self) -> float:
        return self.r_sum / self.n

    @property
    def r_std(self) -> float:
        return math.sqrt(max(0.0, self.r_square / self.n - self.r_mean**2))

    @property
    def rmse(self) -> float:
        return math.sqrt(self.d_square / self.n)

    @property
    def offset(self) -> float:
        return self.d_sum / self.n

    @property
    def gain(self) -> float:
        """Slope of the error over the reference, least squares."""
        variance = self.r_std**2 * self.n
        return (self.d_r - self.d_sum * self.r_mean) / variance if variance > 0 else 0.0


def sums_of(reference: np.ndarray, actual: np.ndarray) -> Sums:
    """The statistics of one pass. Both [rows, channels]; reference float64."""
    rows, width = reference.shape
    found = Sums(n=reference.size, rows=rows, width=width)
    step = max(1, BLOCK // width)
    buffer = np.empty((min(step, rows), width))
    for start in range(0, rows, step):
        r = reference[start : start + step]
        d = buffer[: len(r)]
        # Converting first is faster than a subtraction of mixed types.
        np.copyto(d, actual[start : start + step])
        np.subtract(d, r, out=d)
        flat_r, flat_d = r.reshape(-1), d.reshape(-1)
        found.r_min = min(found.r_min, float(flat_r.min()))
        found.r_max = max(found.r_max, float(flat_r.max()))
        found.d_max = max(found.d_max, float(flat_d.max()), -float(flat_d.min()))
        found.r_sum += float(np.einsum("i->", flat_r))
        found.d_sum += float(np.einsum("i->", flat_d))
        found.r_square += dot(flat_r, flat_r)
        found.d_square += dot(flat_d, flat_d)
        found.d_r += dot(flat_d, flat_r)
    return found


def errors_by_depth(r: np.ndarray, depth: int, precision: Precision, table: Thresholds) -> np.ndarray:
    """By how much each element of [rows, channels] may be off."""
    noise = table.rule_ulp(precision) * math.sqrt(max(1, depth))
    return np.asarray(table["rule_element"] * noise * (np.abs(r) + np.sqrt(np.mean(np.square(r)))))


def judge_by_depth(
    r: np.ndarray, a: np.ndarray, found: Sums, depth: int, precision: Precision, table: Thresholds
) -> NumericVerdict:
    """Judge [rows, channels] that are finite and not constant. found: their sums; depth: accumulations."""
    ulp = table.rule_ulp(precision)
    noise = ulp * math.sqrt(max(1, depth))
    rms = math.sqrt(found.r_square / found.n)
    snr_limit = table.rule_snr_db(precision)
    signal = found.r_std if found.n > 1 else found.r_peak
    share = 10 ** (-snr_limit / 20)
    power = max(signal * share, 0.0)
    if found.d_max > table["rule_element"] * noise * rms:
        d = np.abs(a - r)
        excess = d / (np.abs(r) + rms)
        worst = int(excess.argmax())
        if excess.flat[worst] > table["rule_element"] * noise:
            return NumericVerdict(
                Status.FAIL,
                f"element {worst} is off by {d.flat[worst]:.3g}, {excess.flat[worst] / noise:.3g} roundings; the limit "
                f"is {table['rule_element']:g}",
                power,
            )
    if found.n > 1 and found.rmse > signal * share:
        snr = 20 * math.log10(signal / found.rmse)
        reason = f"off by {100 * found.rmse / signal:.2g} % of its spread, where {100 * share:.2g} % are allowed"
        detail = f"variance SNR {snr:.1f} dB, the limit is {snr_limit:g} dB"
        return NumericVerdict(Status.FAIL, reason, power, detail)
    if found.n > 1:
        if abs(found.offset) > signal * share / 2:
            return NumericVerdict(Status.FAIL, _coherent("offset", found.offset, signal * share / 2), power)
        if abs(found.gain) > share / 2:
            return NumericVerdict(Status.FAIL, _coherent("gain", found.gain, share / 2), power)
    if len(r) > 1 and found.d_max > 0:
        worst_channel = _worst_channel(r, a, noise * rms, table["rule_channel_pearson"])
        if worst_channel:
            return NumericVerdict(Status.FAIL, worst_channel, power)
    return NumericVerdict(Status.PASS, "", power)


def _worst_channel(r: np.ndarray, a: np.ndarray, noise: float, limit: float) -> str:
    centred_r = r - r.mean(axis=0)
    centred_a = a - a.mean(axis=0, dtype=np.float64)
    square_r = np.einsum("ij,ij->j", centred_r, centred_r)
    square_a = np.einsum("ij,ij->j", centred_a, centred_a)
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = np.einsum("ij,ij->j", centred_r, centred_a) / np.sqrt(square_r * square_a)
    # A channel that barely varies decorrelates by rounding alone: only its error can speak for it.
    readable = np.sqrt(square_r / len(r)) > 10 * noise
    correlation = np.where(readable, np.nan_to_num(correlation, nan=0.0), 1.0)
    worst = int(correlation.argmin())
    if correlation[worst] < limit:
        return f"channel {worst} correlates {correlation[worst]:.4f} with the reference, the limit is {limit:g}"
    return ""


def _coherent(what: str, value: float, limit: float) -> str:
    return f"a common {what} of {value:+.3g} across the tensor, the limit is {limit:.3g}"
