"""What a run said of one output, whatever file that was kept in.

Key insight: a journal, a `--json` file, a saved run and a matrix document keep the same answer with more or less around
it. What can be compared is what they all have: of which output, where, what was said, and the numbers that are there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from repro.verdicts.verdict import Status
from runner.runtime_version import spoken

NUMBERS = ("pearson", "max_abs", "power")
"""The numbers of an answer that are compared, where both sides have them; as in `Verdict`."""


@dataclass(frozen=True)
class Answer:
    """One output, in one precision, in one place.

    output: its index, or -1 for the run as a whole. model_sha256: empty where it was not kept. numbers: those of
    NUMBERS that are there and finite. seconds: what the run took, all its stages together; None if it was not kept.
    inputs: what the model was fed, in words; empty where that was not kept.
    """

    case: str
    output: int
    precision: str
    target: str
    runtime: str
    status: Status
    name: str = ""
    signature: str = ""
    holds: str = ""
    reason: str = ""
    adapter: str = ""
    model_sha256: str = ""
    numbers: Mapping[str, float] = field(default_factory=dict)
    seconds: float | None = None
    inputs: str = ""

    @property
    def place(self) -> Place:
        """Where it was measured."""
        return Place(self.target, self.runtime)

    @property
    def said(self) -> str:
        """`PASS`, `FAIL alias(x)`, `REFUSED`."""
        return f"{self.status} {self.signature}".strip()


@dataclass(frozen=True, order=True)
class Place:
    """A target with one runtime: what a run is of."""

    target: str
    runtime: str

    def __str__(self) -> str:
        return f"{self.target} {spoken(self.runtime)}"


@dataclass(frozen=True)
class Side:
    """One of the two that are compared: where it came from, what kind of thing that is, and its answers.

    Of the same output, precision, place and inputs there is one answer.
    """

    source: str
    kind: str
    answers: tuple[Answer, ...]

    @property
    def places(self) -> tuple[Place, ...]:
        """Where its answers were measured, in order."""
        return tuple(sorted({answer.place for answer in self.answers}))
