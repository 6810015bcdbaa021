"""What overflows in fp16 with a subject's inputs, computed scaled down, one tensor after the other.

Key insight: no reading of the file tells how large its numbers become, so this is the one workaround that looks at the
inputs: it mends what was seen to overflow on these, and the proof is made on these.
"""

from __future__ import annotations

import dataclasses

from cases.evaluation.evaluate import unsupported
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


def hold_in_fp16(mended: Mended, subject: Subject) -> Mended:
    """The mended graph, with what overflows scaled down where a form for it is known; else as it was."""
    graph = mended.graph
    if unsupported(graph):
        return mended
    try:
        found = ranges_of(graph, subject.feeds, inside=False)
    except (GraphError, TooMuchMemory):
        return mended  # what cannot be evaluated is not known to overflow
    by_name = {one.name: one for one in found}
    done, handled = list(mended.done), set[str]()
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
