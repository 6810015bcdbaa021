"""Where what is right comes from: torch in float64, the file's own ops in float64, the cpu, or arrays at hand.

Key insight: a float64 evaluation of the file's ops is the truth wherever our evaluator knows every op before an output;
where it does not, the cpu target (XNNPACK) is the next best witness, and whoever reads the verdict is told so. What
neither knows is not a number in the reference, so that the other outputs are judged all the same. A feed that comes
again (the same object) is computed once and shared.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field

import numpy as np

from cases.case import Case
from cases.evaluation.bodies import evaluable_part
from cases.evaluation.evaluate import FLOAT64, evaluate, unsupported
from cases.graph import Graph, GraphError
from cases.tflite.write import write_tflite
from cases.with_torch.reference import reference_outputs
from repro.verdicts.kept_evaluations import evaluated_runs
from runner.errors import BadInput
from runner.run import Feed, Job, Outcome, Outputs, Precision
from runner.target import Target

References = Outputs
OpenTarget = Callable[[], AbstractContextManager[Target]]


class NoReference(BadInput):
    """Nothing can say what this model computes."""


@dataclass(frozen=True)
class Given:
    """Arrays that somebody else answers for: a saved run's, a layout's own reference."""

    arrays: References
    source: str = "given"

    def outputs(self, graph: Graph, model: bytes, feeds: tuple[Feed, ...]) -> References:
        return self.arrays

    def words(self, graph: Graph) -> str:
        return self.source


@dataclass(frozen=True, eq=False)
class TorchOf:
    """A case's own torch module, or its graph lowered to torch, in float64; cached by content."""

    case: Case

    def outputs(self, graph: Graph, model: bytes, feeds: tuple[Feed, ...]) -> References:
        return reference_outputs(self.case, feeds, model)

    def words(self, graph: Graph) -> str:
        return "torch in float64"


@dataclass(frozen=True, eq=False)
class OwnOps:
    """The file's ops in float64; where one is foreign to our evaluator, what the cpu target computes.

    open_cpu: the cpu target, asked for only where an op is foreign. strict_shapes: a tensor that computes to another
    shape than it declares is refused: such a file asks for something that has no right answer. Candidates of a
    reduction and mutants of the fuzzer may be such files.
    """

    open_cpu: OpenTarget
    strict_shapes: bool = False
    _unjudged: dict[int, str] = field(default_factory=dict, repr=False)
    """id of a graph that the cpu does not run either -> why."""

    def outputs(self, graph: Graph, model: bytes, feeds: tuple[Feed, ...]) -> References:
        if unsupported(graph):
            return self._in_parts(graph, model, feeds)
        with _no_reference_where_ops_do_not_fit():
            return evaluated_runs(graph, model, feeds, strict_shapes=self.strict_shapes)

    def words(self, graph: Graph) -> str:
        foreign = unsupported(graph)
        if not foreign:
            return "float64 evaluation of the file's own ops"
        part = evaluable_part(graph, unsupported)
        which = (
            f"float64 evaluation of {len(part.outputs)} of {len(graph.outputs)} outputs, for the rest " if part else ""
        )
        if id(graph) in self._unjudged:
            return (
                f"{which}none, since it does not know {', '.join(foreign[:3])}, and the cpu {self._unjudged[id(graph)]}"
            )
        return f"{which}cpu (XNNPACK), since float64 evaluation does not know {', '.join(foreign[:3])}"

    def values(
        self, graph: Graph, feed: Feed, keep: Callable[[str], bool] = lambda name: True
    ) -> dict[str, np.ndarray]:
        """Every runtime tensor of the graph that is to be kept, and its inputs, after one feed. Raises NoReference."""
        computed_names = tuple(name for op in graph.ops for name in op.outputs if name and keep(name))
        if unsupported(graph):
            exposed = Graph(graph.tensors, graph.ops, graph.inputs, computed_names)
            (outputs,) = self._of_cpu(exposed, write_tflite(exposed), (feed,))
            computed = dict(zip(computed_names, outputs, strict=True))
        else:
            computed = self._evaluated(graph, feed, keep=computed_names)
        inputs = dict(zip(graph.inputs, feed, strict=True))
        with np.errstate(all="ignore"):  # what float32 cannot hold becomes infinite, as it does in a target
            return inputs | {name: np.asarray(computed[name], graph.tensors[name].dtype) for name in computed_names}

    def _evaluated(self, graph: Graph, feed: Feed, keep: tuple[str, ...] = ()) -> dict[str, np.ndarray]:
        with _no_reference_where_ops_do_not_fit():
            return evaluate(graph, feed, FLOAT64, keep, strict_shapes=self.strict_shapes)

    def _in_parts(self, graph: Graph, model: bytes, feeds: tuple[Feed, ...]) -> References:
        """Of our evaluation where no op stands before an output that it does not know, of the cpu elsewhere."""
        part = evaluable_part(graph, unsupported)
        if part is None:
            return self._of_cpu(graph, model, feeds)
        known = self.outputs(part, b"", feeds)
        try:
            rest = self._of_cpu(graph, model, feeds)
        except NoReference as error:
            self._unjudged[id(graph)] = f"does not run it ({error.args[0]})"
            nothing = tuple(np.full(graph.tensors[name].shape, np.nan) for name in graph.outputs)
            rest = tuple(nothing for _ in feeds)
        places = {name: place for place, name in enumerate(part.outputs)}
        return tuple(
            tuple(of_part[places[name]] if name in places else of_rest[i] for i, name in enumerate(graph.outputs))
            for of_part, of_rest in zip(known, rest, strict=True)
        )

    def _of_cpu(self, graph: Graph, model: bytes, feeds: tuple[Feed, ...]) -> References:
        with self.open_cpu() as cpu:
            run = cpu.run(Job(model, feeds, Precision.FP32, "reference"))
        if run.outcome is not Outcome.OK:
            raise NoReference(
                f"no reference: the cpu says {run.outcome} ({run.message}) and float64 evaluation does not know "
                f"{', '.join(unsupported(graph)[:3])}; give a model that the cpu runs"
            )
        return tuple(tuple(_widened(array) for array in outputs) for outputs in run.outputs)


def opened_once(stack: ExitStack, open_target: Callable[[], Target]) -> OpenTarget:
    """One target for all who ask, opened for the first of them and closed with the stack."""
    target = functools.cache(lambda: stack.enter_context(open_target()))
    return lambda: nullcontext(target())


def float64_outputs(graph: Graph, feeds: Sequence[Feed], model: bytes = b"") -> References:
    """The file's own ops in float64, per feed and output, for a graph whose every op our evaluator knows.

    model: the file, where the graph is all of one: then what takes long is kept.
    """
    return OWN_OPS_ONLY.outputs(graph, model, tuple(feeds))


@contextmanager
def _no_reference_where_ops_do_not_fit() -> Iterator[None]:
    try:
        yield
    except GraphError as error:
        raise NoReference(f"the model's ops do not fit together: {error}; give a model that is whole") from error


def _no_cpu() -> AbstractContextManager[Target]:
    raise NoReference("float64 evaluation does not know every op of this graph")


OWN_OPS_ONLY = OwnOps(_no_cpu)
"""Raises NoReference where our evaluator does not know an op."""


def _widened(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float64) if array.dtype.kind == "f" else array
