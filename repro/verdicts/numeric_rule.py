"""The numeric rule: is this output within what its precision may legally do to this graph?

With an emulated noise floor s, in float64: the error of the whole tensor, of every row and channel, and
of every element is held against multiples of s, and the coherent part of it (a common gain or offset)
against its own standard error, which shows faults far below the noise of one element. Without an
emulation a coarser rule in ulps, SNR and worst-channel correlation stands in. Before either: has the
comparison any power at all? All limits come from `repro.verdicts.thresholds`.

A passing tensor is read once, in blocks that stay in the processor's cache: rows and channels are summed
only where some element exceeds what no row or channel mean can hide.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from repro.verdicts.noise_floor import Floor
from repro.verdicts.thresholds import Thresholds
from repro.verdicts.verdict import Status
from runner.run import FP16_MAX, Precision

BLOCK = 131072  # elements of float64 in a block: a megabyte, which a last-level cache holds


@dataclass(frozen=True)
class NumericVerdict:
    """What the rule says: `status` is PASS, FAIL or INVALID; one line why; the power of the comparison."""

    status: Status
    reason: str
    power: float


@dataclass
class _Sums:
    """One pass over reference r and error d = actual - r, both possibly scaled."""

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


def as_rows(array: np.ndarray) -> np.ndarray:
    """[rows, channels]: the last axis is the channel; ranks 0 and 1 are one row."""
    return array.reshape(-1, array.shape[-1]) if array.ndim > 1 else array.reshape(1, -1)


def _sums(reference: np.ndarray, actual: np.ndarray) -> _Sums:
    """The statistics of one pass. Both [rows, channels]; reference float64."""
    rows, width = reference.shape
    found = _Sums(n=reference.size, rows=rows, width=width)
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
        found.r_square += _dot(flat_r, flat_r)
        found.d_square += _dot(flat_d, flat_d)
        found.d_r += _dot(flat_d, flat_r)
    return found


def _dot(x: np.ndarray, y: np.ndarray) -> float:
    """Dot product in pieces too short for BLAS to start threads, which cost more than they bring on a busy machine."""
    return sum(float(np.dot(x[i : i + 8192], y[i : i + 8192])) for i in range(0, x.size, 8192))


def _flat_reference(low: float, high: float, size: int, table: Thresholds) -> str:
    peak = max(abs(low), abs(high))
    if size == 1:
        return "the reference is one zero" if peak == 0 else ""
    if low == high:
        return f"the reference is constant ({low:.6g})"
    limit = table["span_ulps"] * table["fp16_ulp"] * peak
    if high - low < limit:
        return f"the reference spans {high - low:.3g} around {peak:.3g}: less than {table['span_ulps']:g} fp16 ulps"
    return ""


def judge_numbers(
    reference: np.ndarray, actual: np.ndarray, floor: Floor, precision: Precision, table: Thresholds
) -> NumericVerdict:
    """Judge one finite-or-not float output against its reference, same shape.

    Non-finite actual values fail. Pure; reads, never writes, its arrays.
    """
    if reference.size == 0:
        return NumericVerdict(Status.INVALID, "the output has no elements", 0.0)
    r = as_rows(np.asarray(reference, dtype=np.float64))
    a = as_rows(np.asarray(actual))
    with np.errstate(invalid="ignore", over="ignore"):
        found = _sums(r, a)
        if not (math.isfinite(found.d_square) and math.isfinite(found.r_square)):
            return _judge_not_finite(r, a, floor, precision, table)
        if floor.source == "emulation" and (floor.levels or (precision is Precision.FP16 and found.r_peak > FP16_MAX)):
            return _judge_levels(r, a, floor, precision, table)
        flat = _flat_reference(found.r_min, found.r_max, found.n, table)
        if flat:
            return NumericVerdict(Status.INVALID, flat + _difference(found), 0.0)
        if floor.source == "emulation":
            s = max(floor.rmse, table.ulp(precision) * 2.0 ** math.floor(math.log2(found.r_peak)))
            return _by_floor(r, a, found, s, floor, precision, table)
        return _by_rule(r, a, found, floor, precision, table)


def _difference(found: _Sums) -> str:
    return f"; the output differs from it by up to {found.d_max:.3g}" if found.d_max > 0 else ""


def _judge_not_finite(
    r: np.ndarray, a: np.ndarray, floor: Floor, precision: Precision, table: Thresholds
) -> NumericVerdict:
    """A sum overflowed: some value is NaN, infinite or so large that its square is."""
    bad_reference = ~np.isfinite(r)
    if bad_reference.any():
        return NumericVerdict(Status.INVALID, f"the reference is not finite in {_count(bad_reference)}", 0.0)
    bad = ~np.isfinite(a)
    if precision is Precision.FP16:
        bad &= np.abs(r) <= FP16_MAX
    if bad.any():
        return NumericVerdict(Status.FAIL, f"{_count(bad)} not finite", 0.0)
    return _judge_levels(r, a, floor, precision, table)


def _judge_levels(
    r: np.ndarray, a: np.ndarray, floor: Floor, precision: Precision, table: Thresholds
) -> NumericVerdict:
    """Judge errors in units of the floor at each element's magnitude.

    Elements beyond float16's range are not judged in fp16 (overflow is legal there), and the reason
    says how many.
    """
    magnitude = np.abs(r)
    judged = magnitude <= FP16_MAX if precision is Precision.FP16 else np.ones(r.shape, dtype=bool)
    left_out = r.size - int(judged.sum())
    if left_out == r.size:
        return NumericVerdict(Status.INVALID, "every element of the reference is beyond float16's range", 0.0)
    flat = _flat_reference(float(r[judged].min()), float(r[judged].max()), int(judged.sum()), table)
    if flat:
        return NumericVerdict(Status.INVALID, flat, 0.0)
    s = floor_of(magnitude, floor, precision, table)
    scaled_r = np.where(judged, r / s, 0.0)
    scaled_a = np.where(judged, a.astype(np.float64) / s, 0.0)
    found = _sums(scaled_r, scaled_a)
    spread = float(np.std(r[judged]))
    plain_snr = 20 * math.log10(spread / floor.rmse) if floor.rmse > 0 and 0 < spread < math.inf else -math.inf
    unit = Floor(1.0, floor.source, floor.depth, floor.gain, floor.offset / float(np.median(s)))
    result = _by_floor(scaled_r, scaled_a, found, 1.0, unit, precision, table, float(np.median(s)), plain_snr)
    if left_out:
        beyond = f"{left_out}/{r.size} elements are beyond float16's range and were not judged"
        return NumericVerdict(result.status, f"{result.reason}; {beyond}" if result.reason else beyond, result.power)
    return result


def floor_of(magnitude: np.ndarray, floor: Floor, precision: Precision, table: Thresholds) -> np.ndarray:
    """s of every element from its |reference|, never below one ulp of its own value nor the floor of smaller ones."""
    levels = floor.levels or ((0.0, floor.rmse),)
    bounds = np.array([m for m, _ in levels])
    values = np.array([s for _, s in levels])
    s = values[np.clip(np.searchsorted(bounds, magnitude, side="right") - 1, 0, None)]
    return np.maximum(s, table.ulp(precision) * np.maximum(magnitude, np.finfo(np.float32).tiny))


def _by_floor(
    r: np.ndarray,
    a: np.ndarray,
    found: _Sums,
    s: float,
    floor: Floor,
    precision: Precision,
    table: Thresholds,
    typical: float = 1.0,
    plain_snr: float = -math.inf,
) -> NumericVerdict:
    """The rule with an emulated floor. typical: units of s, for reasons and power where errors were scaled."""
    power = table["tensor_rmse_floors"] * s * typical
    signal = found.r_std if found.n > 1 else found.r_peak
    snr = max(plain_snr, 20 * math.log10(signal / s) if signal > 0 else -math.inf)
    if snr < table["floor_snr_db"]:
        reason = f"the noise floor is only {snr:.1f} dB below the signal: a wrong tensor could pass"
        return NumericVerdict(Status.INVALID, reason + _difference(found), power)
    element = table["element_floors"]
    # One legal element must not fail its group, so a small group's limit follows the element's.
    limit = max(table["tensor_rmse_floors"], element / math.sqrt(found.n))
    if found.rmse > limit * s:
        return NumericVerdict(Status.FAIL, _broken("RMS error", found.rmse, limit, s, typical), power)
    if found.d_max > element * s:
        return NumericVerdict(Status.FAIL, _broken("an element's error", found.d_max, element, s, typical), power)
    if found.d_max > table["group_rmse_floors"] * s:
        worst = _worst_group(r, a, s, table)
        if worst:
            return NumericVerdict(Status.FAIL, worst, power)
    if found.n > 1:
        share = table.coherent_share(precision) * s
        legal = table["coherent_emulations"]
        offset_limit = max(table["offset_floors"] * s / math.sqrt(found.n), share, legal * floor.offset)
        if abs(found.offset) > offset_limit:
            return NumericVerdict(
                Status.FAIL, _coherent("offset", found.offset * typical, offset_limit * typical), power
            )
    if found.n > 1 and signal > 0:  # where every value is the same number of floors, a gain is an offset
        gain_limit = max(table["gain_floors"] * s / (math.sqrt(found.n) * signal), share / signal, legal * floor.gain)
        if abs(found.gain) > gain_limit:
            # Where few elements carry the spread (a peaked softmax), their errors alone make a gain.
            gain_limit = max(gain_limit, table["gain_floors"] * _gain_error(r, a, found))
        if abs(found.gain) > gain_limit:
            return NumericVerdict(Status.FAIL, _coherent("gain", found.gain, gain_limit), power)
    return NumericVerdict(Status.PASS, "", power)


def _gain_error(r: np.ndarray, a: np.ndarray, found: _Sums) -> float:
    """Standard error of the fitted gain from its own residuals (White's, which allows unequal variances)."""
    centred = r - found.r_mean
    residual = a - r - found.offset - found.gain * centred
    return float(np.sqrt(np.sum(np.square(centred * residual)))) / (found.n * found.r_std**2)


def _worst_group(r: np.ndarray, a: np.ndarray, s: float, table: Thresholds) -> str:
    rows, channels = np.empty(len(r)), np.zeros(r.shape[1])
    step = max(1, BLOCK // r.shape[1])
    for start in range(0, len(r), step):
        d = a[start : start + step] - r[start : start + step]
        rows[start : start + step] = np.einsum("ij,ij->i", d, d)
        channels += np.einsum("ij,ij->j", d, d)
    for what, squares, members in (("row", rows, r.shape[1]), ("channel", channels, len(r))):
        worst = int(squares.argmax())
        rmse = math.sqrt(squares[worst] / members)
        limit = max(table["group_rmse_floors"], table["element_floors"] / math.sqrt(members))
        if rmse > limit * s:
            return _broken(f"RMS error of {what} {worst}", rmse, limit, s, 1.0)
    return ""


def _by_rule(
    r: np.ndarray, a: np.ndarray, found: _Sums, floor: Floor, precision: Precision, table: Thresholds
) -> NumericVerdict:
    """The rule without an emulation: ulps per sqrt(depth), variance SNR, worst channel's correlation."""
    ulp = table.rule_ulp(precision)
    noise = ulp * math.sqrt(max(1, floor.depth))
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
        return NumericVerdict(Status.FAIL, f"variance SNR {snr:.1f} dB, the limit is {snr_limit:g} dB", power)
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


def _broken(what: str, value: float, limit: float, s: float, typical: float) -> str:
    return f"{what} {value * typical:.3g} is {value / s:.3g} noise floors ({s * typical:.3g}), the limit is {limit:.3g}"


def _coherent(what: str, value: float, limit: float) -> str:
    return f"a common {what} of {value:+.3g} across the tensor, the limit is {limit:.3g}"


def _count(mask: np.ndarray) -> str:
    return f"{int(mask.sum())}/{mask.size} elements"
