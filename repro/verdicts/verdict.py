"""The answer per output: a status, a signature, what the output holds, and the numbers people quote."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field


class Status(enum.StrEnum):
    """PASS and FAIL are judged; INVALID had no power to judge; the rest is how the run ended."""

    PASS = "PASS"
    FAIL = "FAIL"
    INVALID = "INVALID"
    REFUSED = "REFUSED"
    CRASH = "CRASH"
    HANG = "HANG"
    NOT_RESIDENT = "NOT_RESIDENT"


@dataclass(frozen=True)
class Verdict:
    """What the judge says of one output of one Run.

    output: index in the file's output order (-1 where the run as a whole has no outputs).
    name: tensor name.
    signature: for FAIL one of `unwritten`, `alias(<tensor>)`, `stale`, `constant`, `nonfinite`,
        `wrong`; else empty. Compared as a string; kept free of numbers so that it is stable.
    reason: one line: which threshold was broken by how much, or why the comparison had no power.
    holds: for FAIL, what the output holds instead ("input 0 'x' (bit-exact, 256/256)"); else empty.
    floor: which noise floor was used, `emulation` or `rule`.
    power: smallest RMS error that would have been noticed, in the output's units.
    metrics: reported, gating nothing: pearson, cosine, psnr, max_abs, p99_abs, rmse, max_ulp.
    """

    output: int
    name: str
    status: Status
    signature: str = ""
    reason: str = ""
    holds: str = ""
    floor: str = ""
    power: float = 0.0
    metrics: Mapping[str, float] = field(default_factory=dict)
