"""What a gate says: one GateCheck per question, and the report of one target, precision and size."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from runner.run import Fingerprint

KINDS = ("structure", "residency", "output", "chain", "control", "baseline")


class GateAnswer(enum.StrEnum):
    """PASS and REFUSED decide; NOTE is something to know that refuses nothing."""

    PASS = "PASS"
    REFUSED = "REFUSED"
    NOTE = "NOTE"


@dataclass(frozen=True)
class GateCheck:
    """One answer. kind: one of KINDS. part: graph or host step, `chain`, or the control's name. tensor: or empty.

    reason: one line, also for a pass. numbers: what was measured, by name; the baseline keeps them.
    """

    kind: str
    part: str
    tensor: str
    answer: GateAnswer
    reason: str
    numbers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    """All checks of one layout on one target in one precision at one size.

    seconds: wall seconds of the whole, and of the target's own work (load, compile, run, read) within it.
    """

    layout: str
    target: str
    precision: str
    size: int | None
    fingerprint: Fingerprint | None
    checks: tuple[GateCheck, ...]
    seconds: float
    target_seconds: float
    used: str = ""

    @property
    def passed(self) -> bool:
        return all(check.answer is not GateAnswer.REFUSED for check in self.checks)

    @property
    def refusals(self) -> tuple[GateCheck, ...]:
        return tuple(check for check in self.checks if check.answer is GateAnswer.REFUSED)
