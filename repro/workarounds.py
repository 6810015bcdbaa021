"""Edits of a graph that avoid a known hazard and leave every value as it is, bit for bit.

Key insight: two exact ops are enough. A multiply by one gives an output an op of its own, and its
second reader stops the fusion that would swallow it; an identity TRANSPOSE is an op that the delegate
neither removes nor links, so that what stands on its two sides is never folded together. Names, order
and shapes of inputs and outputs stay.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from cases.graph import Graph, Op, Tensor
from repro.delegate_graph import broadcast_bhwc, constant_data
from repro.hazards import RULES, Hazard, find_hazards

MAX_ROUNDS = 8


@dataclass(frozen=True)
class Fixed:
    """A graph before and after its workarounds.

    done: (hazard, what was done) in order. left: hazards for which no workaround is known or none helped.
    removed, added: the ops that differ, for a diff.
    """

    before: Graph
    graph: Graph
    done: tuple[tuple[Hazard, str], ...]
    left: tuple[Hazard, ...]
    removed: tuple[Op, ...] = ()
    added: tuple[Op, ...] = ()


@dataclass
class _Draft:
    """A graph being edited: ops in order, tensors by name."""

    tensors: dict[str, Tensor]
    ops: list[Op]
    graph: Graph
    names: int = field(default=0)

    def fresh(self, stem: str) -> str:
        while True:
            name = f"{stem}/fix{self.names}" if self.names else f"{stem}/fix"
            self.names += 1
            if name not in self.tensors:
                return name

    def tensor_like(self, name: str, shape: tuple[int, ...] | None = None) -> str:
        source = self.tensors[name]
        made = self.fresh(name)
        self.tensors[made] = Tensor(made, source.shape if shape is None else shape, source.dtype)
        return made

    def constant(self, stem: str, data: np.ndarray) -> str:
        made = self.fresh(stem)
        self.tensors[made] = Tensor(made, tuple(data.shape), data.dtype.name, data)
        return made

    def insert_before(self, op: Op, new: Op) -> None:
        self.ops.insert(self.ops.index(op), new)

    def insert_after(self, op: Op, new: Op) -> None:
        self.ops.insert(self.ops.index(op) + 1, new)

    def swap(self, op: Op, new: Op) -> Op:
        self.ops[self.ops.index(op)] = new
        return new

    def finished(self) -> Graph:
        return replace(self.graph, tensors=self.tensors, ops=tuple(self.ops)).validate()


def _renamed(op: Op, inputs: Mapping[str, str] | None = None, outputs: Mapping[str, str] | None = None) -> Op:
    return replace(
        op,
        inputs=tuple((inputs or {}).get(name, name) for name in op.inputs),
        outputs=tuple((outputs or {}).get(name, name) for name in op.outputs),
    )


def _emit(draft: _Draft, hazard: Hazard) -> str:
    """The output keeps its name and gets an op of its own; everybody inside reads the tensor behind it."""
    name = hazard.tensor
    producer = draft.graph.producers[name]
    inner = draft.tensor_like(name)
    for op in list(draft.ops):
        if op is producer:
            draft.swap(op, _renamed(op, outputs={name: inner}))
        elif name in op.inputs:
            draft.swap(op, _renamed(op, inputs={name: inner}))
    one = draft.constant(f"{name}/one", np.ones((), draft.tensors[name].dtype))
    position = next(index for index, op in enumerate(draft.ops) if inner in op.outputs)
    draft.ops.insert(position + 1, Op("MUL", (inner, one), (name,), {"fused_activation_function": "NONE"}))
    return f"output '{name}' is emitted through a MUL by 1"


def _block(draft: _Draft, name: str, readers: list[Op]) -> str:
    """Put an identity TRANSPOSE between a tensor and some of its readers."""
    kept = draft.tensor_like(name)
    rank = len(draft.tensors[name].shape)
    perm = draft.constant(f"{name}/perm", np.arange(rank, dtype=np.int32))
    first = min(readers, key=draft.ops.index)
    draft.insert_before(first, Op("TRANSPOSE", (name, perm), (kept,)))
    for op in readers:
        draft.swap(op, _renamed(op, inputs={name: kept}))
    return f"an identity TRANSPOSE stands between '{name}' and {', '.join(op.kind for op in readers)}"


def _block_edge(draft: _Draft, hazard: Hazard) -> str:
    assert hazard.ops is not None
    producer, consumer = hazard.ops
    for name in consumer.inputs:
        if name and constant_data(draft.graph, name) is None and _comes_from(draft.graph, name, producer):
            return _block(draft, name, [consumer])
    return ""


def _comes_from(graph: Graph, name: str, producer: Op, steps: int = 8) -> bool:
    """Whether a tensor is made by `producer`, perhaps through ops the delegate takes out."""
    for _ in range(steps):
        maker = graph.producers.get(name)
        if maker is None or maker is producer:
            return maker is producer
        name = maker.inputs[0]
    return False


def _block_split(draft: _Draft, hazard: Hazard) -> str:
    assert hazard.ops is not None
    split = hazard.ops[0]
    for name in split.outputs:
        readers = list(draft.graph.uses.get(name, ()))
        if readers:
            return _block(draft, name, list(dict.fromkeys(readers)))
    return ""


def _block_source(draft: _Draft, hazard: Hazard) -> str:
    """The op gets a source of its own, so that the pass that takes it out applies."""
    assert hazard.ops is not None
    op = hazard.ops[0]
    return _block(draft, op.inputs[0], [op])


def _block_input(draft: _Draft, hazard: Hazard) -> str:
    assert hazard.ops is not None
    first = hazard.ops[0]
    return _block(draft, first.inputs[0], [first])


def _block_concat(draft: _Draft, hazard: Hazard) -> str:
    """The kernel starts at any branch but needs them all, so one blocked branch is enough."""
    assert hazard.ops is not None
    frontier = [hazard.ops[0], hazard.ops[1]]
    for _ in range(5):
        for op in frontier:
            if op.kind == "CONCATENATION":
                return _block(draft, op.inputs[0], [op])
        frontier = [user for op in frontier for name in op.outputs for user in draft.graph.uses.get(name, ())]
    return ""


def _align_ranks(draft: _Draft, hazard: Hazard) -> str:
    """Both operands at rank 4, aligned to the right; a batch that only the constant has is made by CONCAT."""
    assert hazard.ops is not None
    op = hazard.ops[0]
    constant, runtime = sorted(op.inputs, key=lambda name: constant_data(draft.graph, name) is None)
    data = constant_data(draft.graph, constant)
    output = op.outputs[0]
    result = draft.tensors[output].shape
    if data is None or len(result) > 4:
        return ""
    wide = broadcast_bhwc(tuple(result))
    shape = broadcast_bhwc(tuple(draft.tensors[runtime].shape))
    fixed = draft.constant(constant, np.ascontiguousarray(data.reshape(broadcast_bhwc(tuple(data.shape)))))
    source = runtime
    if tuple(draft.tensors[runtime].shape) != shape:
        source = draft.tensor_like(runtime, shape)
        target = draft.constant(f"{runtime}/shape", np.array(shape, np.int32))
        draft.insert_before(op, Op("RESHAPE", (runtime, target), (source,), {"new_shape": list(shape)}))
    if wide[0] != 1 and shape[0] == 1:
        copies = draft.tensor_like(source, (wide[0], *shape[1:]))
        attrs = {"axis": 0, "fused_activation_function": "NONE"}
        draft.insert_before(op, Op("CONCATENATION", (source,) * wide[0], (copies,), attrs))
        source = copies
    inputs = {constant: fixed, runtime: source}
    if tuple(result) == wide:
        draft.swap(op, _renamed(op, inputs=inputs))
    else:
        inner = draft.tensor_like(output, wide)
        made = draft.swap(op, _renamed(op, inputs=inputs, outputs={output: inner}))
        target = draft.constant(f"{output}/shape", np.array(result, np.int32))
        draft.insert_after(made, Op("RESHAPE", (inner, target), (output,), {"new_shape": list(result)}))
    return f"{op.kind} works on rank 4, so that '{runtime}' and the constant are read along the same axes"


WORKAROUNDS: dict[str, Callable[[_Draft, Hazard], str]] = {
    "emit": _emit,
    "block-edge": _block_edge,
    "block-split": _block_split,
    "block-source": _block_source,
    "block-input": _block_input,
    "block-concat": _block_concat,
    "align-ranks": _align_ranks,
}


def avoid_hazards(graph: Graph) -> Fixed:
    """Apply one workaround after another, looking again after each, until no known hazard is left.

    One hazard at a time, because an edit that breaks one fusion often resolves its neighbours too.
    """
    done: list[tuple[Hazard, str]] = []
    current = graph
    tried: set[tuple[str, str]] = set()
    for _ in range(MAX_ROUNDS + 2 * len(graph.outputs) + len(find_hazards(graph))):
        hazards = find_hazards(current)
        todo = next((h for h in hazards if (h.rule, h.tensor) not in tried and RULES[h.rule].workaround), None)
        if todo is None:
            break
        tried.add((todo.rule, todo.tensor))
        draft = _Draft(dict(current.tensors), list(current.ops), current)
        told = WORKAROUNDS[RULES[todo.rule].workaround](draft, todo)
        if not told:
            continue
        current = _without_unused(draft.finished())
        done.append((todo, told))
    before, after = set(map(id, graph.ops)), set(map(id, current.ops))
    return Fixed(
        graph,
        current,
        tuple(done),
        find_hazards(current),
        tuple(op for op in graph.ops if id(op) not in after),
        tuple(op for op in current.ops if id(op) not in before),
    )


def _without_unused(graph: Graph) -> Graph:
    """Drop constants that nobody reads any more."""
    used = {name for op in graph.ops for name in (*op.inputs, *op.outputs)} | set(graph.inputs) | set(graph.outputs)
    kept = {name: tensor for name, tensor in graph.tensors.items() if name in used or not tensor.is_constant}
    return replace(graph, tensors=kept)
