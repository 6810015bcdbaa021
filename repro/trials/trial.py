"""One graph tried on one target and judged: what the reducer and the fuzzer do thousands of times.

Key insight: both need the same flow (graph -> bytes, references and floors -> Run -> Verdicts) for a
stream of graphs through one worker pool, with the judging done here while the workers compile. So
this is a generator over trials, and the pool draws from it only a few ahead.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from cases.evaluation.evaluate import FLOAT64, evaluate, unsupported
from cases.graph import Graph, GraphError
from cases.tflite.write import write_tflite
from repro.trials.check import References
from repro.verdicts.emulation import floors_for
from repro.verdicts.judge import judge_run
from repro.verdicts.noise_floor import Floor
from repro.verdicts.verdict import Status, Verdict
from runner.run import Feed, Job, Outcome, Precision, Run
from runner.target import Target

# What numpy and the evaluator raise on a graph whose shapes do not fit together. A candidate of a
# reduction or a mutation may be such a graph; that is an answer (it cannot be tried), not a fault.
UNFIT = (ValueError, KeyError, IndexError, TypeError, ZeroDivisionError, NotImplementedError, OverflowError)

Values = dict[str, np.ndarray]


class NoReference(Exception):
    """Nothing can say what this graph computes: the evaluator does not know an op and the cpu does not run it."""


@dataclass(frozen=True, eq=False)
class Trial:
    """A graph ready to run: its bytes, its inputs, what its outputs must be and how exactly."""

    graph: Graph
    feeds: tuple[Feed, ...]
    references: References
    floors: tuple[Floor, ...]
    model: bytes
    precision: Precision
    name: str = ""

    @property
    def job(self) -> Job:
        return Job(self.model, self.feeds, self.precision, self.name)


@dataclass(frozen=True, eq=False)
class Tried:
    """A trial, the Run that came back, and its verdicts."""

    trial: Trial
    run: Run
    verdicts: tuple[Verdict, ...]


class Reference:
    """Says what a graph computes: float64 by our evaluator, or the cpu target where an op is foreign to it.

    open_cpu: makes the cpu target, already activated; called at most once, and only for foreign ops.
    """

    def __init__(self, open_cpu: Callable[[], Target]) -> None:
        self._open_cpu = open_cpu
        self._cpu: Target | None = None

    def outputs(self, graph: Graph, feeds: tuple[Feed, ...]) -> References:
        """Per feed, per output. Raises NoReference, GraphError or one of UNFIT for a graph whose shapes do not fit.

        Every tensor that is made has to have its declared shape: a file that declares another one
        inside asks a delegate for something that has no right answer.
        """
        if unsupported(graph):
            return self._cpu_outputs(graph, feeds)
        made = tuple(name for op in graph.ops for name in op.outputs if name)
        known: dict[int, tuple[np.ndarray, ...]] = {}
        for feed in feeds:
            if id(feed) not in known:
                values = evaluate(graph, feed, FLOAT64, keep=() if known else made)
                _check_shapes(graph, values)
                known[id(feed)] = tuple(values[name] for name in graph.outputs)
        return tuple(known[id(feed)] for feed in feeds)

    def values(self, graph: Graph, feed: Feed) -> Values:
        """Every runtime tensor of the graph (inputs included) after one feed. Raises as `outputs` does."""
        given = dict(zip(graph.inputs, feed, strict=True))
        made = tuple(name for op in graph.ops for name in op.outputs if name)
        if not unsupported(graph):
            found = evaluate(graph, feed, FLOAT64, keep=made)
        else:
            exposed = Graph(graph.tensors, graph.ops, graph.inputs, made)
            (outputs,) = self._cpu_outputs(exposed, (feed,))
            found = dict(zip(made, outputs, strict=True))
        return {**given, **{name: np.asarray(found[name], graph.tensors[name].dtype) for name in made}}

    def cpu_agrees_with(self, graph: Graph, feeds: tuple[Feed, ...], output: str) -> bool:
        """Whether the cpu target passes where float64 says what is right: if not, the reference is in doubt."""
        trial = prepare(graph, feeds, Precision.FP32, self, "cpu")
        (tried,) = try_all([trial], self._target())
        wrong = {v.name for v in tried.verdicts if v.status not in (Status.PASS, Status.INVALID)}
        return output not in wrong if output else not wrong

    def _target(self) -> Target:
        if self._cpu is None:
            self._cpu = self._open_cpu()
        return self._cpu

    def _cpu_outputs(self, graph: Graph, feeds: tuple[Feed, ...]) -> References:
        run = self._target().run(Job(write_tflite(graph), feeds, Precision.FP32, "reference"))
        if run.outcome is not Outcome.OK:
            raise NoReference(f"cpu says {run.outcome}: {run.message}")
        return tuple(
            tuple(o.astype(np.float64) if o.dtype.kind == "f" else o for o in outputs) for outputs in run.outputs
        )


def _check_shapes(graph: Graph, values: Values) -> None:
    for name, value in values.items():
        if tuple(np.shape(value)) != tuple(graph.tensors[name].shape):
            raise GraphError(f"'{name}' is declared {graph.tensors[name].shape} and computes {np.shape(value)}")


def prepare(graph: Graph, feeds: tuple[Feed, ...], precision: Precision, reference: Reference, name: str = "") -> Trial:
    """A trial of a graph. Raises NoReference, GraphError or one of UNFIT where there is none."""
    model = write_tflite(graph)
    references = reference.outputs(graph, feeds)
    floors = tuple(floors_for(graph, feeds, references, precision))
    return Trial(graph, feeds, references, floors, model, precision, name)


def judge(trial: Trial, run: Run) -> Tried:
    """Judge what came back of a trial."""
    verdicts = judge_run(run, trial.feeds, trial.references, trial.floors, graph=trial.graph, metrics="none")
    return Tried(trial, run, tuple(verdicts))


def try_all(trials: Iterable[Trial], target: Target) -> Iterator[Tried]:
    """Run and judge a stream of trials, in order. The stream is drawn only as far ahead as the target needs."""
    waiting: deque[Trial] = deque()

    def jobs() -> Iterator[Job]:
        for trial in trials:
            waiting.append(trial)
            yield trial.job

    for run in target.run_many(jobs()):
        yield judge(waiting.popleft(), run)
