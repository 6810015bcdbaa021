"""The controls of a target: before a failure there counts, they must pass. See `repro.verdicts.fitness`.

Key insight: the controls are cases of the catalogue (the healthy twin of each finding's minimal model), so a campaign
runs them and its journal keeps them, under a key that holds all that decides a result: runtime, libraries, driver,
presented name, options, storage, precision, and the judge. A target is asked once; a `repro run` of the whole
catalogue has asked already. A control that fails as the target's expectations say, by a finding, speaks of the finding.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cases.case import Case
from cases.catalogue import catalogue
from repro.campaigns.campaign import CaseResult, run_campaign
from repro.campaigns.expectations import Expectations, Standing, compare, file_stem, load_for
from repro.records.journal import Journal
from repro.verdicts.fitness import FailedControl, Fitness
from repro.verdicts.verdict import Status
from runner.cache import cache_root
from runner.run import Precision
from runner.target import Target

_ENDS = "-control"
_MAY_BE_THE_MACHINES = (Status.CRASH, Status.HANG)


def control_cases() -> list[Case]:
    """The control of each finding: two or three ops each, right on every target that works."""
    return [c for c in catalogue() if c.family == "findings" and c.control_of and c.name.endswith(_ENDS)]


def journal_path(target: str) -> Path:
    """Where the results of the catalogue's cases on one target are kept."""
    return cache_root() / "journal" / f"{file_stem(target)}.sqlite"


def must_earn_belief(target: str) -> bool:
    """Whether a target, by its name, has controls to pass: every GPU, of this host or of a phone.

    The cpu has no delegate and is a witness itself. The loopback device is a driver of this host.
    """
    return target.partition(":")[0] in ("gpu", "adb") and target != "adb:loopback"


def fitness(target: Target, precision: Precision) -> Fitness:
    """What the controls say of an active target; costs a look into the journal where they were run before.

    Raises DeviceFailed and TargetUnavailable.
    """
    if not must_earn_belief(target.name):
        return Fitness(target.name, "", precision)
    cases = control_cases()
    with Journal(journal_path(target.name)) as journal:
        results = run_campaign(cases, target, [precision], Expectations(target.name), journal)
        # How a process ended may have been the machine's doing: only what ends a second time is the target's.
        doubtful = {r.case for r in results if any(v.status in _MAY_BE_THE_MACHINES for v in r.verdicts)}
        if doubtful:
            repeated = [case for case in cases if case.name in doubtful]
            others = [r for r in results if r.case not in doubtful]
            results = others + run_campaign(
                repeated, target, [precision], Expectations(target.name), journal, again=True
            )
    runtime = results[0].runtime
    failed = failed_controls(results, load_for(target, runtime=runtime))
    return Fitness(results[0].target, runtime, precision, len(cases), failed)


def failed_controls(results: Sequence[CaseResult], known: Expectations) -> tuple[FailedControl, ...]:
    """The controls that are not right and not known to fail. Pure."""
    failed = []
    for result in results:
        for verdict in result.verdicts:
            seen = compare(verdict, result.case, result.precision, result.target, result.runtime, known)
            if verdict.status is not Status.PASS and seen.standing not in (Standing.KNOWN, Standing.FLAKE):
                failed.append(FailedControl(result.case, f"{verdict.status} {verdict.signature}".strip()))
                break
    return tuple(failed)
