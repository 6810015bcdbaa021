"""What the lint says of one model: its hazards, then its risks, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from repro.hazards.examined import examined_words
from repro.hazards.hazard import Hazard, Level
from repro.hazards.rules import RULES
from repro.records.lines import Line, Tone, Worded, counted, indented, line
from runner.encoding import shown_name
from runner.installation import documentation

SHOWN_RISKS = 3  # of one rule; a real model may have hundreds


class Linted(tuple[Hazard, ...], Worded):
    """The hazards and risks of one model, which is a tuple of them.

    name: the model, for people. unexamined: how many of its ops no rule is about, by what they are.
    """

    name: str
    unexamined: Mapping[str, int]

    def __new__(cls, hazards: Iterable[Hazard], name: str, unexamined: Mapping[str, int] | None = None) -> Linted:
        self = super().__new__(cls, hazards)
        self.name = name
        self.unexamined = unexamined or {}
        return self

    def __repr__(self) -> str:
        return f"<Linted {shown_name(self.name)}: {self._counts()}>"

    def count(self, level: object) -> int:
        """How many hazards or risks there are of a level; of anything else, what any tuple counts."""
        return sum(hazard.level is level for hazard in self) if isinstance(level, Level) else super().count(level)

    def _counts(self) -> str:
        return f"{counted(self.count(Level.HAZARD), 'hazard')}, {counted(self.count(Level.RISKY), 'risk')}"

    @property
    def passed(self) -> bool:
        """Whether there is no hazard. Risks alone do not fail."""
        return not self.count(Level.HAZARD)

    def without_risks(self) -> Linted:
        """The hazards alone."""
        return Linted((hazard for hazard in self if hazard.level is Level.HAZARD), self.name, self.unexamined)

    def lines(self) -> Iterator[Line]:
        """What `repro lint` prints of one model: hazards before risks, risks of one rule counted after the third."""
        if not self and not self.unexamined:
            yield line(f"{self.name}: ", ("clean", Tone.GOOD))
            return
        yield line(f"{self.name}: ", (self._counts(), Tone.WARN if self.passed else Tone.BAD))
        shown: Counter[str] = Counter()
        for hazard in self:
            shown[hazard.rule] += 1
            if hazard.level is Level.HAZARD or shown[hazard.rule] <= SHOWN_RISKS:
                yield from indented(hazard_lines(hazard))
        levels = {hazard.rule: hazard.level for hazard in self}
        for rule, count in shown.items():
            if levels[rule] is Level.RISKY and count > SHOWN_RISKS:
                yield line(f"  ... and {count - SHOWN_RISKS} more of {rule} (--json lists them all)")
        if self.unexamined:
            said, kinds = examined_words(self.unexamined)
            yield line((f"  {said}", Tone.WARN), kinds)


def hazard_lines(hazard: Hazard) -> Iterator[Line]:
    """One hazard: what, why, what to do, where it shows, where to read on."""
    rule = RULES[hazard.rule]
    tone = Tone.BAD if hazard.level is Level.HAZARD else Tone.WARN
    where = f"output {hazard.output}" if hazard.output is not None else "tensor"
    ops = " -> ".join(dict.fromkeys(kind for kind in (hazard.producer, hazard.consumer) if kind))
    yield line((str(hazard.level), tone), f" {hazard.rule}: {where} '{shown_name(hazard.tensor)}' ({ops})")
    yield line(f"  {hazard.message}")
    yield line(f"  fix: {hazard.fix}")
    if where := hazard.where or rule.where:
        yield line(f"  where: {where}")
    found = f"`repro finding show {rule.finding}`" if rule.finding else ""
    places = [place for place in (found, rule.upstream, documentation(f"rules/{rule.id}")) if place]
    if places:
        yield line(f"  see: {', '.join(places)}")
