"""Each model on one target with each cache: written by a process, changed or not, and read by a new process.

Key insight: what a process holds in memory hides what it reads from a file, so every run has a process of its own, and
what the writers left is copied into a new folder for each reader. One journal entry is one model with one cache: a
campaign that is interrupted goes on with the next.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from cases.graph import Graph, GraphError
from cases.inputs import StandardFeeds
from repro.records.journal import Journal
from repro.records.strict import fitted_or_none
from repro.restarts.reading import Plain, Reading, State, plain_run, reading_of
from repro.restarts.setups import BESIDE, RUNS, Setup
from repro.restarts.steps import BESIDE_STEPS, ITSELF, Step, Writer, steps_for
from repro.verdicts.subject import Subject
from runner import targets
from runner.cache import cache_root
from runner.errors import BadInput, TargetUnavailable
from runner.run import Job, Outcome, Precision, Run
from runner.scratch import ScratchFolder
from runner.source_version import source_version
from runner.target import Target
from runner.targets import gpu_of

Files = Mapping[str, bytes]
"""What lies in a cache's folder: file name -> its bytes."""


@dataclass(frozen=True)
class Answer:
    """One model with one cache: a reading per step; `without` and `cold` first. cached: from the journal."""

    case: str
    setup: str
    target: str
    runtime: str
    adapter: str
    driver: str
    precision: str
    model_sha256: str
    readings: tuple[Reading, ...]
    cached: bool = False

    def as_json(self) -> dict[str, Any]:
        """As evidence: a line per step, without what differs between equal results."""
        told = {one.step: one.words for one in self.readings}
        kept = {name: value for name, value in vars(self).items() if name not in ("readings", "cached", "setup")}
        return {**kept, "cache": self.setup, "readings": told}

    def objects(self) -> Iterator[dict[str, Any]]:
        """One object per step, as `--json` prints it."""
        for one in self.readings:
            yield {
                "case": self.case,
                "cache": self.setup,
                "target": self.target,
                "runtime": self.runtime,
                "adapter": self.adapter,
                "driver": self.driver,
                "precision": self.precision,
                "model_sha256": self.model_sha256,
                **one.as_json(),
            }


class Machine:
    """Targets by name and runtime, each opened once; every job runs in a process of its own. A context manager."""

    def __init__(self, target: str, runtime: str | None) -> None:
        if gpu_of(target) is None or not target.startswith("gpu"):
            raise BadInput(f"{target} keeps no compiled programs on this machine; give --target gpu, or gpu:pocl")
        self.target, self.runtime = target, runtime
        self._opened: dict[tuple[str, str | None], Target] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Machine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def opened(self, target: str = "", runtime: str = "") -> Target:
        """By default the reader's own. Raises TargetUnavailable."""
        key = (target or self.target, runtime or self.runtime)
        if key not in self._opened:
            self._opened[key] = self._stack.enter_context(targets.open_target(key[0], runtime=key[1]))
        return self._opened[key]

    def run(self, job: Job, target: str = "", runtime: str = "") -> Run:
        """In a process that ends with it."""
        chosen = self.opened(target, runtime)
        run = chosen.run(job)
        chosen.deactivate()
        return run


def journal_path() -> Path:
    return cache_root() / "journal" / "restarts.sqlite"


def measure(
    subjects: Sequence[Subject],
    setups: Sequence[Setup],
    precision: Precision,
    machine: Machine,
    journal: Journal,
    *,
    runtimes: Sequence[str] = (),
    seed: int = 0,
    again: bool = False,
) -> Iterator[Answer]:
    """An answer per model and cache, as they come; those in the journal are not measured again."""
    identity = machine.opened().identity
    for subject in subjects:
        for setup in setups:
            key = _key(subject, setup, precision, identity, runtimes, seed)
            known = None if again else journal.get(key)
            answer = fitted_or_none(Answer, known) if known is not None else None
            if answer is not None:
                yield replace(answer, case=subject.name, cached=True)
                continue
            steps = steps_for(subject.graph, machine.target, precision, runtimes, seed)
            answer = _answer(subject, setup, precision, machine, steps)
            if not any(one.state is State.HANG for one in answer.readings):
                journal.add(key, _as_record(answer))
            yield answer


def _as_record(answer: Answer) -> dict[str, Any]:
    return {**vars(answer), "readings": [one.as_json() for one in answer.readings]}


def _key(
    subject: Subject, setup: Setup, precision: Precision, identity: str, runtimes: Sequence[str], seed: int
) -> str:
    parts = (
        hashlib.sha256(subject.model).hexdigest(),
        subject.plan.key,
        setup.name,
        identity,
        str(precision),
        ",".join(runtimes),
        str(seed),
        source_version("repro.restarts"),
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _answer(subject: Subject, setup: Setup, precision: Precision, machine: Machine, steps: Sequence[Step]) -> Answer:
    tried = _Tried(subject, setup, precision, machine)
    without = machine.run(tried.job(None))
    made = without.fingerprint
    return Answer(
        case=subject.name,
        setup=setup.name,
        target=made.target,
        runtime=made.runtime,
        adapter=made.adapter,
        driver=made.driver,
        precision=made.precision,
        model_sha256=made.model_sha256,
        readings=tuple(tried.readings(plain_run(subject, without), steps)),
    )


class _Tried:
    """One model with one cache: what its writers left is kept, so that each writes once."""

    def __init__(self, subject: Subject, setup: Setup, precision: Precision, machine: Machine) -> None:
        self._subject, self._setup, self._precision, self._machine = subject, setup, precision, machine
        self._written: dict[Writer, tuple[Files, Run]] = {}

    def job(self, folder: Path | None, writer: Writer = ITSELF, subject: Subject | None = None) -> Job:
        """The feeds again and again, until an app's process has run often enough."""
        one = (subject or self._subject).job(
            writer.precision or self._precision, options=self._setup.gpu_options(folder)
        )
        return replace(one, feeds=one.feeds * -(-RUNS // max(1, len(one.feeds))))

    def readings(self, plain: Plain, steps: Sequence[Step]) -> Iterator[Reading]:
        yield plain.reading
        if plain.reading.state is not State.SAME:
            return
        if not plain.right:
            yield Reading("any", State.SKIPPED, said="no output is right without it")
            return
        if self._setup is BESIDE:
            for step in BESIDE_STEPS:
                yield self._beside(step, plain)
            return
        _, run = self._files(ITSELF)
        yield reading_of("cold", self._subject, run, plain)
        for step in steps:
            yield self._reading(step, plain)

    def _reading(self, step: Step, plain: Plain) -> Reading:
        try:
            files, wrote = self._files(step.writer)
        except _NoWriter as why:
            return Reading(step.name, State.SKIPPED, said=str(why))
        if wrote.outcome is not Outcome.OK:
            return Reading(step.name, State.SKIPPED, said=f"its writer ended: {wrote.outcome}: {wrote.message}")
        found = {name: step.damage(data) if step.damage else data for name, data in files.items()}
        changed = {name: data for name, data in found.items() if data is not None}
        if not changed:
            said = "no file holds what would be changed" if files else "nothing was written"
            return Reading(step.name, State.SKIPPED, said=said)
        _, run = self._run_in({**files, **changed})
        return reading_of(step.name, self._subject, run, plain, wrote.outputs if step.writer.other else None)

    def _beside(self, step: Step, plain: Plain) -> Reading:
        try:
            other = self.job(None, subject=self._writing(step.writer))
        except _NoWriter as why:
            return Reading(step.name, State.SKIPPED, said=str(why))
        run = self._machine.run(replace(self.job(None), companion=other))
        return reading_of(step.name, self._subject, run, plain)

    def _files(self, writer: Writer) -> tuple[Files, Run]:
        """What a writer leaves in an empty folder, and its run. Raises _NoWriter where it cannot be had."""
        if writer not in self._written:
            try:
                self._written[writer] = self._run_in({}, writer, self._writing(writer))
            except (TargetUnavailable, BadInput) as error:
                raise _NoWriter(str(error)) from error
        return self._written[writer]

    def _writing(self, writer: Writer) -> Subject:
        if writer.other is None:
            return self._subject
        graph = writer.other(self._subject.graph)
        if graph is None:
            raise _NoWriter("the model has no such twin")
        try:
            twin = self._subject.edited(graph)
        except GraphError as error:
            raise _NoWriter(f"no such twin can be written: {error}") from error
        return twin if _inputs(graph) == _inputs(self._subject.graph) else replace(twin, plan=StandardFeeds(0))

    def _run_in(self, files: Files, writer: Writer = ITSELF, subject: Subject | None = None) -> tuple[Files, Run]:
        """What a folder with these files holds after a run in it, and the run."""
        scratch = ScratchFolder("programs")
        try:
            folder = Path(scratch.name) / "kept"
            folder.mkdir()
            for name, data in files.items():
                (folder / name).write_bytes(data)
            run = self._machine.run(self.job(folder, writer, subject), writer.target, writer.runtime)
            return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}, run
        finally:
            scratch.cleanup()


class _NoWriter(Exception):
    """A step that cannot be tried with this model here; the text says why."""


def _inputs(graph: Graph) -> list[tuple[tuple[int, ...], str]]:
    return [(graph.tensors[name].shape, graph.tensors[name].dtype) for name in graph.inputs]
