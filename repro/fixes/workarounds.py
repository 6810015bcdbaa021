"""Edits of a graph that avoid a known hazard and leave every value as it is, bit for bit.

Key insight: against fusions two exact ops are enough. A multiply by one gives an output an op of its own,
and its second reader stops the fusion that would swallow it; an identity TRANSPOSE is an op that the
delegate neither removes nor links, so that what stands on its two sides is never folded together. What
the delegate parses wrong is written in another form (`repro.fixes.rewrites`). Names, order and shapes of inputs
and outputs stay.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np

from cases.edit import GraphEdit, renamed
from cases.evaluation.quantised import grid_of
from cases.graph import Graph, Op
from repro.delegate.graph import constant_data
from repro.delegate.kernel_divisions import kernel_divisions
from repro.delegate.replay import replay
from repro.fixes.rewrites import REWRITES
from repro.fixes.rewrites_in_parts import PART_REWRITES
from repro.fixes.rewrites_of_constants import CONSTANT_REWRITES
from repro.fixes.rewrites_of_integers import INTEGER_REWRITES
from repro.fixes.rewrites_of_types import TYPE_REWRITES
from repro.hazards.hazard import Hazard
from repro.hazards.lint import find_hazards, find_risks
from repro.hazards.rules import RULES

MAX_ROUNDS = 8


@dataclass(frozen=True)
class Mended:
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


def _emit(edit: GraphEdit, hazard: Hazard) -> str:
    """The output keeps its name and gets an op of its own; everybody inside reads the tensor behind it.

    That of integers on a grid is a TRANSPOSE: the delegate takes no MUL of int16 by a constant.
    """
    name = hazard.tensor
    producer = edit.graph.producers[name]
    inner = edit.tensor_like(name)
    for op in list(edit.ops):
        if op is producer:
            edit.swap(op, renamed(op, outputs={name: inner}))
        elif name in op.inputs:
            edit.swap(op, renamed(op, inputs={name: inner}))
    maker = next(op for op in edit.ops if inner in op.outputs)
    if grid_of(edit.tensors[name]) is not None:
        edit.transposed_after(maker, inner, name)
        return f"output '{name}' is emitted through an identity TRANSPOSE"
    one = edit.constant(f"{name}/one", np.ones((), edit.tensors[name].dtype))
    edit.insert_after(maker, Op("MUL", (inner, one), (name,), {"fused_activation_function": "NONE"}))
    return f"output '{name}' is emitted through a MUL by 1"


def _block(edit: GraphEdit, name: str, readers: list[Op]) -> str:
    """Put an identity TRANSPOSE between a tensor and some of its readers."""
    kept = edit.identity_transpose(min(readers, key=edit.ops.index), name)
    for op in readers:
        edit.swap(op, renamed(op, inputs={name: kept}))
    return f"an identity TRANSPOSE stands between '{name}' and {', '.join(op.kind for op in readers)}"


def _block_edge(edit: GraphEdit, hazard: Hazard) -> str:
    assert hazard.ops is not None
    producer, consumer = hazard.ops
    for name in consumer.inputs:
        if name and constant_data(edit.graph, name) is None and _comes_from(edit.graph, name, producer):
            return _block(edit, name, [consumer])
    return ""


def _comes_from(graph: Graph, name: str, producer: Op, steps: int = 8) -> bool:
    """Whether a tensor is made by `producer`, perhaps through ops the delegate takes out."""
    for _ in range(steps):
        maker = graph.producers.get(name)
        if maker is None or maker is producer:
            return maker is producer
        name = maker.inputs[0]
    return False


def _block_split(edit: GraphEdit, hazard: Hazard) -> str:
    assert hazard.ops is not None
    split = hazard.ops[0]
    for name in split.outputs:
        readers = list(edit.graph.uses.get(name, ()))
        if readers:
            return _block(edit, name, list(dict.fromkeys(readers)))
    return ""


def _block_source(edit: GraphEdit, hazard: Hazard) -> str:
    """The op gets a source of its own, so that the pass that takes it out applies."""
    assert hazard.ops is not None
    op = hazard.ops[0]
    return _block(edit, op.inputs[0], [op])


def _block_input(edit: GraphEdit, hazard: Hazard) -> str:
    assert hazard.ops is not None
    first = hazard.ops[0]
    return _block(edit, first.inputs[0], [first])


def _block_concat(edit: GraphEdit, hazard: Hazard) -> str:
    """The kernel starts at any branch but needs them all, so one blocked branch is enough."""
    assert hazard.ops is not None
    frontier = [hazard.ops[0], hazard.ops[1]]
    for _ in range(5):
        for op in frontier:
            if op.kind == "CONCATENATION":
                return _block(edit, op.inputs[0], [op])
        frontier = [user for op in frontier for name in op.outputs for user in edit.graph.uses.get(name, ())]
    return ""


def _block_kernels(edit: GraphEdit, hazard: Hazard) -> str:
    """Every division in a convolution's kernel, not the hazard's own alone, gets into another kernel."""
    graph = edit.graph
    blocked = []
    for found in kernel_divisions(replay(graph).graph):
        if not found.precisions:
            continue
        division = found.division.op
        name = next((n for n in division.inputs if n and constant_data(graph, n) is None), "")
        readers = [op for op in edit.ops if name in op.inputs]
        if readers:
            _block(edit, name, readers)
            blocked.append(name)
    if len(blocked) > 1:
        return f"an identity TRANSPOSE stands behind each of {len(blocked)} tensors that a division reads"
    return f"an identity TRANSPOSE stands behind '{blocked[0]}', which a division reads" if blocked else ""


WORKAROUNDS: dict[str, Callable[[GraphEdit, Hazard], str]] = {
    "emit": _emit,
    "block-edge": _block_edge,
    "block-split": _block_split,
    "block-source": _block_source,
    "block-input": _block_input,
    "block-concat": _block_concat,
    "block-kernel": _block_kernels,
    **REWRITES,
    **TYPE_REWRITES,
    **CONSTANT_REWRITES,
    **INTEGER_REWRITES,
    **PART_REWRITES,
}


def avoid_hazards(graph: Graph, also: Collection[str] = ()) -> Mended:
    """Apply one workaround after another, looking again after each, until no known hazard is left.

    One hazard at a time, because an edit that breaks one fusion often resolves its neighbours too. also: rules of
    risks that are mended as well.
    """

    def to_mend(current: Graph) -> tuple[Hazard, ...]:
        risks = find_risks(current) if also else ()
        return (*find_hazards(current), *(risk for risk in risks if risk.rule in also))

    done: list[tuple[Hazard, str]] = []
    current = graph
    tried: set[tuple[str, str]] = set()
    for _ in range(MAX_ROUNDS + 2 * len(graph.outputs) + len(to_mend(graph))):
        todo = next((h for h in to_mend(current) if (h.rule, h.tensor) not in tried and RULES[h.rule].workaround), None)
        if todo is None:
            break
        tried.add((todo.rule, todo.tensor))
        edit = GraphEdit(current)
        what_was_done = WORKAROUNDS[RULES[todo.rule].workaround](edit, todo)
        if not what_was_done:
            continue
        current = edit.finished()
        done.append((todo, what_was_done))
    before, after = set(map(id, graph.ops)), set(map(id, current.ops))
    return Mended(
        graph,
        current,
        tuple(done),
        to_mend(current),
        tuple(op for op in graph.ops if id(op) not in after),
        tuple(op for op in current.ops if id(op) not in before),
    )
