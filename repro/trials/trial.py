"""One graph tried on one target and judged: what the reducer and the fuzzer do thousands of times.

Key insight: both need the same flow (graph -> bytes, references and floors -> Run -> Verdicts) for a
stream of graphs through one worker pool, with the judging done here while the workers compile. So
this is a generator over subjects, and the pool draws from it only a few ahead.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cases.graph import Graph, GraphError
from repro.verdicts.judge import judge
from repro.verdicts.references import NoReference, OwnOps
from repro.verdicts.subject import Subject, graph_subject
from repro.verdicts.verdict import Status, Verdict
from runner.memory import TooMuchMemory
from runner.run import Feed, Job, Precision, Run
from runner.target import Target

# What numpy and the evaluator raise on a graph whose shapes do not fit together. A candidate of a
# reduction or a mutation may be such a graph; that is an answer (it cannot be tried), not a fault.
CANNOT_BE_TRIED = (
    GraphError,
    NoReference,
    TooMuchMemory,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    ZeroDivisionError,
    NotImplementedError,
    OverflowError,
)


@dataclass(frozen=True, eq=False)
class Trial:
    """A subject, the Run that came back, and its verdicts."""

    subject: Subject
    run: Run
    verdicts: tuple[Verdict, ...]


def candidate(
    graph: Graph, feeds: tuple[Feed, ...], precision: Precision, reference: OwnOps, name: str = ""
) -> Subject:
    """A graph ready to be tried. Raises one of CANNOT_BE_TRIED at once where it cannot be."""
    subject = graph_subject(name, graph, feeds, reference)
    subject.floors(precision)  # and with them the references
    return subject


def try_all(subjects: Iterable[Subject], target: Target, precision: Precision) -> Iterator[Trial]:
    """Run and judge a stream of subjects, in order. The stream is drawn only as far ahead as the target needs."""
    waiting: deque[Subject] = deque()

    def jobs() -> Iterator[Job]:
        for subject in subjects:
            waiting.append(subject)
            yield subject.job(precision)

    for run in target.run_many(jobs()):
        subject = waiting.popleft()
        yield Trial(subject, run, judge(run, subject, metrics="none"))


def cpu_agrees_with(reference: OwnOps, graph: Graph, feeds: tuple[Feed, ...], output: str) -> bool:
    """Whether the cpu target passes where float64 says what is right: if not, the reference is in doubt.

    output: the one output that is asked about, or empty for all.
    """
    subject = candidate(graph, feeds, Precision.FP32, reference, "cpu")
    with reference.open_cpu() as cpu:
        (trial,) = try_all([subject], cpu, Precision.FP32)
    wrong = {v.name for v in trial.verdicts if v.status not in (Status.PASS, Status.INVALID)}
    return output not in wrong if output else not wrong
