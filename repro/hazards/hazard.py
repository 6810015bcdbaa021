"""A rule, and a hazard: one match of one rule in one graph."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from cases.graph import Op
from repro.delegate.adapters import Adapter, in_words
from repro.delegate.sighting import Effect
from runner.run import Precision

ALL_RUNTIMES = ">=2.1.3"


class Level(enum.StrEnum):
    """How sure it is that a rule names something wrong."""

    HAZARD = "hazard"
    """A delegate was seen to compute wrong results, silently, or to end the process."""
    RISKY = "risky"
    """It may go wrong, on some devices or in some precision, or the delegate says so itself."""


@dataclass(frozen=True)
class Rule:
    """One known hazard or risk.

    pattern: the shape of it, in the delegate's node names, for people.
    message, fix: one sentence each; {tensor}, {producer}, {consumer} and {detail} are filled in.
    fix: what the one who makes the model can do; of several ways, the last is the `workaround`.
    finding: slug of the folder under findings/, or empty.
    runtimes: which LiteRT versions show it; where: on which adapters, empty meaning every one.
    workaround: which edit of `repro.fixes.workarounds` avoids it, or empty where none is known.
    latent: whether the wrong values show for some inputs only (a border that is negative everywhere, ...).
    precision: the only one in which it shows, if it does not show in both.
    """

    id: str
    pattern: str
    message: str
    fix: str
    level: Level = Level.HAZARD
    finding: str = ""
    upstream: str = ""
    runtimes: str = ALL_RUNTIMES
    where: str = ""
    workaround: str = ""
    latent: bool = False
    precision: Precision | None = None

    @property
    def advice(self) -> str:
        """`fix`, and whether `repro fix` does it; of a risk, if it is asked to."""
        if not self.workaround:
            return self.fix
        command = "repro fix" if self.level is Level.HAZARD else f"repro fix --also {self.id}"
        return f"{self.fix}: `{command}` does it and proves it"


@dataclass(frozen=True)
class Hazard:
    """One match of one rule in one graph.

    tensor: the tensor that is not what it should be; output: its index among the graph's outputs,
    or None; affected: indices of all graph outputs that are wrong because of it.
    producer, consumer: op kinds of the file ("" where there is none).
    message, fix: the rule's message and advice for this match.
    adapters: where it is so, for a rule that the adapter decides; empty: wherever the rule says.
    """

    rule: str
    level: Level
    tensor: str
    output: int | None
    producer: str
    consumer: str
    message: str
    fix: str
    effect: Effect
    affected: tuple[int, ...] = ()
    adapters: tuple[Adapter, ...] = ()
    ops: tuple[Op, Op] | None = field(default=None, repr=False, compare=False)
    """The two ops of the file, for those who edit it; None for risks."""

    @property
    def where(self) -> str:
        """On which adapters, in words; empty where no rule says."""
        return in_words(self.adapters)


def match_of(
    rule: Rule,
    tensor: str,
    output: int | None,
    producer: str,
    consumer: str,
    effect: Effect,
    affected: tuple[int, ...],
    detail: str = "",
    ops: tuple[Op, Op] | None = None,
    level: Level | None = None,
    adapters: tuple[Adapter, ...] = (),
) -> Hazard:
    """The match of a rule, with its message and advice filled in. detail: what only this match can say.

    level: by default the rule's; adapters: as in `Hazard`.
    """
    words = {"tensor": tensor, "producer": producer, "consumer": consumer, "detail": detail}
    message, fix = rule.message.format(**words), rule.advice.format(**words)
    return Hazard(
        rule.id, level or rule.level, tensor, output, producer, consumer, message, fix, effect, affected, adapters, ops
    )
