"""What came back of a bundle, judged here: which runs count, their verdicts, and whether the device is to be believed.

Key insight: a bundle asks what this catalogue asked when it was made. A run whose model or inputs are others by now is
left out and named, because what is right for it is not known here any more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cases.case import Case
from repro.campaigns.campaign import CaseResult, run_campaign
from repro.campaigns.controls import control_cases, failed_controls, must_earn_belief
from repro.campaigns.expectations import Expectations
from repro.records.journal import Journal
from repro.verdicts.fitness import FailedControl, Fitness
from repro.verdicts.subject import case_subject
from runner.bundle.answered import AnsweredTarget
from runner.bundle.contents import BundledRun
from runner.run import Precision


@dataclass(frozen=True)
class Judged:
    """results: in the bundle's order. left_out: runs of another catalogue. unanswered: runs that did not end there."""

    results: tuple[CaseResult, ...]
    left_out: tuple[BundledRun, ...]
    unanswered: tuple[BundledRun, ...]
    unfit: tuple[Fitness, ...]


def judge_answers(
    target: AnsweredTarget,
    catalogue: Mapping[str, Case],
    known: Expectations,
    journal: Journal,
    on_result: Callable[[CaseResult], None] = lambda result: None,
) -> Judged:
    """Judge every answer. Raises BadInput where the archive holds what no device wrote, naming the file in it."""
    kind, seed = target.contents.inputs or None, target.contents.seed
    theirs = {run: _is_asked_here(run, catalogue.get(run.case), kind, seed) for run in target.answered}
    precisions: dict[str, list[Precision]] = {}
    for run, same in theirs.items():
        if same:
            precisions.setdefault(run.case, []).append(run.precision)
    results: dict[tuple[str, str], CaseResult] = {}
    # Together where a case ran in both: what is right for it is then computed once.
    for chosen in dict.fromkeys(map(tuple, precisions.values())):
        cases = [catalogue[case] for case, ran in precisions.items() if tuple(ran) == chosen]
        for result in run_campaign(cases, target, chosen, known, journal, kind=kind, seed=seed, on_result=on_result):
            results[result.case, result.precision] = result
    ordered = [results[run.case, str(run.precision)] for run, same in theirs.items() if same]
    unfit = [one for precision in Precision if (one := _fitness(target, precision, ordered, known)).is_unfit]
    left_out = tuple(run for run, same in theirs.items() if not same)
    return Judged(tuple(ordered), left_out, target.unanswered, tuple(unfit))


def _is_asked_here(run: BundledRun, case: Case | None, kind: str | None, seed: int | None) -> bool:
    if case is None:
        return False
    subject = case_subject(case, kind=kind, seed=seed)
    return (run.model, run.inputs) == (hashlib.sha256(subject.model).hexdigest(), subject.plan.key)


def _fitness(
    target: AnsweredTarget, precision: Precision, results: Sequence[CaseResult], known: Expectations
) -> Fitness:
    """What the controls say, where something is news: one that did not run there has not passed."""
    here = [result for result in results if result.precision == precision]
    if not must_earn_belief(target.name) or not any(result.is_news for result in here):
        return Fitness(target.name, target.contents.runtime, precision)
    names = [case.name for case in control_cases()]
    controls = [result for result in here if result.case in names]
    absent = [FailedControl(name, "did not run") for name in names if name not in {r.case for r in controls}]
    failed = (*failed_controls(controls, known), *absent)
    return Fitness(target.name, target.contents.runtime, precision, len(names), failed)


def in_words(runs: Sequence[BundledRun], shown: int = 5) -> str:
    """The first of them, by name."""
    named = ", ".join(f"{run.case} {run.precision}" for run in runs[:shown])
    return f"{named} and {len(runs) - shown} more" if len(runs) > shown else named
