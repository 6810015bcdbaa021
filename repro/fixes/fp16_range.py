"""What overflows in fp16 with a subject's inputs, computed scaled down, one tensor after the other.

Key insight: no reading of the file tells how large its numbers become, so this is the one workaround that looks at the
inputs: it mends what was seen to overflow on these, and the proof is made on these.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from cases.edit import GraphEdit, renamed
from cases.evaluation.evaluate import evaluate, unsupported
from cases.evaluation.ranges import ranges_of
from cases.graph import Graph, GraphError
from repro.delegate.sighting import Effect
from repro.fixes.scaled_down import scale_down
from repro.fixes.workarounds import Mended
from repro.hazards.hazard import Hazard, match_of
from repro.hazards.rules import RULES
from repro.trials.ranges import Leaving, overflowing
from repro.verdicts.subject import Subject
from runner.memory import TooMuchMemory
from runner.run import FP16_MAX

HELD = 2.0**15
"""What a constant beyond fp16's range becomes: half of that range, so that what is added to it stays inside."""
SAME = 1e-6
"""Of an output's range, by which a constant that is brought into fp16's range may move it."""


def hold_in_fp16(mended: Mended, subject: Subject) -> Mended:
    """The mended graph, with what overflows scaled down where a form for it is known; else as it was."""
    graph = mended.graph
    if unsupported(graph):
        return mended
    try:
        found = ranges_of(graph, subject.feeds, inside=False)
    except (GraphError, TooMuchMemory):
        return mended  # what cannot be evaluated is not known to overflow
    done, handled = list(mended.done), set[str]()
    held = _constants_held(graph, subject) if overflowing(graph, found) else None
    if held is not None:
        graph, names = held
        found = ranges_of(graph, subject.feeds, inside=False)
        done += [(_of_constant(mended.graph, name), f"'{name}' is held to {HELD:g}") for name in names]
    by_name = {one.name: one for one in found}
    for gone in overflowing(graph, found):
        scaled = None if gone.name in handled else scale_down(graph, gone.name, by_name)
        if scaled is not None:
            done.append((_hazard(mended, gone), scaled.words))
            graph = scaled.graph
            handled |= scaled.handled
    if graph is mended.graph:
        return mended
    original, now = {id(op) for op in mended.before.ops}, {id(op) for op in graph.ops}
    return dataclasses.replace(
        mended,
        graph=graph,
        done=tuple(done),
        removed=tuple(op for op in mended.before.ops if id(op) not in now),
        added=tuple(op for op in graph.ops if id(op) not in original),
    )


def _constants_held(graph: Graph, subject: Subject) -> tuple[Graph, list[str]] | None:
    """The graph with its constants inside fp16's range, and which were not; None where that changes an output.

    A mask of the largest negative number does not: what it hides is hidden by less.
    """
    outside = {name: data for name, data in _read_constants(graph) if np.max(np.abs(data), initial=0.0) > FP16_MAX}
    if not outside:
        return None
    edit = GraphEdit(graph)
    inside = {name: edit.constant_like(name, np.clip(data, -HELD, HELD)) for name, data in outside.items()}
    for op in graph.ops:
        if inside.keys() & set(op.inputs):
            edit.swap(op, renamed(op, inputs=inside))
    changed = edit.finished()
    for feed in {id(feed): feed for feed in subject.feeds}.values():
        before, after = evaluate(graph, feed), evaluate(changed, feed)
        for name in graph.outputs:
            room = SAME * float(np.max(np.abs(before[name]), initial=0.0))
            if not np.allclose(after[name], before[name], rtol=0.0, atol=room, equal_nan=True):
                return None
    return changed, list(outside)


def _read_constants(graph: Graph) -> Iterator[tuple[str, np.ndarray]]:
    """The float32 constants that an op reads, and what they hold."""
    for name, tensor in graph.tensors.items():
        if tensor.data is not None and tensor.dtype == "float32" and graph.uses.get(name):
            yield name, tensor.data


def _of_constant(graph: Graph, name: str) -> Hazard:
    """The risk that a constant is beyond fp16's range. graph: as it was with that constant."""
    words = f"holds more than {FP16_MAX:g}, the largest fp16 number"
    reader = graph.uses[name][0].kind
    return match_of(RULES["fp16-range"], name, None, "constant", reader, Effect.RISK, _behind(graph, name), words)


def _behind(graph: Graph, name: str) -> tuple[int, ...]:
    """Indices of the outputs that are made of a tensor."""
    made = {name}
    for op in graph.ops:
        if made.intersection(op.inputs):
            made.update(op.outputs)
    return tuple(index for index, output in enumerate(graph.outputs) if output in made)


def _hazard(mended: Mended, gone: Leaving) -> Hazard:
    graph = mended.graph
    readers = graph.uses.get(gone.name, ())
    affected = _behind(graph, gone.name)
    reader = readers[0].kind if readers else ""
    return match_of(RULES["fp16-overflow"], gone.name, None, gone.producer, reader, Effect.RISK, affected, gone.words)
