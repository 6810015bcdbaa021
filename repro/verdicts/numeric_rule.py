"""The numeric rule: is this output within what its precision may legally do to this graph?

With an emulated noise floor, every error is counted in floors of its own element (`repro.verdicts.deviations`): of the
whole tensor, of every row and channel, of every element, and the coherent part (a common gain or offset, of all or of
one row or channel) against its own standard error, which shows faults far below the noise of one element. What the
emulation itself deviates, a few times over, is legal. Without an emulation a coarser rule stands in
(`repro.verdicts.rule_without_emulation`). Before either: has the comparison any power at all? All limits come from
`repro.verdicts.thresholds`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from repro.verdicts.bfloat16 import is_rounded_to_bfloat16
from repro.verdicts.deviations import Measured, Yardstick, as_rows, measure
from repro.verdicts.noise_floor import Floor
from repro.verdicts.rule_without_emulation import errors_by_depth, judge_by_depth, sums_of
from repro.verdicts.thresholds import Thresholds
from repro.verdicts.verdict import NumericVerdict, Status
from runner.run import FP16_MAX, Precision


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
    yardstick = Yardstick(floor, precision, table)
    judge_held = _by_floor if floor.source == "emulation" else _by_depth
    with np.errstate(invalid="ignore", over="ignore"):
        return judge_held(r, a, yardstick) or _but_for_overflows(r, a, yardstick, judge_held)


def signal_over_noise_db(reference: np.ndarray, floor: Floor, precision: Precision, table: Thresholds) -> float:
    """By how many dB the values of a reference stand above their noise floor: below `floor_snr_db` nothing can be told.

    -inf where nothing was emulated, or where the reference is too flat to tell right from wrong.
    """
    if floor.source != "emulation" or reference.size == 0 or not np.isfinite(reference).all():
        return -math.inf
    r = as_rows(np.asarray(reference, dtype=np.float64))
    if precision is Precision.FP16:
        r = np.where(np.abs(r) <= FP16_MAX, r, 0.0)
    yardstick = Yardstick(floor, precision, table)
    found = measure(r, r, yardstick)
    if _flat_reference(found.low, found.high, r, r, precision, table):
        return -math.inf
    return _signal_db(r, found, yardstick)


def excess(reference: np.ndarray, actual: np.ndarray, floor: Floor, precision: Precision, table: Thresholds) -> float:
    """The largest deviation by an emulated floor over its limit: above 1 is a FAIL; inf where one is not finite."""
    r = as_rows(np.asarray(reference, dtype=np.float64))
    yardstick = Yardstick(floor, precision, table)
    with np.errstate(invalid="ignore", over="ignore"):
        found = measure(r, as_rows(np.asarray(actual)), yardstick)
    shares = [float(getattr(found.deviations, name)) / limit for name, limit in yardstick.limits(r.shape).items()]
    return max(shares) if found.is_finite and all(map(math.isfinite, shares)) else math.inf


def legal_errors(r: np.ndarray, yardstick: Yardstick) -> np.ndarray:
    """By how much each element of a reference [rows, channels] may be off, by the floor or by the rule without one."""
    if yardstick.floor.source == "emulation":
        return np.asarray(yardstick.of(np.ascontiguousarray(r)) * yardstick.limits(r.shape)["element"])
    return errors_by_depth(r, yardstick.floor.depth, yardstick.precision, yardstick.table)


def _by_floor(r: np.ndarray, a: np.ndarray, yardstick: Yardstick) -> NumericVerdict | None:
    """The verdict where all values are finite, and the reference in the precision's range; else None."""
    found = measure(r, a, yardstick)
    if not found.is_finite or _overflows(max(abs(found.low), abs(found.high)), yardstick):
        return None
    flat = _flat_reference(found.low, found.high, r, a, yardstick.precision, yardstick.table)
    return flat or _within(r, a, found, yardstick)


def _by_depth(r: np.ndarray, a: np.ndarray, yardstick: Yardstick) -> NumericVerdict | None:
    """The same without an emulation."""
    sums, precision, table = sums_of(r, a), yardstick.precision, yardstick.table
    if not (math.isfinite(sums.d_square) and math.isfinite(sums.r_square)) or _overflows(sums.r_peak, yardstick):
        return None
    flat = _flat_reference(sums.r_min, sums.r_max, r, a, precision, table)
    return flat or judge_by_depth(r, a, sums, yardstick.floor.depth, precision, table)


def _overflows(peak: float, yardstick: Yardstick) -> bool:
    return yardstick.precision is Precision.FP16 and peak > FP16_MAX


def _but_for_overflows(
    r: np.ndarray,
    a: np.ndarray,
    yardstick: Yardstick,
    judge_held: Callable[[np.ndarray, np.ndarray, Yardstick], NumericVerdict | None],
) -> NumericVerdict:
    """Elements that float16 may not hold are not judged in fp16 (overflow is legal there); the reason says how many."""
    may_overflow = np.zeros(r.shape, bool)
    if yardstick.precision is Precision.FP16:
        may_overflow = np.abs(r) > FP16_MAX
        reach = np.abs(r) + legal_errors(np.where(may_overflow, 0.0, r), yardstick)
        may_overflow |= np.isinf(a) & (np.sign(a) == np.sign(r)) & (reach > FP16_MAX)
    problem = _not_finite(r, a, may_overflow)
    if problem is not None:
        return problem
    judged, left_out = ~may_overflow, int(may_overflow.sum())
    if left_out == r.size:
        return NumericVerdict(Status.INVALID, "every element of the reference is beyond float16's range", 0.0)
    of_judged = (float(r[judged].min()), float(r[judged].max()), r[judged], a[judged])
    flat = _flat_reference(*of_judged, yardstick.precision, yardstick.table)
    if flat is not None:
        return flat
    r, a = np.where(judged, r, 0.0), np.where(judged, a, 0.0)
    result = judge_held(r, a, yardstick) or _within(r, a, measure(r, a, yardstick), yardstick)
    if not left_out:
        return result
    beyond = f"{left_out}/{r.size} elements are beyond float16's range and were not judged"
    return replace(result, reason=f"{result.reason}; {beyond}" if result.reason else beyond)


def _not_finite(r: np.ndarray, a: np.ndarray, may_overflow: np.ndarray) -> NumericVerdict | None:
    """The verdict on values that are NaN or infinite; None where there are none that matter."""
    bad_reference = ~np.isfinite(r)
    if bad_reference.any():
        return NumericVerdict(Status.INVALID, f"the reference is not finite in {_count(bad_reference)}", 0.0)
    bad = ~np.isfinite(a) & ~may_overflow
    return NumericVerdict(Status.FAIL, f"{_count(bad)} not finite", 0.0) if bad.any() else None


def _flat_reference(
    low: float, high: float, r: np.ndarray, a: np.ndarray, precision: Precision, table: Thresholds
) -> NumericVerdict | None:
    """INVALID where a reference from low to high varies too little to tell right from wrong."""
    peak = max(abs(low), abs(high))
    if r.size == 1:
        reason = "the reference is one zero" if peak == 0 else ""
    elif low == high:
        reason = f"the reference is constant ({low:.6g})"
    elif high - low < table["span_ulps"] * table.rule_ulp(precision) * peak:
        limit = f"{table['span_ulps']:g} {precision} roundings"
        reason = f"the reference spans {high - low:.3g} around {peak:.3g}: less than {limit}"
    else:
        reason = ""
    return NumericVerdict(Status.INVALID, reason + _difference(r, a), 0.0) if reason else None


def _difference(r: np.ndarray, a: np.ndarray) -> str:
    largest = float(np.abs(a - r).max())
    return f"; the output differs from it by up to {largest:.3g}" if largest > 0 else ""


def _within(r: np.ndarray, a: np.ndarray, found: Measured, yardstick: Yardstick) -> NumericVerdict:
    """The rule with a floor: each deviation against the table's limit, or against what the emulation shows itself."""
    typical = yardstick.typical(r)
    power = yardstick.table["tensor_rmse_floors"] * typical
    snr = _signal_db(r, found, yardstick)
    if snr < yardstick.table["floor_snr_db"]:
        share = 100 / 10 ** (snr / 20)
        reason = f"rounding alone may move this output by {share:.2g} % of its spread: a wrong tensor could pass"
        detail = f"the noise floor is only {snr:.1f} dB below the signal"
        return NumericVerdict(Status.INVALID, reason + _difference(r, a), power, detail)
    for name, limit in yardstick.limits(r.shape).items():
        value = float(getattr(found.deviations, name))
        if not value <= limit:  # nor where it is not a number
            reason, detail = _broken(name, value, limit, r, a, found, yardstick)
            return NumericVerdict(Status.FAIL, reason, power, detail)
    may_have_few = yardstick.precision is not Precision.FP16 or yardstick.floor.few_bits
    if not may_have_few and is_rounded_to_bfloat16(r, a):
        return NumericVerdict(Status.FAIL, "every value is a bfloat16: 8 significant bits, float16 has 11", power)
    return NumericVerdict(Status.PASS, "", power)


def _signal_db(r: np.ndarray, found: Measured, yardstick: Yardstick) -> float:
    return 20 * math.log10(max(_signal(r, found, yardstick), 1e-300))


def _signal(r: np.ndarray, found: Measured, yardstick: Yardstick) -> float:
    """By how many floors the values of the reference differ; of a single one, its size."""
    enough = 10 ** (yardstick.table["floor_snr_db"] / 20)
    if r.size > 1 and found.spread >= max(enough, found.signal / 64):
        return found.spread
    in_floors = r / yardstick.of(np.ascontiguousarray(r))
    if r.size == 1:
        return float(abs(in_floors[0, 0]))
    # Where every value is the same number of floors, what tells them apart is their own spread.
    spread, rmse = float(np.std(r)), yardstick.floor.rmse
    return max(float(np.std(in_floors)), spread / rmse if rmse > 0 and math.isfinite(spread) else 0.0)


def _broken(
    name: str,
    value: float,
    limit: float,
    r: np.ndarray,
    a: np.ndarray,
    found: Measured,
    yardstick: Yardstick,
) -> tuple[str, str]:
    """Which limit was broken, where and by how much: in one line for anyone, and in noise floors."""
    s = yardstick.of(np.ascontiguousarray(r))
    error, typical = (a - r) / s, yardstick.typical(r)
    above = f"is {value:.3g} noise floors, the limit is {limit:.3g}"
    if name == "tensor":
        off = math.sqrt(float(np.mean(np.square(a - r))))
        detail = f"the RMS error {above} (a floor is about {typical:.3g})"
        return f"off by {off:.3g} RMS, and rounding explains {off * limit / value:.2g}", detail
    if name == "element":
        worst = int(np.abs(error).argmax())
        off, explained = abs(float((a - r).flat[worst])), limit * float(np.broadcast_to(s, r.shape).flat[worst])
        return f"element {worst} is off by {off:.3g}, and rounding explains {explained:.2g}", f"element {worst} {above}"
    place = found.places.get(name, 0)
    group, _, gain = name.partition("_")
    part = {"row": np.s_[place, :], "channel": np.s_[:, place]}.get(group, np.s_[:, :])
    if group in ("row", "channel") and not gain:
        off = math.sqrt(float(np.mean(np.square((a - r)[part]))))
        explained = off * limit / value
        detail = f"the RMS error of {group} {place} {above}"
        return f"{group} {place} is off by {off:.3g} RMS, and rounding explains {explained:.2g}", detail
    where = f"{group} {place}" if gain else "the whole tensor"
    if name == "offset":
        size, common = float(np.mean(error)) * typical, "offset"
        legal = f"{abs(size) * limit / value:.2g}"
        said = f"all values of {where} are shifted together by {size:+.3g}"
    else:
        signal = (r / s)[part]
        size, common = float(np.sum(error[part] * signal) / np.sum(np.square(signal))), "gain"
        legal = f"{100 * abs(size) * limit / value:.2g} %"
        said = f"all values of {where} are {100 * abs(size):.3g} % too {'large' if size > 0 else 'small'}"
    detail = f"a common {common} of {size:+.3g} of {where} is {value:.3g} standard errors, the limit is {limit:.3g}"
    return f"{said}, and rounding explains {legal}", detail


def _count(mask: np.ndarray) -> str:
    return f"{int(mask.sum())}/{mask.size} elements"
