"""Any .tflite on any target, without expectations: is each output what the file's own ops compute?

Key insight: two witnesses stand beside the target: the file's ops evaluated in float64 by us, and the cpu target
(XNNPACK). Where our evaluator knows every op, float64 is the truth and the cpu must agree with it;
where it does not, the cpu is the reference and the verdict says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cases.evaluation.evaluate import quantises_at_run_time, unsupported
from repro.hazards.hazard import Hazard
from repro.records.lines import Line, Tone, Worded, indented, line
from repro.trials.known_bugs import known_bug_lines, known_bugs
from repro.trials.memory_check import MemoryCheck, checks_memory, run_checked
from repro.trials.poison import Poisoned, require_poison, run_poisoned
from repro.trials.reasons import explained
from repro.verdicts.fitness import Fitness
from repro.verdicts.judge import judge
from repro.verdicts.references import NoReference, OwnOps
from repro.verdicts.subject import Subject
from repro.verdicts.verdict import Status, Verdict
from runner.encoding import shown_name
from runner.errors import NothingRan
from runner.run import Outcome, Precision, Run
from runner.runtime_version import spoken
from runner.target import Target


@dataclass(frozen=True, repr=False)
class Checked(Worded):
    """What a check found: the run, and a verdict per output.

    verdicts: in the file's order of outputs; a single one with output -1 where the run ended before they were known.
    cpu_note: empty where the cpu target agrees with the reference (or is the reference), else one line. inputs_note:
    why it was fed other inputs than usual, else empty.
    memory: what a driver that checks memory accesses reported; None on others. poison: what filling new memory changed;
    None where it was not asked for. fitness: what the target's controls say; None where nothing failed, so that
    nobody asked.
    """

    subject: Subject
    run: Run
    verdicts: tuple[Verdict, ...]
    cpu_note: str
    memory: MemoryCheck | None = None
    poison: Poisoned | None = None
    fitness: Fitness | None = None
    inputs_note: str = ""

    @property
    def is_unfit(self) -> bool:
        """Whether the target fails its controls, so that what is wrong here counts for nothing."""
        return self.fitness is not None and self.fitness.is_unfit

    @property
    def passed(self) -> bool:
        """Whether every output is PASS without a mark. INVALID, which had no power to judge, is no pass."""
        return all(verdict.is_clean for verdict in self.verdicts) and not self.unjudged

    @property
    def unjudged(self) -> bool:
        """Whether memory was to be checked and could not be."""
        return bool((self.memory and self.memory.unjudged) or (self.poison and self.poison.unjudged))

    @property
    def reference_from(self) -> str:
        """Which reference was used, and why."""
        return self.subject.reference.words(self.subject.graph)

    def __repr__(self) -> str:
        fingerprint = self.run.fingerprint
        said = ", ".join(verdict.said for verdict in self.verdicts)
        return f"<Checked {shown_name(self.subject.name)} on {fingerprint.target} {fingerprint.precision}: {said}>"

    def head(self) -> Iterator[Line]:
        """Where it ran and what it was held against."""
        fingerprint = self.run.fingerprint
        ran_on = f"{spoken(fingerprint.runtime)}  {fingerprint.adapter} {fingerprint.driver}"
        where = f"{fingerprint.target} {fingerprint.precision}  {ran_on}".rstrip()
        yield line((where, Tone.HEAD), f"  reference: {self.reference_from}")
        for note in filter(None, (self.inputs_note, self.cpu_note)):
            yield line((f"  {note}", Tone.WARN))
        yield from indented(self.unfit_lines())

    def unfit_lines(self) -> Iterator[Line]:
        """That the target fails its controls, where it does."""
        if self.fitness is not None and self.fitness.is_unfit:
            yield self.fitness.line()

    @property
    def known_bugs(self) -> Mapping[int, tuple[Hazard, ...]]:
        """Output index -> the known bugs that explain what is wrong with it; -1 for a run that ended."""
        fingerprint = self.run.fingerprint
        return known_bugs(self.subject.graph, self.verdicts, fingerprint.target, Precision(fingerprint.precision))

    def known_bug_lines(self) -> Iterator[Line]:
        """Which known bugs explain what is wrong."""
        yield from known_bug_lines(self.known_bugs)

    def memory_lines(self) -> Iterator[Line]:
        """What was found out about the memory behind the outputs."""
        for part in (self.memory, self.poison):
            if part is not None:
                yield from part.lines()

    def lines(self) -> Iterator[Line]:
        """What `repro check` prints."""
        yield from self.head()
        for verdict in self.verdicts:
            yield from indented(verdict.lines())
        yield from indented(self.known_bug_lines())
        yield from indented(self.memory_lines())


def require_comparison(subject: Subject, target: str) -> None:
    """Raise NothingRan where every output would pass because nothing is there to hold it against."""
    if not subject.graph.outputs:
        raise NothingRan(f"{subject.name} has no output, so there is nothing to judge; give a model that has one")
    foreign = unsupported(subject.graph) if isinstance(subject.reference, OwnOps) else ()
    if foreign and target == "cpu":
        raise NothingRan(
            f"{subject.name}: float64 evaluation does not know {', '.join(foreign[:3])}, so the cpu would be compared "
            "with itself; give another --target"
        )


def check(
    subject: Subject,
    target: Target,
    cpu: Target,
    precision: Precision,
    deadline_s: float | None = None,
    *,
    poison: bool = False,
) -> Checked:
    """Run the subject on cpu and on the target, and judge the target's outputs.

    On a driver that checks memory accesses, what it reports is in the answer. poison: see `repro.trials.poison`.

    Raises TargetUnavailable or DeviceFailed, NoReference where nothing says what is right, and NothingRan as
    `require_comparison` does; what the model does to a target is a verdict.
    """
    require_comparison(subject, target.name)
    if poison:
        require_poison(target.name)
    try:
        subject.require_reference()
    except NoReference as error:
        unknown: NoReference | None = error
    else:
        unknown = None
    cpu_run = cpu.run(subject.job(Precision.FP32, deadline_s=deadline_s))
    subject = subject.beside_cpu(cpu_run)
    job = subject.job(precision, deadline_s=deadline_s)
    memory = None
    if checks_memory(target):
        run, memory = run_checked(target, subject, job)
    else:
        run = cpu_run if target is cpu else target.run(job)
    if unknown is not None and run.outcome is Outcome.OK:
        raise unknown  # how a run ended needs no reference, what it computed does
    run = explained(run, cpu_run, subject.graph)
    verdicts = judge(run, subject)
    poisoned = run_poisoned(target, job) if poison else None
    for part in (memory, poisoned):
        verdicts = part.mark(verdicts) if part is not None else verdicts
    note = "" if unknown is not None else _cpu_note(subject, cpu_run, precision)
    return Checked(subject, run, verdicts, note, memory, poisoned)


def _cpu_note(subject: Subject, cpu_run: Run, precision: Precision) -> str:
    if unsupported(subject.graph) or cpu_run.outcome is not Outcome.OK:
        return ""
    if quantises_at_run_time(subject.graph):
        return "cpu quantises the activations of weights that are integers: it says nothing of a target that does not"
    # In fp16 nothing else needs fp32's floors: the whole ones are made only where the narrower do not settle it.
    if precision is not Precision.FP32 and not _wrong(cpu_run, subject.with_quick_floors(Precision.FP32)):
        return ""
    wrong = _wrong(cpu_run, subject)
    return (
        f"cpu disagrees with float64 on output {wrong[0].output} '{wrong[0].name}': {wrong[0].reason}" if wrong else ""
    )


def _wrong(run: Run, subject: Subject) -> list[Verdict]:
    return [v for v in judge(run, subject) if v.status not in (Status.PASS, Status.INVALID)]
