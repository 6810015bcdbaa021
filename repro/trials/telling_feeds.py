"""Other inputs, where the made ones tell nothing: some under which no output drowns in the noise of its precision.

Key insight: whether a comparison has power is known before anything runs, from what is right and an emulation of it. A
segmenter that answers 1e-9 to white noise says nothing in float16, and may say a lot to a picture with edges in it. So
candidates are drawn and evaluated, and the three that tell most are fed. What a user gives is never replaced.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from cases.evaluation.depth import accumulations
from cases.evaluation.evaluate import unsupported
from cases.graph import Graph
from cases.input_plan.planned import Kind, PlannedFeeds, PlannedInput
from cases.inputs import GivenFeeds
from repro.trials.check import Checked, check
from repro.verdicts import numeric_rule, steps
from repro.verdicts.emulation import floors_for
from repro.verdicts.noise_floor import Floor
from repro.verdicts.references import NoReference, float64_outputs
from repro.verdicts.subject import Subject
from repro.verdicts.thresholds import DEFAULT
from repro.verdicts.verdict import Status
from runner.run import Feed, Precision
from runner.target import Target

_MOST, _FEWEST, _FED = 12, 4, 3
"""Candidates at most, candidates among which there is a choice, and how many of them are fed."""
_TERMS = 1 << 33  # of sums that all candidates together may have; some 3 ns each
_EVALUATIONS = 3  # of a candidate: what is right, and two emulations
_AMPLE_DB = 6.0  # above what is needed: a floor that is fitted to three feeds is above those of each
_ENOUGH_DB = 60.0  # more tells nothing more
_DEVIATIONS = (1.0, 0.3, 3.0)  # of normal numbers for inputs of which nothing is known, one candidate after the other


@dataclass(frozen=True, eq=False)
class _Candidate:
    """One feed. power: of each output, in dB above its noise floor."""

    feed: Feed
    power: tuple[float, ...]

    @property
    def telling(self) -> int:
        """How many outputs can be told from noise."""
        return sum(db >= DEFAULT["floor_snr_db"] for db in self.power)

    @property
    def is_ample(self) -> bool:
        return all(db >= DEFAULT["floor_snr_db"] + _AMPLE_DB for db in self.power)

    @property
    def rank(self) -> tuple[int, float]:
        return self.telling, sum(max(-_ENOUGH_DB, min(_ENOUGH_DB, db)) for db in self.power)


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
    drawn = list(_drawn(graph, plan, precision, count))
    best = sorted(drawn, key=lambda candidate: candidate.rank, reverse=True)[:_FED]
    if len(best) < _FED or best[-1].telling <= already:
        return None
    kinds = ", ".join(dict.fromkeys(one.numbers for n in range(len(drawn)) for one in _planned(plan, n)))
    words = f"{kinds}: {_FED} of {len(drawn)} drawn, seed {plan.standard.seed}"
    feeds = [candidate.feed for candidate in best]
    return replace(subject, plan=GivenFeeds((*feeds, feeds[0]), words), given_floors={}, cpu=None)


def _drawn(graph: Graph, plan: PlannedFeeds, precision: Precision, count: int) -> Iterator[_Candidate]:
    """As many candidates as are wanted, or fewer once enough of them tell more than enough."""
    ample = 0
    for number in range(count):
        planned = _planned(plan, number)
        feed = tuple(_array(graph, one, plan.standard.seed, number, i) for i, one in enumerate(planned))
        try:
            candidate = _Candidate(feed, _power(graph, feed, precision))
        except NoReference:  # such numbers do not fit together in this graph
            continue
        yield candidate
        ample += candidate.is_ample
        if ample == _FED:
            return


def _planned(plan: PlannedFeeds, number: int) -> tuple[PlannedInput, ...]:
    """How each input of a candidate is drawn: images as pictures, what nothing is known of in several sizes."""
    deviation = _DEVIATIONS[number % len(_DEVIATIONS)]
    return tuple(
        replace(one, kind=Kind.PICTURE)
        if one.is_image
        else replace(one, kind=Kind.NORMAL, high=(deviation,))
        if one.kind is Kind.STANDARD
        else one
        for one in plan.inputs
    )


def _array(graph: Graph, planned: PlannedInput, seed: int, number: int, operand: int) -> np.ndarray:
    tensor = graph.tensors[planned.name]
    rng = np.random.default_rng([seed, _FED + number, operand])
    if planned.kind is Kind.NORMAL and not tensor.dtype.startswith("float"):
        planned = replace(planned, kind=Kind.INTEGERS, low=0, high=(1.0 if tensor.dtype == "bool" else 7.0,))
    return planned.draw(tensor.shape, tensor.dtype, rng)


def _power(graph: Graph, feed: Feed, precision: Precision) -> tuple[float, ...]:
    references = float64_outputs(graph, (feed,))
    floors = floors_for(graph, (feed,), references, precision)
    return tuple(_of_output(r, floor, precision) for r, floor in zip(references[0], floors, strict=True))


def _of_output(reference: np.ndarray, floor: Floor, precision: Precision) -> float:
    if floor.source == "steps":
        return steps.signal_over_noise_db(reference, floor)
    if reference.dtype.kind == "f":
        return numeric_rule.signal_over_noise_db(reference, floor, precision, DEFAULT)
    return math.inf if reference.size and (reference != reference.flat[0]).any() else -math.inf
