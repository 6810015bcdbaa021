"""The rule for quantised outputs: how many steps of its grid may an integer be off?

Key insight: integer kernels that are all right differ by a step where they round the same number differently, and ops
behind each other add such steps up (`cases.evaluation.quantised`). So the unit of the error is the step, and what is
legal is what the emulations are off by, a few times over. A tensor that only moves integers is exact.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from repro.verdicts.deviations import as_rows
from repro.verdicts.noise_floor import Deviations, Floor
from repro.verdicts.thresholds import Thresholds
from repro.verdicts.verdict import NumericVerdict, Status


def step_floor(references: Sequence[np.ndarray], emulations: Sequence[Sequence[np.ndarray]], depth: int) -> Floor:
    """The floor of a quantised output, in steps. Arguments as of `repro.verdicts.floor_fit.fitted_floor`."""
    errors = [
        np.asarray(emulated, np.float64) - references[k] for of_kind in emulations for k, emulated in enumerate(of_kind)
    ]
    rmse = max((math.sqrt(float(np.mean(np.square(error)))) for error in errors if error.size), default=0.0)
    largest = max(float(np.abs(error).max(initial=0.0)) for error in errors)
    shown = Deviations(tensor=1.0, element=largest / rmse) if rmse else Deviations()
    return Floor(rmse, "steps", depth, emulated=shown)


def legal_steps(floor: Floor, table: Thresholds) -> int:
    """How many steps one element may be off: none where the emulations are exact."""
    return int(table["kernel_times"] * round(floor.emulated.element * floor.rmse))


def judge_steps(reference: np.ndarray, actual: np.ndarray, floor: Floor, table: Thresholds) -> NumericVerdict:
    """Judge one output of integers that stand for real numbers against its reference, same shape."""
    if reference.size == 0:
        return NumericVerdict(Status.INVALID, "the output has no elements", 0.0)
    wanted = as_rows(np.asarray(reference, np.float64))
    error = as_rows(np.asarray(actual, np.float64)) - wanted
    steps = legal_steps(floor, table)
    power = table["tensor_rmse_floors"] * floor.rmse
    worst = int(np.abs(error).argmax())
    off = abs(float(error.flat[worst]))
    if off > steps:
        differ = int(np.count_nonzero(error))
        reason = f"{differ}/{error.size} elements differ, element {worst} by {off:.0f} steps; {steps} are legal"
        return NumericVerdict(Status.FAIL, reason, power)
    for name, axis, limit in (
        ("the tensor", None, table["tensor_rmse_floors"]),
        ("row", 1, table["group_rmse_floors_fp32"]),
        ("channel", 0, table["group_rmse_floors_fp32"]),
    ):
        rms = np.sqrt(np.mean(np.square(error), axis=axis)).reshape(-1)
        # One legal element must not fail its group.
        legal = max(limit * floor.rmse, steps / math.sqrt(error.size / rms.size))
        place = int(rms.argmax())
        if rms[place] > legal:
            where = name if axis is None else f"{name} {place}"
            reason = f"{where} is off by {rms[place]:.3g} steps RMS, and kernels differ by {legal:.3g} at most"
            return NumericVerdict(Status.FAIL, reason, power)
    return NumericVerdict(*_power(wanted, floor, table), power)


def signal_over_noise_db(reference: np.ndarray, floor: Floor) -> float:
    """By how many dB the integers of a reference vary more than kernels round; -inf where they do not vary."""
    spread = float(np.std(reference)) if reference.size > 1 else float(np.abs(reference).max(initial=0.0))
    if not spread:
        return -math.inf
    return 20 * math.log10(spread / floor.rmse) if floor.rmse else math.inf


def _power(wanted: np.ndarray, floor: Floor, table: Thresholds) -> tuple[Status, str]:
    low, high = float(wanted.min()), float(wanted.max())
    if wanted.size > 1 and low == high:
        return Status.INVALID, f"the reference is constant ({low:.0f})"
    needed = floor.rmse * 10 ** (table["floor_snr_db"] / 20)
    if wanted.size > 1 and float(wanted.std()) < needed:
        reason = f"the reference varies by {wanted.std():.3g} steps around its mean, and {needed:.3g} are needed"
        return Status.INVALID, f"{reason} to tell it from the rounding of integer kernels"
    return Status.PASS, ""
