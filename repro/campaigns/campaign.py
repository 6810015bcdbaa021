"""A campaign: cases on one target, judged, compared with what is expected, journaled as they come.

Flow of one case: model bytes + feeds -> target -> Run -> judge -> Verdicts -> Comparison -> CaseResult.
Only what decides a result is in its key (model, inputs, options, runtime, driver, and the judge's
own source), so an unchanged case is not run again, and a changed judge judges again.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cases.case import Case
from repro.campaigns.expectations import Comparison, Expectations, compare
from repro.judges.stream import judged
from repro.records.journal import Journal
from repro.records.strict import fitted_or_none
from repro.verdicts.references import OpenTarget
from repro.verdicts.saved_run import folder_name, save_judgeable
from repro.verdicts.subject import Subject, case_subject
from repro.verdicts.verdict import Status, Verdict
from repro.verdicts.version import judge_version
from runner.residency import residency_line
from runner.run import Fingerprint, Job, Precision, Run
from runner.target import Target


@dataclass(frozen=True)
class CaseResult:
    """All verdicts of one case on one target at one precision.

    cached: taken from the journal. inputs: what it was fed, in words; empty in journals that did not keep it.
    """

    case: str
    target: str
    adapter: str
    runtime: str
    precision: str
    verdicts: tuple[Verdict, ...]
    fingerprint: Mapping[str, Any]
    stages: Mapping[str, float]
    log: str
    cached: bool
    comparisons: tuple[Comparison, ...] = field(default=())
    inputs: str = ""

    @property
    def is_news(self) -> bool:
        return any(c.standing.is_news for c in self.comparisons)

    @property
    def cell(self) -> tuple[str, str, str]:
        """Where it was measured: runtime, target, precision."""
        return (self.runtime, self.target, self.precision)


def result_key(subject: Subject, target_identity: str, precision: Precision, options: Mapping[str, Any]) -> str:
    """Journal key: case, model, inputs, options, runtime and driver (in the identity), precision, judge.

    The case, because two of them may be the same graph, and each has expectations of its own.
    """
    parts = (
        subject.name,
        hashlib.sha256(subject.model).hexdigest(),
        subject.plan.key,
        target_identity,
        str(precision),
        repr(sorted(options.items())),
        judge_version(),
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def run_campaign(
    cases: Iterable[Case],
    target: Target,
    precisions: Sequence[Precision],
    expectations: Expectations,
    journal: Journal,
    *,
    again: bool = False,
    kind: str | None = None,
    seed: int | None = None,
    options: Mapping[str, str | int | bool] | None = None,
    save: Path | None = None,
    open_cpu: OpenTarget | None = None,
    on_result: Callable[[CaseResult], None] = lambda result: None,
) -> list[CaseResult]:
    """Run what is not in the journal, judge, compare; every result goes to `on_result` as it comes.

    Returns all results in the order of the cases. save: folder that gets one judgeable folder per run. open_cpu: as for
    `case_subject`.
    Raises DeviceFailed when the target is lost; what was measured until then is in the journal.
    """
    chosen = dict(options or {})
    order: list[str] = []
    results: dict[str, CaseResult] = {}
    pending: deque[tuple[str, Subject, Precision]] = deque()
    for case in cases:
        subject = case_subject(case, kind=kind, seed=seed, open_cpu=open_cpu)
        for precision in precisions:
            key = result_key(subject, target.identity, precision, chosen)
            order.append(key)
            known = None if again or save is not None else from_record(journal.get(key))
            if known is not None:
                results[key] = compared(known, expectations)
                on_result(results[key])
            else:
                pending.append((key, subject, precision))

    to_run = deque(pending)

    def jobs() -> Iterator[Job]:
        while to_run:
            _, subject, precision = to_run.popleft()
            yield subject.job(precision, options=chosen)

    keys = deque(key for key, _, _ in pending)

    def runs() -> Iterator[tuple[Subject, Run]]:
        # Taken out as it is judged: a subject keeps its feeds and references for its other precision, and no longer.
        for run in target.run_many(jobs()) if pending else ():
            yield pending.popleft()[1], run

    # A saved run needs the references, which a judge elsewhere does not send back.
    for subject, run, verdicts in judged(runs(), count=0 if save is not None else None):
        key = keys.popleft()
        if save is not None:
            save_judgeable(save / folder_name(subject, run), run, subject)
        result = _result(subject, run, verdicts)
        journal.add(key, to_record(result))
        results[key] = compared(result, expectations)
        on_result(results[key])
    return [results[key] for key in order]


def _result(subject: Subject, run: Run, verdicts: tuple[Verdict, ...]) -> CaseResult:
    fingerprint = run.fingerprint
    took = residency_line(run.log)
    kept_log = took if all(v.status is Status.PASS for v in verdicts) else f"{took}\n{run.log[-2000:]}".lstrip()
    return CaseResult(
        subject.name,
        fingerprint.target,
        fingerprint.adapter,
        fingerprint.runtime,
        str(fingerprint.precision),
        verdicts,
        asdict(fingerprint),
        dict(run.stages),
        kept_log,
        cached=False,
        inputs=subject.plan.words,
    )


def compared(result: CaseResult, expectations: Expectations) -> CaseResult:
    """The same result, held against what is expected of it."""
    comparisons = tuple(
        compare(v, result.case, result.precision, result.target, result.runtime, expectations) for v in result.verdicts
    )
    return CaseResult(**{**result.__dict__, "comparisons": comparisons})


def to_record(result: CaseResult) -> dict[str, Any]:
    """JSON form of a CaseResult without its comparisons, which depend on expectations and not on the run."""
    record = {k: v for k, v in result.__dict__.items() if k not in ("comparisons", "cached", "verdicts")}
    record["verdicts"] = [{**asdict(v), "status": str(v.status), "metrics": dict(v.metrics)} for v in result.verdicts]
    return record


def from_record(record: Mapping[str, Any] | None) -> CaseResult | None:
    """The CaseResult that `to_record` wrote; None for a record that it did not write, so that it is measured again."""
    found = None if record is None else fitted_or_none(CaseResult, {**record, "cached": True})
    return None if found is None or fitted_or_none(Fingerprint, found.fingerprint) is None else found
