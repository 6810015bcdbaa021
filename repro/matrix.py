"""The matrix: models x runtimes x drivers x precisions, measured cell by cell, resumable.

Key insight: a cell is an environment, not a model. Everything runs cell by cell (one runtime over
one driver), a failing case together with its controls, so that a broken environment shows as failing
controls and is not read as a bug. What is measured goes to a journal whose key is all that decides a
result; the answer (repro.matrix_rows) is a pure function of the records.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cases import inputs, reference
from cases.case import Case
from cases.evaluate import unsupported
from cases.graph import Graph
from cases.tflite_read import read_tflite
from repro.campaign import judge_version, prepare
from repro.check import References, float64_references
from repro.expectations import load as load_expectations
from repro.floor import Floor
from repro.floors import floors_for
from repro.journal import Journal
from repro.judge import judge_run
from repro.matrix_document import FORMAT
from repro.precisions import precisions_for
from repro.verdict import Verdict
from runner import targets
from runner.cache import cache_root
from runner.errors import BadInput, TargetUnavailable
from runner.run import Feed, Job, Outcome, Precision, Run
from runner.runtimes import runtime as runtime_of
from runner.target import Target

Record = Mapping[str, Any]
# Software drivers compile a wide CONV for seconds, and a busy machine is no evidence of a hang.
DEADLINE_S = 120.0


@dataclass(frozen=True, eq=False)
class Subject:
    """One model of the matrix. feeds and judge are called only where a cell is not in the journal.

    inputs_key: everything that decides the feeds. control_of: name of the subject it is a healthy
    twin of, or empty.
    """

    name: str
    model: bytes
    inputs_key: str
    feeds: Callable[[], tuple[Feed, ...]]
    judge: Callable[[Run], tuple[Verdict, ...]]
    control_of: str = ""


@dataclass(frozen=True)
class Environment:
    """One runtime on one target, asked for by name; the runtime may be `nightly`."""

    runtime: str
    target: str


@dataclass(frozen=True)
class Measured:
    """All records, in the order of environments, subjects and precisions, and the environments that could not run.

    environments: what each really was (version, library hashes, driver, adapter). unavailable: runtime,
    target and the one line saying why.
    """

    records: tuple[Record, ...]
    environments: tuple[Mapping[str, Any], ...]
    unavailable: tuple[Mapping[str, str], ...]
    cached: int


def case_subject(case: Case) -> Subject:
    """A catalogue case, judged against its float64 torch reference as `repro run` does."""
    prepared = prepare(case)
    feeds = functools.cache(prepared.feeds)
    judge = _judge(functools.cache(prepared.graph), lambda: reference.reference_outputs(case, feeds()), feeds)
    return Subject(case.name, prepared.model, prepared.inputs_key, feeds, judge, case.control_of)


def model_subject(
    name: str,
    model: bytes,
    *,
    feeds: tuple[Feed, ...] | None = None,
    seed: int = 0,
    control_of: str = "",
) -> Subject:
    """Any .tflite, judged against the float64 evaluation of its own ops (the cpu's outputs where an op is foreign).

    feeds: given inputs, or None for the standard ones of `seed`. Raises BadInput for what is no model.
    """
    graph = read_tflite(model, name)

    @functools.cache
    def made() -> tuple[Feed, ...]:
        return feeds or inputs.standard_feeds([graph.tensors[n] for n in graph.inputs], seed, "gaussian")

    def references() -> References:
        return _cpu_references(name, model, made()) if unsupported(graph) else float64_references(graph, made())

    if feeds is None:
        inputs_key = f"gaussian/{seed}"
    else:
        digest = hashlib.sha256()
        for array in (array for feed in feeds for array in feed):
            digest.update(f"{array.dtype}{array.shape}".encode() + array.tobytes())
        inputs_key = digest.hexdigest()
    return Subject(name, model, inputs_key, made, _judge(lambda: graph, references, made), control_of)


def _judge(
    graph: Callable[[], Graph], references: Callable[[], References], feeds: Callable[[], tuple[Feed, ...]]
) -> Callable[[Run], tuple[Verdict, ...]]:
    """A judge that makes references and floors once, not once an environment: they depend on none."""
    known = functools.cache(references)

    @functools.cache
    def floors(precision: Precision) -> tuple[Floor, ...]:
        return tuple(floors_for(graph(), feeds(), known(), precision))

    def judge(run: Run) -> tuple[Verdict, ...]:
        if run.outcome is not Outcome.OK:
            return judge_run(run, feeds(), (), (), graph=graph())
        return judge_run(run, feeds(), known(), floors(Precision(run.fingerprint.precision)), graph=graph())

    return judge


def _cpu_references(name: str, model: bytes, feeds: tuple[Feed, ...]) -> References:
    with targets.open_target("cpu") as cpu:
        run = cpu.run(Job(model, feeds, Precision.FP32, name))
    if run.outcome is not Outcome.OK:
        raise BadInput(f"{name}: no reference: the cpu says {run.outcome} ({run.message}); give a model that it runs")
    return run.outputs


def failing_cases(catalogue: Iterable[Case], target: str = "gpu") -> list[Case]:
    """Cases that are expected to fail on every driver, and their controls, in the catalogue's order.

    Raises BadInput where no case is expected to fail.
    """
    expected = {entry.case for entry in load_expectations(target).entries.values() if entry.origin == "measured"}
    chosen = with_controls(expected, catalogue)
    if not chosen:
        raise BadInput(f"no case is expected to fail on {target}; name cases, or run `repro run` and `repro expect`")
    return chosen


def with_controls(names: Iterable[str], catalogue: Iterable[Case]) -> list[Case]:
    """The named cases and the controls of each, in the catalogue's order."""
    wanted = set(names)
    return [case for case in catalogue if case.name in wanted or case.control_of in wanted]


def journal_path() -> Path:
    return cache_root() / "journal" / "matrix.jsonl"


def measure(
    subjects: Sequence[Subject],
    environments: Sequence[Environment],
    precision: str,
    journal: Journal,
    *,
    again: bool = False,
    workers: int = 2,
    on_record: Callable[[Record], None] = lambda record: None,
    on_unavailable: Callable[[Environment, str], None] = lambda environment, why: None,
) -> Measured:
    """Measure every cell that the journal does not hold; `on_record` hears of each, cached or not.

    precision: `fp32`, `fp16` or `both`. An environment that is not available is reported and the
    rest goes on. Raises DeviceFailed when a target is lost; the journal keeps what was measured.
    """
    records: list[Record] = []
    described: list[Mapping[str, Any]] = []
    missing: list[Mapping[str, str]] = []
    cached = 0
    for environment in environments:
        try:
            with targets.open_target(environment.target, runtime=environment.runtime, workers=workers) as target:
                found, known = _measure_one(subjects, target, precision, journal, again, on_record)
                described.append(_description(target, found))
        except TargetUnavailable as error:
            public = public_target(environment.target)
            serial = environment.target.partition(":")[2]
            why = str(error) if public == environment.target else str(error).replace(serial, public)
            missing.append({"runtime": environment.runtime, "target": public, "reason": why})
            on_unavailable(environment, str(error))
            continue
        records += found
        cached += known
    return Measured(tuple(records), tuple(described), tuple(missing), cached)


def _measure_one(
    subjects: Sequence[Subject],
    target: Target,
    precision: str,
    journal: Journal,
    again: bool,
    on_record: Callable[[Record], None],
) -> tuple[list[Record], int]:
    plan = [(s, p) for s in subjects for p in precisions_for(target.name, precision)]
    keys = [cell_key(subject, target.identity, chosen) for subject, chosen in plan]
    found: dict[int, Record] = {}
    for index, key in enumerate(keys):
        known = None if again else journal.get(key)
        if known is not None:
            # The name belongs to the question, not to the result.
            subject = plan[index][0]
            found[index] = {**known, "case": subject.name, "control_of": subject.control_of}
            on_record(found[index])
    cached = len(found)
    pending = [index for index in range(len(plan)) if index not in found]

    def jobs() -> Iterator[Job]:
        for index in pending:
            subject, chosen = plan[index]
            yield Job(subject.model, subject.feeds(), chosen, subject.name, deadline_s=DEADLINE_S)

    if pending:
        for index, run in zip(pending, target.run_many(jobs()), strict=True):
            subject, _ = plan[index]
            record = to_record(subject, run, subject.judge(run))
            if run.outcome is not Outcome.HANG:
                # What a busy machine did not finish in time is no result to keep.
                journal.add(keys[index], record)
            found[index] = record
            on_record(record)
    kept = [{k: v for k, v in found[index].items() if k != "key"} for index in range(len(plan))]
    return list(kept), cached


def cell_key(subject: Subject, identity: str, precision: Precision) -> str:
    """Journal key: model, inputs, target (runtime, libraries, driver, adapter), precision, and who judges."""
    parts = (
        hashlib.sha256(subject.model).hexdigest(),
        subject.inputs_key,
        identity,
        str(precision),
        judge_version(),
        str(FORMAT),
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def to_record(subject: Subject, run: Run, verdicts: Sequence[Verdict]) -> Record:
    """One cell of one model, without anything that differs between equal results (times, logs, garbage values)."""
    print_ = run.fingerprint
    return {
        "case": subject.name,
        "control_of": subject.control_of,
        "runtime": print_.runtime,
        "target": print_.target,
        "adapter": print_.adapter,
        "driver": print_.driver,
        "libraries": dict(print_.libraries),
        "device": {k: v for k, v in print_.device.items() if k in DEVICE_FACTS},
        "precision": print_.precision,
        "model_sha256": print_.model_sha256,
        "fully_accelerated": run.fully_accelerated,
        "outputs": [
            {
                "output": v.output,
                "name": v.name,
                "verdict": str(v.status),
                "signature": v.signature,
                "holds": v.holds,
                "reason": "" if v.output >= 0 else v.reason,
            }
            for v in verdicts
        ],
    }


# Of a phone only what names its kind; a serial number or a temperature has no place in evidence.
DEVICE_FACTS = ("model", "soc", "android", "build", "gpu", "gpu_driver", "loopback")


def _description(target: Target, records: Sequence[Record]) -> Mapping[str, Any]:
    first = records[0] if records else {}
    kept = {k: first.get(k, "") for k in ("runtime", "adapter", "driver", "libraries", "device")}
    return {"target": first.get("target", public_target(target.name)), **kept}


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
        raise TargetUnavailable("no GPU target works here; run `make setup`, or `repro doctor` for details")
    return names


def attached_phones() -> list[str]:
    """`adb:SERIAL` of every phone that is ready; none where no adb server runs (none is started)."""
    from runner.adb.devices import server_is_running

    if not server_is_running():
        return []
    try:
        return targets.resolve(["adb"], device="all")
    except TargetUnavailable:
        return []


def environments_for(runtimes: Sequence[str], target_names: Sequence[str]) -> list[Environment]:
    """All pairs, target by target; `nightly` becomes its version, so that the same runtime is measured once.

    Raises BadInput for what is no version. A runtime that cannot be fetched stays as it was named
    and is reported by `measure`.
    """
    versions: list[str] = []
    for name in runtimes:
        try:
            versions.append(runtime_of(name).version)
        except TargetUnavailable:
            versions.append(name)
    return [Environment(v, t) for t in target_names for v in dict.fromkeys(versions)]
