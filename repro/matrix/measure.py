"""The matrix: models x runtimes x drivers x precisions, measured cell by cell, resumable.

Key insight: a cell is an environment, not a model. Everything runs cell by cell (one runtime over
one driver), a failing case together with its controls, so that a broken environment shows as failing
controls and is not read as a bug. What is measured goes to a journal whose key is all that decides a
result; the answer (repro.matrix.rows) is a pure function of the records.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from repro.campaigns.controls import fitness
from repro.matrix.document import FORMAT
from repro.matrix.record import CellRecord, EnvironmentRecord, cell_of
from repro.records.journal import Journal
from repro.records.strict import fitted_or_none
from repro.verdicts.fitness import Fitness
from repro.verdicts.judge import judge
from repro.verdicts.subject import Subject
from repro.verdicts.verdict import Status, Verdict
from repro.verdicts.version import judge_version
from runner import targets
from runner.cache import cache_root
from runner.errors import BadInput, TargetUnavailable
from runner.installation import install_everything
from runner.run import Fingerprint, Job, Outcome, Precision, Run
from runner.runtime_version import numbering
from runner.runtimes import runtime as runtime_of
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
class Environment:
    """One runtime on one target, asked for by name; the runtime may be `nightly`."""

    runtime: str
    target: str


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

    precision: `fp32`, `fp16` or `both`. open_target: that of `runner.targets` unless another is given. An environment
    that is not available is reported and the rest goes on. Raises DeviceFailed when a target is lost; the journal keeps
    what was measured.
    """
    records: list[CellRecord] = []
    described: list[EnvironmentRecord] = []
    missing: list[Mapping[str, str]] = []
    unfit: list[Fitness] = []
    cached = 0
    opened = open_target or targets.open_target
    for environment in environments:
        try:
            with opened(environment.target, runtime=environment.runtime, workers=workers) as target:
                found, known = _measure_one(subjects, target, precision, journal, again, on_record)
                described.append(_description(target, found))
                unfit += [one for one in _asked(target, found) if one.is_unfit]
        except TargetUnavailable as error:
            public = public_target(environment.target)
            serial = environment.target.partition(":")[2]
            why = str(error) if public == environment.target else str(error).replace(serial, public)
            missing.append({"runtime": environment.runtime, "target": public, "reason": why})
            on_unavailable(environment, str(error))
            continue
        records += found
        cached += known
    return Measured(tuple(records), tuple(described), tuple(missing), cached, tuple(unfit))


def _asked(target: Target, records: Sequence[CellRecord]) -> Iterator[Fitness]:
    """What the target's controls say, in each precision in which something failed."""
    failing = (r["precision"] for r in records if any(o["verdict"] != Status.PASS for o in r["outputs"]))
    for precision in dict.fromkeys(failing):
        yield replace(fitness(target, Precision(precision)), target=public_target(target.name))


def _measure_one(
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

    if pending:
        for index, run in zip(pending, target.run_many(jobs()), strict=True):
            subject, _ = plan[index]
            record = to_record(subject, run, judge(run, subject))
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


def public_target(name: str) -> str:
    """A target's name as evidence may hold it: a phone's serial number becomes its tag."""
    from runner.adb.devices import serial_tag

    kind, _, serial = name.partition(":")
    return f"adb:{serial_tag(serial)}" if kind == "adb" and serial not in ("", "loopback") else name


def default_targets() -> list[str]:
    """Every Vulkan adapter of this host that works, best first, then every phone that is attached.

    Raises TargetUnavailable where there is none.
    """
    names = [info.name for info in targets.available() if info.usable and info.name.startswith("gpu:")]
    names += attached_phones()
    if not names:
        raise TargetUnavailable(f"no GPU target works here; {install_everything()}; `repro doctor` says more")
    return names


def attached_phones() -> list[str]:
    """`adb:SERIAL` of every phone that is ready; none where no adb server runs (none is started)."""
    from runner.adb.server import server_is_running

    if not server_is_running():
        return []
    try:
        return targets.resolve(["adb"], device="all")
    except TargetUnavailable:
        return []


def environments_for(runtimes: Sequence[str], target_names: Sequence[str]) -> list[Environment]:
    """Each target with each of the runtimes that it can run on; without any, with all that are known for it.

    `nightly` becomes its version, so that the same runtime is measured once. Raises BadInput for what is no version
    and for a target that runs on none of them. A runtime that cannot be fetched stays as it was named and is
    reported by `measure`.
    """
    chosen = {target: _fitting(target, runtimes) for target in target_names}
    version = {name: _version_of(name) for names in chosen.values() for name in names}
    return [Environment(v, t) for t, names in chosen.items() for v in dict.fromkeys(version[name] for name in names)]


def _fitting(target: str, runtimes: Sequence[str]) -> Sequence[str]:
    known = targets.known_runtimes(target)
    fitting = [r for r in runtimes if numbering(r) is numbering(known[0])] if runtimes else known
    if not fitting:
        raise BadInput(f"{target} does not run on {', '.join(runtimes)}; for it the runtimes are {', '.join(known)}")
    return fitting


def _version_of(name: str) -> str:
    try:
        return runtime_of(name).version
    except TargetUnavailable:
        return name
