"""FAILs by little where float16 is loud: the noise is drawn again before it is called a fault.

Key insight: an emulation is one draw of the noise. In a deep network whose fp16 noise is a hundredth of the signal or
more, that noise is common to whole channels, and one draw shows a channel 9 % too large where another shows 12 %. So
before such a FAIL counts, the network is emulated once more after feeds that are moved by less than matters, and
judged by the noise floor that those show; the largest of a few draws is legal. Nothing is drawn for what is quiet, nor
for what is off by so much that no draw explains it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from repro.verdicts.noise_floor import Floor
from repro.verdicts.numeric_rule import excess, judge_numbers, signal_over_noise_db
from repro.verdicts.thresholds import Thresholds
from repro.verdicts.verdict import NumericVerdict, Status
from runner.run import Precision

DRAWS = 5
_NARROW = 4.0
"""Times its limit: what is off by more is a fault whatever is drawn."""
_LOUD_DB = 40.0
"""Of a signal above its noise: above it fp16 explains less than a hundredth, and one draw tells the noise well."""


def judged_again(
    reference: np.ndarray,
    actual: np.ndarray,
    found: NumericVerdict,
    floor: Floor,
    drawn: Iterable[Floor],
    precision: Precision,
    table: Thresholds,
) -> NumericVerdict:
    """The verdict on an output that failed: PASS or INVALID where noise that is drawn again explains it, else `found`.

    drawn: the floors of the same output after feeds that were moved a little, made as they are asked for.
    """
    if precision is not Precision.FP16 or floor.source != "emulation" or reference.dtype.kind != "f":
        return found
    if not -np.inf < signal_over_noise_db(reference, floor, precision, table) < _LOUD_DB:
        return found
    if not 1 < excess(reference, actual, floor, precision, table) <= _NARROW:
        return found
    again = list(_until_pass(judge_numbers(reference, actual, one, precision, table) for one in drawn))
    return min([found, *again], key=lambda one: _MILDEST.index(one.status))


_MILDEST = (Status.PASS, Status.INVALID, Status.FAIL)


def _until_pass(verdicts: Iterator[NumericVerdict]) -> Iterator[NumericVerdict]:
    for verdict in verdicts:
        yield verdict
        if verdict.status is Status.PASS:
            return
