"""The matrix: models x runtimes x drivers x precisions, measured cell by cell, resumable.

Key insight: a cell is an environment, not a model. Everything runs cell by cell (one runtime over
one driver), a failing case together with its controls, so that a broken environment shows as failing
controls and is not read as a bug. What is measured goes to a journal whose key is all that decides a
result; the answer (repro.matrix.rows) is a pure function of the records.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from repro.campaigns.controls import fitness
from repro.judges.stream import judged
from repro.matrix.document import FORMAT
from repro.matrix.environments import Environment, public_target
from repro.matrix.record import CellRecord, EnvironmentRecord, cell_of
from repro.records.journal import Journal
from repro.records.strict import fitted_or_none
from repro.verdicts.fitness import Fitness
from repro.verdicts.subject import Subject
from repro.verdicts.verdict import Status, Verdict
from repro.verdicts.version import judge_version
from runner import targets
from runner.adb.lanes import is_phone, side_by_side
from runner.cache import cache_root
from runner.errors import DeviceFailed, ReproError, TargetUnavailable
from runner.run import Fingerprint, Job, Outcome, Precision, Run
from runner.target import Target
from runner.targets import precisions_for

# Software drivers compile a wide CONV for seconds, and a busy machine is no evidence of a hang.
DEADLINE_S = 120.0
KEPT = (Outcome.OK, Outcome.NOT_RESIDENT, Outcome.REFUSED)
OWN_ENDS = ("Check failed", "SIGABRT", "SIGILL", "SIGTRAP")
"""How a process ends itself because the graph broke one of its assumptions: absl's CHECK, an abort, a trap."""


OpenTarget = Callable[..., Target]
"""As `runner.targets.open_target`."""


@dataclass(frozen=True)
class Measured:
    """All records, in the order of environments, subjects and precisions, and the environments that could not run.

    environments: what each really was (version, library hashes, driver, adapter). unavailable: runtime,
    target and the one line saying why. unfit: the environments and precisions whose failures count for nothing,
    because the target's controls fail there; of those in which something failed.
    """

    records: tuple[CellRecord, ...]
    environments: tuple[EnvironmentRecord, ...]
    unavailable: tuple[Mapping[str, str], ...]
    cached: int
    unfit: tuple[Fitness, ...] = ()

    @property
    def unfit_cells(self) -> dict[tuple[str, str, str], Fitness]:
        return {one.cell: one for one in self.unfit}

    def believed(self) -> Measured:
        """The same without what an unfit target says, which is listed among what was not available."""
        void = self.unfit_cells
        reasons = [
            {"runtime": runtime, "target": target, "reason": one.reason} for (runtime, target, _), one in void.items()
        ]
        records = tuple(record for record in self.records if cell_of(record) not in void)
        return replace(self, records=records, unavailable=(*self.unavailable, *reasons), unfit=())


def journal_path() -> Path:
    return cache_root() / "journal" / "matrix.sqlite"


def measure(
    subjects: Sequence[Subject],
    environments: Sequence[Environment],
    precision: str,
    journal: Journal,
    *,
    again: bool = False,
    workers: int = 2,
    open_target: OpenTarget | None = None,
    on_record: Callable[[CellRecord], None] = lambda record: None,
    on_unavailable: Callable[[Environment, str], None] = lambda environment, why: None,
) -> Measured:
    """Measure every cell that the journal does not hold; `on_record` hears of each, cached or not.

    precision: `fp32`, `fp16` or `both`. open_target: that of `runner.targets` unless another is given. Phones are
    measured side by side. An environment that is not available is reported and the rest goes on. Raises DeviceFailed
    when the one target is lost; one of several is reported. The journal keeps what was measured.
    """
    by_target: dict[str, list[Environment]] = {}
    for environment in environments:
        by_target.setdefault(environment.target, []).append(environment)
    passed_over = (TargetUnavailable, DeviceFailed) if len(by_target) > 1 else TargetUnavailable

    opened = open_target or targets.open_target

    def work(target: str) -> None:
        with ExitStack() as stack:
            # A connection to the journal is one thread's.
            own = stack.enter_context(Journal(journal.path)) if is_phone(target) else journal
            for each in by_target[target]:
                try:
                    with opened(each.target, runtime=each.runtime, workers=workers) as active:
                        ended[each] = _measure_one(subjects, active, precision, own, again, on_record)
                except passed_over as error:
                    ended[each] = _Ended(missing=_missing(each, error))
                    on_unavailable(each, str(error))

    ended: dict[Environment, _Ended] = {}
    side_by_side(list(by_target), work)
    found = [ended[each] for each in environments]
    return Measured(
        tuple(record for each in found for record in each.records),
        tuple(each.described for each in found if each.described is not None),
        tuple(each.missing for each in found if each.missing is not None),
        sum(each.cached for each in found),
        tuple(one for each in found for one in each.unfit),
    )


@dataclass(frozen=True)
class _Ended:
    """What became of one environment: measured, or why it is missing."""

    records: Sequence[CellRecord] = ()
    cached: int = 0
    described: EnvironmentRecord | None = None
    unfit: Sequence[Fitness] = ()
    missing: Mapping[str, str] | None = None


def _measure_one(
    subjects: Sequence[Subject],
    target: Target,
    precision: str,
    journal: Journal,
    again: bool,
    on_record: Callable[[CellRecord], None],
) -> _Ended:
    records, cached = _cells(subjects, target, precision, journal, again, on_record)
    unfit = [one for one in _asked(target, records) if one.is_unfit]
    return _Ended(records, cached, _description(target, records), unfit)


def _missing(environment: Environment, error: ReproError) -> Mapping[str, str]:
    public = public_target(environment.target)
    serial = targets.phone_parts(environment.target.partition(":")[2])[0]
    why = str(error) if public == environment.target or not serial else str(error).replace(serial, public)
    return {"runtime": environment.runtime, "target": public, "reason": why}


def _asked(target: Target, records: Sequence[CellRecord]) -> Iterator[Fitness]:
    """What the target's controls say, in each precision in which something failed."""
    failing = (r["precision"] for r in records if any(o["verdict"] != Status.PASS for o in r["outputs"]))
    for precision in dict.fromkeys(failing):
        yield replace(fitness(target, Precision(precision)), target=public_target(target.name))


def _cells(
    subjects: Sequence[Subject],
    target: Target,
    precision: str,
    journal: Journal,
    again: bool,
    on_record: Callable[[CellRecord], None],
) -> tuple[list[CellRecord], int]:
    plan = [(s, p) for s in subjects for p in precisions_for(target.name, precision)]
    keys = [cell_key(subject, target.identity, chosen) for subject, chosen in plan]
    records: dict[int, CellRecord] = {}
    for index, key in enumerate(keys):
        known = None if again else journal.get(key)
        if known is not None and fitted_or_none(CellRecord, known) is not None:
            subject = plan[index][0]
            records[index] = from_record(known, subject)
            on_record(records[index])
    cached = len(records)
    pending = [index for index in range(len(plan)) if index not in records]

    def jobs() -> Iterator[Job]:
        for index in pending:
            subject, chosen = plan[index]
            yield subject.job(chosen, deadline_s=DEADLINE_S)

    def runs() -> Iterator[tuple[Subject, Run]]:
        for index, run in zip(pending, target.run_many(jobs()), strict=True):
            yield plan[index][0], run

    if pending:
        for index, (subject, run, verdicts) in zip(pending, judged(runs()), strict=True):
            record = to_record(subject, run, verdicts)
            if is_kept(run):
                journal.add(keys[index], record)
            records[index] = record
            on_record(record)
    return [records[index] for index in range(len(plan))], cached


def from_record(record: Mapping[str, Any], subject: Subject) -> CellRecord:
    """A journaled record under the subject's name: the name belongs to the question, not to the result."""
    kept = {key: record[key] for key in CellRecord.__required_keys__ if key not in ("case", "control_of")}
    return cast(CellRecord, {**kept, "case": subject.name, "control_of": subject.control_of})


def is_kept(run: Run) -> bool:
    """Whether a result is the delegate's own and need not be measured again.

    A HANG, or a CRASH that the delegate did not decide on, may be the machine's: it is in the answer, but
    measured anew next time.
    """
    return run.outcome in KEPT or (run.outcome is Outcome.CRASH and any(end in run.message for end in OWN_ENDS))


def cell_key(subject: Subject, identity: str, precision: Precision) -> str:
    """Journal key: model, inputs, target (runtime, libraries, driver, adapter), precision, and who judges."""
    parts = (
        hashlib.sha256(subject.model).hexdigest(),
        subject.plan.key,
        identity,
        str(precision),
        judge_version(),
        str(FORMAT),
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def to_record(subject: Subject, run: Run, verdicts: Sequence[Verdict]) -> CellRecord:
    """One cell of one model, without anything that differs between equal results (times, logs, garbage values)."""
    return cell_record(subject.name, subject.control_of, run.fingerprint, run.fully_accelerated, verdicts)


def cell_record(
    case: str, control_of: str, fingerprint: Fingerprint, fully_accelerated: bool | None, verdicts: Sequence[Verdict]
) -> CellRecord:
    """The same of what was judged elsewhere, with what the runtime said of residency."""
    return {
        "case": case,
        "control_of": control_of,
        "runtime": fingerprint.runtime,
        "target": fingerprint.target,
        "adapter": fingerprint.adapter,
        "driver": fingerprint.driver,
        "libraries": dict(fingerprint.libraries),
        "device": {k: v for k, v in fingerprint.device.items() if k in DEVICE_FACTS},
        "precision": fingerprint.precision,
        "model_sha256": fingerprint.model_sha256,
        "fully_accelerated": fully_accelerated,
        "outputs": [
            {
                "output": v.output,
                "name": v.name,
                "verdict": v.status,
                "signature": v.signature,
                "holds": v.holds,
                "reason": "" if v.output >= 0 else v.reason,
            }
            for v in verdicts
        ],
    }


# Of a phone only what names its kind; a serial number or a temperature has no place in evidence.
DEVICE_FACTS = ("model", "soc", "android", "build", "gpu", "gpu_driver", "loopback")


def _description(target: Target, records: Sequence[CellRecord]) -> EnvironmentRecord:
    if not records:
        name = public_target(target.name)
        return {"target": name, "runtime": "", "adapter": "", "driver": "", "libraries": {}, "device": {}}
    return environment_record(records[0])


def environment_record(first: CellRecord) -> EnvironmentRecord:
    """Of which a cell is one."""
    return {
        "target": first["target"],
        "runtime": first["runtime"],
        "adapter": first["adapter"],
        "driver": first["driver"],
        "libraries": first["libraries"],
        "device": first["device"],
    }
