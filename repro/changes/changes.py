"""What changed between two runs, output by output. Pure.

Key insight: "worse" has to mean the same between two commits, two runtimes and two phones, where nothing is expected
of either side. So it is an order of three: right; not shown to be right, and said so (REFUSED, NOT_RESIDENT, INVALID);
wrong, or ended the process. Another signature of the same failure is news and neither worse nor better, and a number
that moved decides nothing.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from repro.changes.answer import Answer, Place, Side
from repro.changes.pairing import paired_places
from repro.verdicts.verdict import Status
from runner.errors import BadInput

MOVED = 2.0
"""A size (max_abs, power) has moved when it became this many times larger or smaller."""
MOVED_PEARSON = 0.01
NEAR_POWER = 0.1
"""A largest error below this share of the smallest that would be noticed is rounding, and moves as it likes."""

_RANK = {Status.PASS: 0, Status.REFUSED: 1, Status.NOT_RESIDENT: 1, Status.INVALID: 1}


class Kind(enum.StrEnum):
    """What happened to one output between A and B, in the order in which it is shown."""

    NEW = "new"
    """It passed in A and does not in B."""
    OTHER = "other signature"
    """It passes in neither, and another thing is said of it."""
    GONE = "gone"
    """It passes in B and did not in A."""
    OTHER_MODEL = "other model"
    """The two are different models under one name, so nothing can be said."""
    ONLY_A = "only in A"
    ONLY_B = "only in B"
    MOVED = "numbers moved"
    """The same is said, and a number has moved."""
    SAME = "same"


@dataclass(frozen=True)
class Change:
    """One output in both runs, or in one of them. a, b: its answers; one is None where it is only in the other.

    moved: names of the numbers that have moved. fed: the inputs, where a run has the case with several.
    """

    kind: Kind
    a: Answer | None
    b: Answer | None
    moved: tuple[str, ...] = ()
    fed: str = ""

    @property
    def answer(self) -> Answer:
        """Whichever there is, B's first: for its case, output and name."""
        answer = self.b or self.a
        assert answer is not None
        return answer

    @property
    def worse(self) -> bool:
        """Whether B is worse: it was right and is not, or it was said not to be shown and is wrong."""
        if self.a is None or self.b is None or self.kind is Kind.OTHER_MODEL:
            return False
        return _RANK.get(self.b.status, 2) > _RANK.get(self.a.status, 2)


@dataclass(frozen=True)
class Compared:
    """Two sides, what was held against what, and a Change per output.

    other_inputs: where a case was fed one thing in A and another in B, which; what changed may be theirs.
    """

    a: Side
    b: Side
    pairs: tuple[tuple[Place, Place], ...]
    changes: tuple[Change, ...]
    other_inputs: tuple[tuple[str, str], ...] = ()

    def of(self, kind: Kind) -> list[Change]:
        """The changes of one kind."""
        return [change for change in self.changes if change.kind is kind]

    @property
    def held(self) -> int:
        """Outputs that are in both runs, of the same model."""
        return sum(c.a is not None and c.b is not None and c.kind is not Kind.OTHER_MODEL for c in self.changes)

    @property
    def worse(self) -> list[Change]:
        return [change for change in self.changes if change.worse]


def compare_sides(a: Side, b: Side) -> Compared:
    """Hold two sides against each other. Raises BadInput where no output is in both."""
    pairs = paired_places(a, b)
    changes: list[Change] = []
    others: dict[tuple[str, str], None] = {}
    runs_a, runs_b = _runs(a), _runs(b)
    for left, right in pairs:
        before, after = runs_a.get(left, {}), runs_b.get(right, {})
        for run in dict.fromkeys([*before, *after]):
            for one, other, fed in _same_inputs(before.get(run, {}), after.get(run, {})):
                changes += (replace(change, fed=fed) for change in _run_changes(one, other))
                inputs = (_inputs(one), _inputs(other))
                if all(inputs) and inputs[0] != inputs[1]:
                    others.setdefault(inputs)
    compared = Compared(a, b, tuple(pairs), tuple(changes), tuple(others))
    if not compared.held:
        raise BadInput(_nothing_held(compared))
    return compared


def _nothing_held(compared: Compared) -> str:
    others = compared.of(Kind.OTHER_MODEL)
    if others:
        name = others[0].answer.case
        return (
            f"{compared.a.source} and {compared.b.source} hold different models under the same names, '{name}' for "
            "example: nothing can be compared; run both with the same models"
        )
    only = [next((c.answer for c in compared.of(kind)), None) for kind in (Kind.ONLY_A, Kind.ONLY_B)]
    said = " and ".join(f"{a.case} {a.precision}" for a in only if a is not None)
    return (
        f"{compared.a.source} and {compared.b.source} have no case and precision in common (for example {said}): "
        "nothing can be compared"
    )


_Run = tuple[str, str]  # case, precision


_Outputs = Mapping[int, Answer]


def _runs(side: Side) -> Mapping[Place, Mapping[_Run, Mapping[str, _Outputs]]]:
    """Per place and case the outputs, by what they were fed with."""
    found: dict[Place, dict[_Run, dict[str, dict[int, Answer]]]] = {}
    for answer in side.answers:
        runs = found.setdefault(answer.place, {})
        runs.setdefault((answer.case, answer.precision), {}).setdefault(answer.inputs, {})[answer.output] = answer
    return found


def _same_inputs(
    before: Mapping[str, _Outputs], after: Mapping[str, _Outputs]
) -> Iterator[tuple[_Outputs, _Outputs, str]]:
    """Which run of a case is held against which, and its inputs where there are several: those of the same inputs.

    Where each side has one run they are held against each other whatever they were fed: it may not have been kept.
    """
    if len(before) <= 1 and len(after) <= 1:
        yield next(iter(before.values()), {}), next(iter(after.values()), {}), ""
        return
    for inputs in sorted(set(before) | set(after)):
        yield before.get(inputs, {}), after.get(inputs, {}), inputs


def _inputs(outputs: _Outputs) -> str:
    return next((answer.inputs for answer in outputs.values()), "")


def _run_changes(before: _Outputs, after: _Outputs) -> Iterator[Change]:
    """The changes of one case in one precision. A run that ended says of each output of the other side how it ended."""
    for output in sorted(set(before) | set(after)):
        if output == -1 and before and after and set(before) != set(after):
            continue
        yield _change(before.get(output, before.get(-1)), after.get(output, after.get(-1)))


def _change(a: Answer | None, b: Answer | None) -> Change:
    if a is None or b is None:
        return Change(Kind.ONLY_B if a is None else Kind.ONLY_A, a, b)
    if a.model_sha256 and b.model_sha256 and a.model_sha256 != b.model_sha256:
        return Change(Kind.OTHER_MODEL, a, b)
    if a.said == b.said:
        moved = tuple(_moved(a.numbers, b.numbers))
        return Change(Kind.MOVED if moved else Kind.SAME, a, b, moved)
    if Status.PASS not in (a.status, b.status):
        return Change(Kind.OTHER, a, b)
    return Change(Kind.NEW if a.status is Status.PASS else Kind.GONE, a, b)


def _moved(a: Mapping[str, float], b: Mapping[str, float]) -> Iterator[str]:
    for name in sorted(set(a) & set(b)):
        small, large = sorted((abs(a[name]), abs(b[name])))
        if name == "pearson":
            has_moved = abs(a[name] - b[name]) >= MOVED_PEARSON
        else:
            noticed = NEAR_POWER * max(a.get("power", 0.0), b.get("power", 0.0)) if name == "max_abs" else 0.0
            has_moved = large > small * MOVED and large >= noticed
        if has_moved:
            yield name


def in_order(changes: Sequence[Change]) -> list[Change]:
    """What became worse first, then by kind, each in the order of the runs."""
    kinds = list(Kind)
    return sorted(changes, key=lambda change: (not change.worse, kinds.index(change.kind)))
