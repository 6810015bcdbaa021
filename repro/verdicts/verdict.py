"""The answer per output: a status, a signature, what the output holds, and the numbers people quote."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from repro.records.lines import Line, Tone, line
from repro.verdicts.error_map import ErrorMap
from runner.encoding import shown_name


class Status(enum.StrEnum):
    """What is said of an output. From REFUSED on it is how the run ended, in the words of `runner.run.Outcome`."""

    PASS = "PASS"
    """The error is within what the precision may legally do to this graph."""
    FAIL = "FAIL"
    INVALID = "INVALID"
    """The comparison had no power: a constant reference, say."""
    REFUSED = "REFUSED"
    CRASH = "CRASH"
    HANG = "HANG"
    NOT_RESIDENT = "NOT_RESIDENT"


UNSOUND = "unsound"
"""A mark: a kernel of the run accesses memory outside of a buffer, races, or misuses OpenCL. Right values are luck."""
READS_UNWRITTEN = "reads unwritten memory"
"""A mark: the output changes with what new memory is filled with."""


_OF_MEMORY = ("stale", "constant", "nonfinite", "wrong")


def is_of_memory(signature: str) -> bool:
    """Whether an output with this signature may hold what lay in its memory before: a copy of another tensor, old or
    mixed values, zeros, garbage. Which of them it is then depends on what else was kept there. `unwritten` and
    `uncompiled` say more than that."""
    return signature in _OF_MEMORY or signature.startswith("alias(")


@dataclass(frozen=True)
class NumericVerdict:
    """What a rule says of one output after one feed.

    status: PASS, FAIL or INVALID. reason, power, detail: as in `Verdict`.
    """

    status: Status
    reason: str
    power: float
    detail: str = ""


@dataclass(frozen=True)
class Verdict:
    """What the judge says of one output of one Run.

    output: index in the file's output order (-1 where the run as a whole has no outputs).
    name: tensor name.
    signature: for FAIL one of `unwritten`, `alias(<tensor>)`, `stale`, `constant`, `nonfinite`,
        `uncompiled`, `wrong`; else empty. Compared as a string; kept free of numbers so that it is stable.
    reason: one line for anyone: how far off it is and what rounding explains, or why nothing could be told.
    detail: the same in the judge's own measures, where it has such: noise floors, standard errors, dB; else empty.
    holds: for FAIL, what the output holds instead ("input 0 'x' (bit-exact, 256/256)"); else empty.
    floor: which noise floor was used, `emulation`, `steps` or `rule`.
    power: smallest RMS error that would have been noticed, in the output's units.
    metrics: reported, gating nothing: pearson, cosine, psnr, max_abs, p99_abs, rmse, max_ulp.
    error_map: for FAIL, where the error is, for pictures; None where nobody asked for numbers.
    marks: what is wrong with the run beside the output's values, of UNSOUND and READS_UNWRITTEN.
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
    error_map: ErrorMap | None = None
    marks: tuple[str, ...] = ()
    detail: str = ""

    @property
    def said(self) -> str:
        """`PASS`, `PASS, unsound`, `FAIL alias(x)`, `REFUSED`."""
        return ", ".join((f"{self.status} {shown_name(self.signature)}".strip(), *self.marks))

    @property
    def is_clean(self) -> bool:
        """PASS, and nothing is wrong beside the values."""
        return self.status is Status.PASS and not self.marks

    @property
    def where(self) -> str:
        """`output 1 'acc'`, or `no output` where the run as a whole has none."""
        return f"output {self.output} '{shown_name(self.name)}'" if self.output >= 0 else "no output"

    @property
    def held(self) -> str:
        """What the output holds, where that is known, else which limit was broken."""
        if not self.holds or self.holds.startswith("nothing"):
            return self.holds or self.reason
        return f"holds {self.holds}"

    def lines(self, wrong: Tone = Tone.BAD, *, verbose: bool = False) -> Iterator[Line]:
        """The verdict in words. wrong: the tone of one that is not PASS. verbose: also in the judge's own measures."""
        if self.status is Status.PASS:
            power = f"an error of {self.power:.2g} RMS would have been noticed"
            yield line(f"{self.where} ", (self.said, wrong if self.marks else Tone.GOOD), f" {power}")
            return
        yield line((f"{self.where} {self.said}: {self.held}", wrong))
        if self.holds:
            yield line((f"     {self.reason}", Tone.ASIDE))
        if self.detail and verbose:
            yield line((f"     {self.detail}", Tone.ASIDE))
