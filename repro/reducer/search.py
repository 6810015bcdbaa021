"""The search: which of the passes' proposals still fail the same way, in few runs and always in the same order.

Key insight: almost every known bug is local to the wrong output. So the first batch tries windows of
1, 2, 4, 8, ... ops around it, fed with the reference's values, and only what is left after that is
searched by delta debugging (ddmin over op sets) and then by fine passes to a fixed point. All
proposals of a round go to the workers in one batch, and every answer is journaled under what decides
it, so that an interrupted reduction is resumed by running the same search again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace

import numpy as np

from cases.graph import Graph, GraphError
from cases.tflite.write import write_tflite
from repro.records.journal import Journal
from repro.records.lines import Line, Tone, Worded, counted, line
from repro.records.strict import fitted_or_none
from repro.reducer.passes import FINE_PASSES, canonical, failing_op, windows
from repro.reducer.problem import (
    Failure,
    ReferenceValues,
    Specimen,
    beyond_range,
    cut,
    describe_graph,
    failure_of,
    map_feeds,
    op_label,
    role_drift,
)
from repro.trials.trial import CANNOT_BE_TRIED, Trial, candidate, try_all
from repro.verdicts.fitness import Fitness
from repro.verdicts.references import OwnOps
from repro.verdicts.subject import Subject
from repro.verdicts.verdict import Status
from repro.verdicts.version import judge_version
from runner.errors import BadInput, ReproError
from runner.run import Job, Precision
from runner.target import Target

BATCH = 16
CONFIRMATIONS = 2
# Windows are tried in waves by their number of ops: a wave of small ones costs less than one large one.
WINDOW_WAVES = ((0, 12), (12, 48), (48, 10**9))


class NotReducible(ReproError):
    """The model does not fail here, or not every time: there is nothing that a reduction could hold on to."""


@dataclass(frozen=True)
class Response:
    """What one candidate did. text: for people. failure is None where it passed or could not be tried."""

    failure: Failure | None
    text: str
    tried: bool = True


@dataclass(frozen=True)
class Step:
    """One accepted reduction."""

    number: int
    specimen: Specimen
    answer: Response
    runs: int


@dataclass(frozen=True)
class Need:
    """What one op of the result is needed for: what happens when it is taken away."""

    op: str
    without: str


@dataclass(frozen=True, repr=False)
class Reduced(Worded):
    """The end of a reduction.

    specimen: the reduced graph with its inputs and its failing output. failure: what it still shows.
    needs: one entry per op that is left. runs: of the delegate. steps: reductions that were accepted.
    role_steps: how the failing output's own role changed on the way, or empty.
    complete: whether a fixed point was reached, and not `max_runs`. fitness: what the target's controls say, where they
    were asked.
    """

    specimen: Specimen
    failure: Failure
    needs: tuple[Need, ...]
    runs: int
    steps: int
    role_steps: str
    complete: bool
    fitness: Fitness | None = None

    @property
    def graph(self) -> Graph:
        """The reduced graph."""
        return self.specimen.graph

    @property
    def model(self) -> bytes:
        """The reduced graph as the bytes of a .tflite."""
        return write_tflite(self.graph)

    def __repr__(self) -> str:
        size = counted(len(self.graph.ops), "op")
        return f"<Reduced to {size} in {counted(self.runs, 'run')}: {self.failure.describe()}>"

    def lines(self) -> Iterator[Line]:
        """What `repro reduce` prints: how small, which graph, what each op of it is needed for."""
        state = "" if self.complete else "  (stopped at --max-runs; the same command with more goes on)"
        size = counted(len(self.graph.ops), "op")
        counts = f"{size} after {counted(self.steps, 'step')} and {counted(self.runs, 'run')}"
        yield line((f"{counts}: {self.failure.describe()}", Tone.HEAD), state)
        if self.fitness is not None and self.fitness.is_unfit:
            yield self.fitness.line()
        for described in describe_graph(self.graph):
            yield line(f"  {described}")
        if self.role_steps:
            yield line(f"  steps that changed the failing output's role: {self.role_steps}")
        for need in self.needs:
            yield line(f"  {need.op}: {need.without}")


class Search:
    """Reduces one specimen on one target. `on_step` is called for each accepted step, `on_runs` after each batch.

    max_runs bounds the delegate runs; what the journal answers counts as well, so that a resumed
    reduction ends where an uninterrupted one would.
    """

    def __init__(
        self,
        target: Target,
        precision: Precision,
        reference: OwnOps,
        journal: Journal,
        *,
        max_runs: int = 200,
        on_step: Callable[[Step], None] = lambda step: None,
        on_runs: Callable[[int, Specimen], None] = lambda runs, specimen: None,
    ) -> None:
        self._target = target
        self._precision = precision
        self._reference = reference
        self._journal = journal
        self._max_runs = max_runs
        self._on_step = on_step
        self._on_runs = on_runs
        self._asked: set[str] = set()
        self._failure = Failure("", None)
        self._steps = 0
        self._role_steps: list[str] = []
        self._original: Specimen
        self._latest_values: ReferenceValues | None = None
        self._out_of_range: frozenset[str] = frozenset()

    # -- asking ------------------------------------------------------------------------------------

    @property
    def runs(self) -> int:
        """Delegate runs so far, those answered by the journal included."""
        return len(self._asked)

    @property
    def exhausted(self) -> bool:
        return self.runs >= self._max_runs

    def ask(self, specimens: Iterable[Specimen], salt: str = "") -> list[Response]:
        """What each specimen does. One batch; never raises for a specimen that cannot be tried."""
        specimens = list(specimens)
        answers: list[Response | None] = [None] * len(specimens)
        waiting: list[tuple[int, str, Subject]] = []
        for index, specimen in enumerate(specimens):
            if not specimen.graph.ops:
                answers[index] = Response(None, "nothing is left", tried=False)
                continue
            try:
                key = self._key(specimen, salt)
            except GraphError as error:
                answers[index] = Response(None, f"not a graph: {error}", tried=False)
                continue
            known = fitted_or_none(Response, self._journal.get(key))
            if known is not None:
                answers[index] = known
                self._asked.add(key)
                continue
            try:
                subject = candidate(specimen.graph, specimen.feeds, self._precision, self._reference, specimen.made_by)
            except CANNOT_BE_TRIED as error:
                # Not journaled: it cost no run, and another version may be able to try it.
                answers[index] = Response(None, f"cannot be tried: {error}", tried=False)
                continue
            waiting.append((index, key, subject))
        subjects = (subject for _, _, subject in waiting)
        for (index, key, _), trial in zip(waiting, try_all(subjects, self._target, self._precision), strict=True):
            self._asked.add(key)
            answer = answers[index] = answer_of(specimens[index], trial)
            self._journal.add(key, asdict(answer))
        return [answer for answer in answers if answer is not None]

    def _key(self, specimen: Specimen, salt: str) -> str:
        job = Job(write_tflite(specimen.graph), specimen.feeds, self._precision)
        parts = (job.key, specimen.output, self._target.identity, judge_version(), salt)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    # -- accepting ---------------------------------------------------------------------------------

    def _advance(self, current: Specimen, proposals: Iterable[Specimen], salt: str = "") -> Specimen | None:
        """The smallest proposal that fails the same way, confirmed; None where there is none."""
        for batch in _batches(_smaller(proposals, current), min(BATCH, max(1, self._max_runs - self.runs))):
            if self.exhausted:
                return None
            answers = self.ask(batch, salt)
            self._on_runs(self.runs, current)
            good = [(s, a) for s, a in zip(batch, answers, strict=True) if self._is_same(s, a)]
            for specimen, answer in sorted(good, key=lambda pair: pair[0].size):
                if self._in_range(specimen) and self._confirmed(specimen):
                    self._accept(specimen, answer)
                    return replace(specimen, about_role=False) if specimen.about_role else specimen
        return None

    def _is_same(self, specimen: Specimen, answer: Response) -> bool:
        if answer.failure is None or answer.failure.signature != self._failure.signature:
            return False
        # A step about the failing output's role takes the new role over; it is kept from then on.
        return specimen.about_role or answer.failure.role == self._failure.role

    def _confirmed(self, specimen: Specimen) -> bool:
        """A step that changed other tensors' roles has to fail on other inputs, too."""
        drift = role_drift(self._original.graph, specimen.graph)
        if not drift and not specimen.about_role:
            return True
        other = other_inputs(specimen)
        (answer,) = self.ask([other], "other inputs")
        return self._is_same(specimen, answer) and self._in_range(other)

    def _in_range(self, specimen: Specimen) -> bool:
        """Whether every tensor is right within what the precision holds, unless it was not in the original either.

        Where a right value is infinite or NaN anything may come out, and the failure that still shows is another one.
        """
        beyond = self._beyond(specimen)
        return beyond is None or beyond <= self._out_of_range

    def _beyond(self, specimen: Specimen) -> frozenset[str] | None:
        """The tensors whose right values the precision cannot hold, after any feed; None where nothing tells them."""
        try:
            return beyond_range(self._values(specimen), self._precision)
        except CANNOT_BE_TRIED:
            return None

    def _accept(self, specimen: Specimen, answer: Response) -> None:
        assert answer.failure is not None
        if specimen.about_role:
            self._role_steps.append(specimen.made_by)
        self._failure = answer.failure
        self._steps += 1
        drift = role_drift(self._original.graph, specimen.graph)
        self._on_step(Step(self._steps, replace(specimen, drift=drift), answer, self.runs))

    # -- the search --------------------------------------------------------------------------------

    def reduce(self, original: Specimen) -> Reduced:
        """Reduce to a fixed point or until max_runs. Raises NotReducible where the failure does not hold still."""
        self._original = original
        answers = [self.ask([original], f"confirmation {index}")[0] for index in range(CONFIRMATIONS)]
        self._failure = _stable(answers)
        self._out_of_range = self._beyond(original) or frozenset()
        self._on_step(Step(0, original, answers[0], self.runs))
        current = self._ddmin(self._windowed(original))
        before = None
        while before is not current and not self.exhausted:
            before = current
            for each in FINE_PASSES:
                while not self.exhausted:
                    proposals = (
                        replace(s, made_by=f"{each.name}: {s.made_by}")
                        for s in each.propose(current, self._values(current))
                    )
                    smaller = self._advance(current, proposals)
                    if smaller is None:
                        break
                    current = smaller
        complete = not self.exhausted
        named = canonical(current)
        (answer,) = self.ask([named])
        if self._is_same(named, answer):
            current = named
            self._steps += 1
            self._on_step(Step(self._steps, current, answer, self.runs))
        needs = self._needs(current)
        return Reduced(current, self._failure, needs, self.runs, self._steps, "; ".join(self._role_steps), complete)

    def _values(self, specimen: Specimen) -> ReferenceValues:
        if self._latest_values is None or self._latest_values.specimen is not specimen:
            self._latest_values = ReferenceValues(self._reference.values, specimen)
        return self._latest_values

    def _windowed(self, current: Specimen) -> Specimen:
        """The smallest window around the failing output that still fails, tried small ones first."""
        found = sorted(windows(current, self._values(current)), key=lambda window: window.size)
        for low, high in WINDOW_WAVES:
            wave = [window for window in found if low < len(window.graph.ops) <= high]
            smaller = self._advance(current, wave) if wave else None
            if smaller is not None:
                return smaller
        return current

    def _ddmin(self, current: Specimen) -> Specimen:
        """Delta debugging over op sets: ever smaller chunks are taken out, all of one size in one batch."""
        parts = 2
        while len(current.graph.ops) > 4 and not self.exhausted:
            count = len(current.graph.ops)
            parts = min(parts, count)
            smaller = self._advance(current, self._complements(current, parts))
            if smaller is not None:
                current, parts = smaller, max(2, parts - 1)
            elif parts >= count:
                break
            else:
                parts *= 2
        return current

    def _complements(self, current: Specimen, parts: int) -> Iterator[Specimen]:
        everything = range(len(current.graph.ops))
        protected = failing_op(current) if current.output else -1
        values = self._values(current)
        for chunk in np.array_split(np.arange(len(everything)), parts):
            keep = (set(everything) - set(chunk.tolist())) | ({protected} if protected >= 0 else set())
            if len(keep) < len(everything):
                yield cut(current, keep, values, f"ddmin: {len(everything) - len(keep)} of {len(everything)} ops cut")

    def _needs(self, current: Specimen) -> tuple[Need, ...]:
        """Take each op away and say what happens."""
        values = self._values(current)
        found = []
        for index, op in enumerate(current.graph.ops):
            label = op_label(op, current.graph)
            if current.output and index == failing_op(current):
                found.append(Need(label, "it makes the failing output"))
                continue
            keep = set(range(len(current.graph.ops))) - {index}
            (answer,) = self.ask([cut(current, keep, values, f"without {op.kind}")])
            found.append(Need(label, f"without it: {answer.text}"))
        return tuple(found)


def _stable(answers: list[Response]) -> Failure:
    first = answers[0].failure
    if first is None:
        raise NotReducible(f"nothing to reduce: {answers[0].text}; name another --output, --target or --precision")
    if any(answer.failure != first for answer in answers):
        seen = ", then ".join(answer.text for answer in answers)
        raise NotReducible(f"the failure is not stable ({seen}); give --inputs that fail every time")
    return first


def _smaller(proposals: Iterable[Specimen], current: Specimen) -> Iterator[Specimen]:
    size = current.size
    return (specimen for specimen in proposals if specimen.size < size)


def _batches(items: Iterable[Specimen], count: int) -> Iterator[list[Specimen]]:
    batch: list[Specimen] = []
    for item in items:
        batch.append(item)
        if len(batch) == count:
            yield batch
            batch = []
    if batch:
        yield batch


def other_inputs(specimen: Specimen) -> Specimen:
    """The same graph on other inputs of the same distribution: each array with its elements in reverse order."""
    feeds = map_feeds(
        specimen.feeds,
        # ascontiguousarray would turn a scalar into a vector
        lambda _, feed: tuple(np.asarray(a.ravel()[::-1].reshape(a.shape), order="C") for a in feed),
    )
    return replace(specimen, feeds=feeds)


def failing_output(subject: Subject, target: Target, precision: Precision, index: int | None) -> str:
    """Name of the output to watch: the one asked for, else the first that fails; empty where the run itself fails."""
    graph = subject.graph
    if index is not None:
        if not 0 <= index < len(graph.outputs):
            raise BadInput(
                f"{subject.name} has outputs 0 to {len(graph.outputs) - 1}; --output {index} is none of them"
            )
        return graph.outputs[index]
    (trial,) = try_all([subject], target, precision)
    failing = [v for v in trial.verdicts if v.status is Status.FAIL]
    if failing:
        return graph.outputs[failing[0].output]
    if all(v.output < 0 for v in trial.verdicts):
        return ""
    invalid = [v for v in trial.verdicts if v.status is Status.INVALID]
    why = f" (output {invalid[0].output} cannot be judged: {invalid[0].reason})" if invalid else ""
    raise BadInput(
        f"{subject.name}: no output fails on {target.name} at {precision}{why}; nothing to reduce, "
        "try another --target, --precision or --inputs"
    )


def answer_of(specimen: Specimen, trial: Trial) -> Response:
    """What a candidate did, with one line for people."""
    failure = failure_of(specimen.graph, specimen.output, trial.verdicts)
    if failure is not None:
        return Response(failure, f"fails: {failure.describe()}")
    if specimen.output and specimen.output in specimen.graph.outputs:
        verdict = trial.verdicts[specimen.graph.outputs.index(specimen.output)]
        others = [v for v in trial.verdicts if v.status is Status.FAIL]
        aside = f" (but '{others[0].name}' fails: {others[0].signature})" if others else ""
        word = "passes" if verdict.status is Status.PASS else f"{verdict.status}: {verdict.reason}"
        return Response(None, word + aside)
    return Response(None, "passes")
