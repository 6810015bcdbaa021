"""What a gate says: one GateCheck per question, and the report of one target, precision and size."""

from __future__ import annotations

import enum
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from repro.records.lines import Line, Tone, Worded, counted, line
from repro.verdicts.error_map import ErrorMap
from repro.verdicts.fitness import Fitness
from runner.run import Fingerprint
from runner.runtime_version import spoken

KINDS = ("structure", "residency", "output", "chain", "control", "baseline")


class GateAnswer(enum.StrEnum):
    """PASS and REFUSED decide; NOTE is something to know that refuses nothing."""

    PASS = "PASS"
    REFUSED = "REFUSED"
    NOTE = "NOTE"


@dataclass(frozen=True)
class GateCheck:
    """One answer. kind: one of KINDS. part: graph or host step, `chain`, or the control's name. tensor: or empty.

    reason: one line in plain words, also for a pass. detail: the precise numbers behind it, where there are any.
    numbers: what was measured, by name; the baseline keeps them.
    error_map: of an output that fails, where it is wrong. seconds: of wall time that finding out took.
    """

    kind: str
    part: str
    tensor: str
    answer: GateAnswer
    reason: str
    numbers: Mapping[str, float] = field(default_factory=dict)
    error_map: ErrorMap | None = None
    seconds: float = 0.0
    detail: str = ""


def timed(checks: Iterable[GateCheck]) -> Iterator[GateCheck]:
    """The checks, each with the wall seconds that it took to make."""
    began = time.monotonic()
    for check in checks:
        yield replace(check, seconds=time.monotonic() - began)
        began = time.monotonic()


@dataclass(frozen=True, repr=False)
class Report(Worded):
    """All checks of one layout on one target in one precision at one size.

    size: of the layout's own kind (pixels, tokens), None where it has no sizes. fingerprint: None where nothing ran.
    used: the layout's parameters, in words.
    seconds: wall seconds of the whole, and of the target's own work (load, compile, run, read) within it.
    fitness: what the target's controls say; None where the answer rests on no failure, so that nobody asked.
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
    fitness: Fitness | None = None

    @property
    def is_unfit(self) -> bool:
        """Whether the target fails its controls: it neither passes the layout nor refuses it."""
        return self.fitness is not None and self.fitness.is_unfit

    @property
    def rests_on_a_failure(self) -> bool:
        """Whether something is refused, or a control layout came out wrong, as it must."""
        return bool(self.refusals) or any(c.kind == "control" and c.answer is GateAnswer.PASS for c in self.checks)

    @property
    def passed(self) -> bool:
        """Whether no check was refused, by a target that can be believed."""
        return not self.is_unfit and not self.refusals

    @property
    def refusals(self) -> tuple[GateCheck, ...]:
        """The checks that were refused, each with its reason and tensor."""
        return tuple(check for check in self.checks if check.answer is GateAnswer.REFUSED)

    def __repr__(self) -> str:
        refused = f"refused for {counted(len(self.refusals), 'reason')}"
        answer = "neither passed nor refused" if self.is_unfit else "passed" if self.passed else refused
        return f"<Report {self.layout} on {self.target} {self.precision}: {answer}>"

    def head(self) -> Line:
        """What was gated, and on what."""
        size = "" if self.size is None else f" at {self.size}"
        ran_on = ""
        if self.fingerprint is not None:
            of = self.fingerprint
            ran_on = f"  {spoken(of.runtime)}  {of.adapter} {of.driver}".rstrip()
        where = f"{self.layout} on {self.target} {self.precision}{size}{ran_on}"
        return line((where, Tone.HEAD), f"  {self.used}" if self.used else "")

    def conclusion(self) -> Line:
        """PASSED or REFUSED, or UNFIT where neither can be said, and how long it took."""
        timing = f" ({self.seconds:.1f} s, of which the target {self.target_seconds:.1f} s)"
        if self.fitness is not None and self.fitness.is_unfit:
            return line((f"neither passed nor refused: {self.fitness.line().text}", Tone.BAD), timing)
        if self.passed:
            return line(("PASSED", Tone.GOOD), timing)
        tensors = ", ".join(dict.fromkeys(check.tensor for check in self.refusals if check.tensor))
        about = f" about {tensors}" if tensors else ""
        return line(("REFUSED", Tone.BAD), f" for {counted(len(self.refusals), 'reason')}{about}{timing}")

    def lines(self) -> Iterator[Line]:
        """What `repro gate` prints, one line per check."""
        yield self.head()
        widths = [
            max((len(str(c)) for c in column), default=0) for column in zip(*map(_cells, self.checks), strict=True)
        ]
        for check in self.checks:
            cells = [cell.ljust(width) for cell, width in zip(_cells(check), widths, strict=True)]
            yield line("  ".join(cells[:3]), "  ", (cells[3], TONES[check.answer]), f"  {check.reason}")
        yield self.conclusion()


TONES = {GateAnswer.PASS: Tone.GOOD, GateAnswer.REFUSED: Tone.BAD, GateAnswer.NOTE: Tone.WARN}


def _cells(check: GateCheck) -> tuple[str, str, str, str]:
    return check.kind, check.part, check.tensor, str(check.answer)
