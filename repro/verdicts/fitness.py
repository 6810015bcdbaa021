"""Whether a target has earned belief: healthy models that it must have right before its failures say something.

Key insight: a failure accuses a model only where models like it pass. A driver that is broken fails everything, and
each of its failures looks like a bug of the delegate; what tells them apart is a set of models that are right wherever
the target works. A target that fails one of them is UNFIT: its failures are shown, and count for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from repro.records.lines import Line, Tone, counted, line

SHOWN = 3


@dataclass(frozen=True)
class FailedControl:
    """A control that is not right on a target, and no known bug says why. said: its status and signature."""

    case: str
    said: str


@dataclass(frozen=True)
class Fitness:
    """What the controls say of one target in one precision.

    target, runtime: as in the fingerprint of its runs. controls: how many were asked; 0 where a target needs none.
    """

    target: str
    runtime: str
    precision: str
    controls: int = 0
    failed: tuple[FailedControl, ...] = ()

    @property
    def is_unfit(self) -> bool:
        return bool(self.failed)

    @property
    def cell(self) -> tuple[str, str, str]:
        """Where it holds, as the cells of a matrix are named."""
        return (self.runtime, self.target, self.precision)

    @property
    def reason(self) -> str:
        """`UNFIT in fp32: 1 of 38 controls fails (findings/pad-rank-3-control FAIL stale)`; empty where it is fit."""
        if not self.failed:
            return ""
        named = ", ".join(f"{one.case} {one.said}" for one in self.failed[:SHOWN])
        more = f" and {len(self.failed) - SHOWN} more" if len(self.failed) > SHOWN else ""
        fail = "fails" if len(self.failed) == 1 else "fail"
        counts = f"{len(self.failed)} of {counted(self.controls, 'control')} {fail}"
        return f"UNFIT in {self.precision}: {counts} ({named}{more})"

    def line(self) -> Line:
        """What a command says of an unfit target."""
        return line((f"{self.target} is {self.reason}", Tone.BAD), "; its failures count for nothing")

    def as_json(self) -> dict[str, Any]:
        """What `--json` says of an unfit target: how many controls, and which fail with what."""
        failed: Mapping[str, str] = {one.case: one.said for one in self.failed}
        return {"controls": self.controls, "failed": failed}
