"""A SIMULATED delegate with planted faults: no GPU, no LiteRT, only our own evaluator in float32.

It exists to prove that the fuzzer finds and the reducer minimises a fault that is known to be there.
Nothing that it returns is a measurement of any real delegate, and its fingerprint says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from cases.evaluation.evaluate import FLOAT32, evaluate, unsupported
from cases.graph import Graph, Op
from cases.tflite.read import read_tflite
from runner.run import SENTINEL, Feed, Fingerprint, Job, Outcome, Run
from runner.target import Target

Arrays = dict[str, np.ndarray]
REDUCTIONS = frozenset({"SUM", "MEAN", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD"})


@dataclass(frozen=True)
class Fault:
    """A planted fault. ops: how many ops the smallest graph that shows it has.

    compute: (graph, op, values so far) -> the op's faulty outputs, or None where it computes rightly.
    loses: (graph, output name) -> whether that output is never written.
    crashes: whether such a graph kills the delegate.
    """

    name: str
    ops: int
    compute: Callable[[Graph, Op, Arrays], tuple[np.ndarray, ...] | None] = lambda graph, op, values: None
    loses: Callable[[Graph, str], bool] = lambda graph, name: False
    crashes: Callable[[Graph], bool] = lambda graph: False


def _one(graph: Graph, op: Op, values: Arrays) -> tuple[np.ndarray, ...]:
    """What the op really computes, in float32."""
    inputs = tuple(dict.fromkeys(n for n in op.inputs if n and not graph.tensors[n].is_constant))
    tensors = {n: graph.tensors[n] for n in (*op.inputs, *op.outputs) if n}
    alone = Graph(tensors, (op,), inputs, op.outputs)
    found = evaluate(alone, tuple(values[n] for n in inputs), FLOAT32)
    return tuple(np.asarray(found[n], graph.tensors[n].dtype) for n in op.outputs)


def _constant(graph: Graph, name: str) -> bool:
    return bool(name) and graph.tensors[name].is_constant


def _fusion_drops(graph: Graph, name: str) -> bool:
    """A fused ADD of two tensors and a reduction that is its only reader: the sum is never written."""
    op, readers = graph.producers.get(name), graph.uses.get(name, ())
    if op is None or op.kind != "ADD" or len(readers) != 1 or readers[0].kind not in REDUCTIONS:
        return False
    return not any(_constant(graph, n) for n in op.inputs)


def _row_0_broadcast(graph: Graph, op: Op, values: Arrays) -> tuple[np.ndarray, ...] | None:
    """A constant with more than one row is read as if its first row were all of it."""
    if op.kind not in ("ADD", "MUL") or not _constant(graph, op.inputs[1]):
        return None
    data = graph.tensors[op.inputs[1]].data
    assert data is not None
    if data.ndim < 2 or data.shape[-2] < 2 or _constant(graph, op.inputs[0]):
        return None
    row = np.broadcast_to(data[..., :1, :], data.shape)
    left = values[op.inputs[0]]
    return ((left + row if op.kind == "ADD" else left * row).astype(np.float32),)


def _swapped_split(graph: Graph, op: Op, values: Arrays) -> tuple[np.ndarray, ...] | None:
    """The first two parts of a SPLIT change places."""
    if op.kind != "SPLIT" or len(op.outputs) < 2:
        return None
    parts = _one(graph, op, values)
    return (parts[1], parts[0], *parts[2:])


def _lost_pad(graph: Graph, op: Op, values: Arrays) -> tuple[np.ndarray, ...] | None:
    """The border that PAD adds is not zeroed where a convolution or pooling reads it."""
    readers = graph.uses.get(op.outputs[0], ())
    if op.kind != "PAD" or not any(r.kind in ("CONV_2D", "DEPTHWISE_CONV_2D", "AVERAGE_POOL_2D") for r in readers):
        return None
    table = graph.tensors[op.inputs[1]].data
    assert table is not None
    if not table.any():
        return None
    return (np.pad(values[op.inputs[0]], [tuple(row) for row in table], constant_values=1.0).astype(np.float32),)


def _transposed_matmul(graph: Graph, op: Op, values: Arrays) -> tuple[np.ndarray, ...] | None:
    """BATCH_MATMUL with equal operands' sizes forgets its second operand's last column."""
    if op.kind != "BATCH_MATMUL":
        return None
    (right,) = _one(graph, op, values)
    wrong = right.copy()
    wrong[..., -1] = 0.0
    return (wrong,)


def _second_reader_crash(graph: Graph) -> bool:
    """A TRANSPOSE that reads what a SLICE or a SPLIT made ends the process."""
    made = {n for op in graph.ops if op.kind in ("SLICE", "SPLIT", "STRIDED_SLICE") for n in op.outputs}
    return any(op.kind == "TRANSPOSE" and op.inputs[0] in made for op in graph.ops)


FAULTS = (
    Fault("fusion drops an output", 2, loses=_fusion_drops),
    Fault("broadcast of row 0", 1, compute=_row_0_broadcast),
    Fault("swapped SPLIT", 1, compute=_swapped_split),
    Fault("lost PAD", 2, compute=_lost_pad),
    Fault("lost column of a matmul", 1, compute=_transposed_matmul),
    Fault("crash on TRANSPOSE after SLICE", 2, crashes=_second_reader_crash),
)


class SimulatedDelegate(Target):
    """Runs models with our own evaluator and the given planted faults. See the module's docstring."""

    def __init__(self, *faults: Fault) -> None:
        self.name = "simulated"
        self.identity = "simulated|" + ",".join(fault.name for fault in faults)
        self.faults = faults
        self.jobs = 0

    def activate_impl(self) -> None: ...

    def deactivate_impl(self) -> None: ...

    def run_many_impl(self, jobs: Iterable[Job]) -> Iterator[Run]:
        for job in jobs:
            self.jobs += 1
            yield self._run(job)

    def _run(self, job: Job) -> Run:
        graph = read_tflite(job.model, job.name)
        made_of = Fingerprint("simulated", "simulation", {}, "", "", str(job.precision), job.model_sha256)
        foreign = unsupported(graph)
        if foreign:
            return Run(job.name, Outcome.REFUSED, made_of, message=f"the simulation does not know {foreign[0]}")
        if any(fault.crashes(graph) for fault in self.faults):
            return Run(job.name, Outcome.CRASH, made_of, message="simulated crash")
        outputs = tuple(self._outputs(graph, feed) for feed in job.feeds)
        return Run(job.name, Outcome.OK, made_of, outputs, graph.outputs, fully_accelerated=True)

    def _outputs(self, graph: Graph, feed: Feed) -> tuple[np.ndarray, ...]:
        values: Arrays = dict(zip(graph.inputs, feed, strict=True))
        for op in graph.ops:
            wrong = (fault.compute(graph, op, values) for fault in self.faults)
            made = next((w for w in wrong if w is not None), None) or _one(graph, op, values)
            values |= dict(zip(op.outputs, made, strict=True))
        return tuple(self._written(graph, name, values) for name in graph.outputs)

    def _written(self, graph: Graph, name: str, values: Mapping[str, np.ndarray]) -> np.ndarray:
        if any(fault.loses(graph, name) for fault in self.faults):
            return np.full(graph.tensors[name].shape, SENTINEL, np.float32)
        return np.asarray(values[name])


class SimulatedPool(SimulatedDelegate):
    """The same behind a queue: draws three jobs before it answers the first, as a pool of workers does."""

    def run_many_impl(self, jobs: Iterable[Job]) -> Iterator[Run]:
        waiting: list[Job] = []
        for job in jobs:
            waiting.append(job)
            if len(waiting) == 3:
                yield from super().run_many_impl([waiting.pop(0)])
        yield from super().run_many_impl(waiting)
