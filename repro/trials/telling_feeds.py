"""Other inputs, where the made ones tell nothing: some under which no output drowns in the noise of its precision.

Key insight: whether a comparison has power is known before anything runs, from what is right and an emulation of it. A
segmenter that answers 1e-9 to white noise says nothing in float16, and may say a lot to a picture with edges in it. So
candidates are drawn and evaluated, and the three that tell most together are fed: the noise of the worst of them counts
for all, as it does where they are judged. What a user gives is never replaced.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cases.evaluation.depth import accumulations
from cases.evaluation.evaluate import unsupported
from cases.graph import Graph
from cases.input_plan.planned import Kind, PlannedFeeds, PlannedInput
from cases.inputs import GivenFeeds
from repro.trials.check import Checked, check
from repro.verdicts import few_elements, numeric_rule, steps
from repro.verdicts.emulation import floors_for
from repro.verdicts.floor_fit import relative_sizes
from repro.verdicts.noise_floor import Floor
from repro.verdicts.references import NoReference, float64_outputs
from repro.verdicts.subject import Subject
from repro.verdicts.thresholds import DEFAULT
from repro.verdicts.verdict import Status
from runner.run import Feed, Precision
from runner.target import Target

_MOST, _FEWEST, _FED = 16, 4, 3
"""Candidates at most, candidates among which there is a choice, and how many of them are fed."""
_TERMS = 1 << 35  # of sums that all candidates together may have; some 3 ns each
_EVALUATIONS = 3  # of a candidate: what is right, and two emulations
_AMPLE_DB = 6.0  # above what is needed: a floor that is fitted to three feeds is above those of each
_LIKELY = 8  # candidates, by what they tell alone, among which all threes are tried
_ENOUGH_DB = 60.0  # more tells nothing more
# What is drawn for inputs of which nothing is known, one candidate after the other: normal numbers of three deviations,
# and whole numbers, which meet; of truth values how many are true, since all or any of many is hardly ever in doubt.
_DEVIATIONS = (1.0, 0.3, 3.0)
_MEETING = 2.0
_SHARES = (1 / 2, 1 / 64, 63 / 64, 1 / 8, 7 / 8)


@dataclass(frozen=True, eq=False)
class _Candidate:
    """One feed, what each output must be after it, and the noise floors of the outputs."""

    feed: Feed
    references: tuple[np.ndarray, ...]
    floors: tuple[Floor, ...]

    def power(self, other: _Candidate, precision: Precision) -> tuple[float, ...]:
        """Of each output, in dB above the noise floor that another candidate, or this one, gives it."""
        return tuple(
            _of_output(mine, theirs, floor, precision)
            for mine, theirs, floor in zip(self.references, other.references, other.floors, strict=True)
        )


@dataclass(frozen=True)
class _Power:
    """What a few candidates tell together: of each output, in dB above the noise floor that the worst of them gives."""

    db: tuple[float, ...]

    @property
    def telling(self) -> int:
        """How many outputs can be told from noise."""
        return sum(db >= DEFAULT["floor_snr_db"] for db in self.db)

    @property
    def is_ample(self) -> bool:
        return all(db >= DEFAULT["floor_snr_db"] + _AMPLE_DB for db in self.db)

    @property
    def rank(self) -> tuple[int, float]:
        return self.telling, sum(max(-_ENOUGH_DB, min(_ENOUGH_DB, db)) for db in self.db)


_Between = Callable[[_Candidate, _Candidate], tuple[float, ...]]
"""The power of one candidate above the floors of another."""


def _together(candidates: Sequence[_Candidate], between: _Between, precision: Precision) -> _Power:
    each = [between(one, other) for one in candidates for other in candidates]
    alone = map(min, zip(*each, strict=True))
    return _Power(tuple(max(db, _few_together(candidates, i, precision)) for i, db in enumerate(alone)))


def _few_together(candidates: Sequence[_Candidate], output: int, precision: Precision) -> float:
    """What candidates tell of an output of few elements, whose feeds are judged together; -inf of larger ones."""
    references = [one.references[output] for one in candidates]
    if not few_elements.is_few(references[0]):
        return -math.inf
    floors = [one.floors[output] for one in candidates]
    return few_elements.signal_over_noise_db(references, floors, precision, DEFAULT)


def check_tellingly(
    subject: Subject,
    target: Target,
    cpu: Target,
    precision: Precision,
    deadline_s: float | None = None,
    *,
    poison: bool = False,
) -> Checked:
    """`check`, and once more with other inputs where some outputs are INVALID and none is wrong.

    Of the two the one that leaves fewer outputs INVALID. Raises as `check` does.
    """
    first = check(subject, target, cpu, precision, deadline_s, poison=poison)
    mute = [verdict for verdict in first.verdicts if verdict.status is Status.INVALID]
    if not mute or any(verdict.status not in (Status.PASS, Status.INVALID) for verdict in first.verdicts):
        return first
    other = telling_subject(subject, precision, len(first.verdicts) - len(mute))
    if other is None:
        return first
    second = check(other, target, cpu, precision, deadline_s, poison=poison)
    if sum(verdict.status is Status.INVALID for verdict in second.verdicts) >= len(mute):
        return first
    why = f"the usual inputs say nothing of {mute[0].where}: {mute[0].reason}"
    return replace(second, inputs_note=f"inputs {other.plan.words}; {why}")


def telling_subject(subject: Subject, precision: Precision, already: int) -> Subject | None:
    """The same model with other made inputs, under which more outputs than `already` can be told from noise.

    None where there are none, where a user says what is fed, or where the search would take minutes.
    """
    graph, plan = subject.graph, subject.plan
    if not isinstance(plan, PlannedFeeds) or plan.is_asked_for or not graph.inputs or unsupported(graph):
        return None
    terms = sum(accumulations(graph, op) for op in graph.ops)
    count = min(_MOST, _TERMS // max(1, _EVALUATIONS * terms))
    if count < _FEWEST:
        return None
    drawn = _until_ample(_drawn(graph, subject.model, plan, precision, count), precision)
    power, best = _most_telling(drawn, precision)
    if power.telling <= already:
        return None
    kinds = ", ".join(dict.fromkeys(one.numbers for n in range(len(drawn)) for one in _planned(graph, plan, n)))
    words = f"{kinds}: {_FED} of {len(drawn)} drawn, seed {plan.standard.seed}"
    feeds = [candidate.feed for candidate in best]
    return replace(subject, plan=GivenFeeds((*feeds, feeds[0]), words), given_floors={}, cpu=None)


def among_its_feeds(subject: Subject, precision: Precision) -> Subject:
    """The same model with three of its distinct feeds, and the first of them again.

    The first three that tell more than enough, else the three that tell most. All of them where they are three or
    fewer, or where the float64 evaluation does not know every op.
    """
    feeds = list({id(feed): feed for feed in subject.feeds}.values())
    if len(feeds) <= _FED or unsupported(subject.graph):
        return subject
    asked = _until_ample((_candidate(subject.graph, subject.model, feed, precision) for feed in feeds), precision)
    _, best = _most_telling(asked, precision)
    fed = [candidate.feed for candidate in best]
    words = f"{_FED} of {len(feeds)} of {subject.plan.words}"
    return replace(subject, plan=GivenFeeds((*fed, fed[0]), words), given_floors={}, cpu=None)


def _most_telling(candidates: Sequence[_Candidate], precision: Precision) -> tuple[_Power, tuple[_Candidate, ...]]:
    """The three candidates that tell most together, and what they tell; none where there are not three."""
    between = functools.cache(lambda one, other: one.power(other, precision))
    likely = sorted(candidates, key=lambda one: _together([one], between, precision).rank, reverse=True)[:_LIKELY]
    return max(
        ((_together(some, between, precision), some) for some in itertools.combinations(likely, _FED)),
        key=lambda found: found[0].rank,
        default=(_Power(()), ()),
    )


def _until_ample(candidates: Iterator[_Candidate], precision: Precision) -> list[_Candidate]:
    """The candidates up to the one that completes three which tell more than enough; else all of them."""
    made: list[_Candidate] = []
    ample = 0
    for candidate in candidates:
        made.append(candidate)
        ample += _Power(candidate.power(candidate, precision)).is_ample
        if ample == _FED:
            break
    return made


def _drawn(graph: Graph, model: bytes, plan: PlannedFeeds, precision: Precision, count: int) -> Iterator[_Candidate]:
    """As many candidates as are wanted; such numbers as do not fit together in the graph are left out."""
    for number in range(count):
        planned = _planned(graph, plan, number)
        feed = tuple(_array(graph, one, plan.standard.seed, number, i) for i, one in enumerate(planned))
        try:
            yield _candidate(graph, model, feed, precision)
        except NoReference:
            continue


def _planned(graph: Graph, plan: PlannedFeeds, number: int) -> tuple[PlannedInput, ...]:
    """How each input of a candidate is drawn: images as pictures, what nothing is known of in several ways."""
    return tuple(
        replace(one, kind=Kind.PICTURE)
        if one.is_image
        else _of_unknown(one, graph.tensors[one.name].dtype, number)
        if one.kind is Kind.STANDARD
        else one
        for one in plan.inputs
    )


def _of_unknown(planned: PlannedInput, dtype: str, number: int) -> PlannedInput:
    """How an input of which nothing is known is drawn for a candidate."""
    if dtype == "bool":
        return replace(planned, kind=Kind.SHARE, high=(_SHARES[number % len(_SHARES)],))
    if not dtype.startswith("float"):
        return replace(planned, kind=Kind.INTEGERS, low=0, high=(7.0,))
    ways = len(_DEVIATIONS) + 1
    if number % ways == len(_DEVIATIONS):
        return replace(planned, kind=Kind.INTEGERS, low=-_MEETING, high=(_MEETING,))
    return replace(planned, kind=Kind.NORMAL, high=(_DEVIATIONS[number % ways],))


def _array(graph: Graph, planned: PlannedInput, seed: int, number: int, operand: int) -> np.ndarray:
    tensor = graph.tensors[planned.name]
    return planned.draw(tensor.shape, tensor.dtype, np.random.default_rng([seed, _FED + number, operand]))


def _candidate(graph: Graph, model: bytes, feed: Feed, precision: Precision) -> _Candidate:
    references = float64_outputs(graph, (feed,), model)
    return _Candidate(feed, references[0], floors_for(graph, (feed,), references, precision, model=model))


def _of_output(reference: np.ndarray, others: np.ndarray, floor: Floor, precision: Precision) -> float:
    """By how many dB a reference stands above a floor that was fitted to another feed's reference, or to its own."""
    if floor.source == "steps":
        return steps.signal_over_noise_db(reference, floor)
    if reference.dtype.kind == "f":
        # As in a floor of several feeds: what is smaller as a whole has less noise as a whole.
        size = (*relative_sizes([others, reference], precision), 1.0, 1.0)[1]
        return numeric_rule.signal_over_noise_db(reference, floor.scaled(size), precision, DEFAULT)
    return math.inf if reference.size and (reference != reference.flat[0]).any() else -math.inf
