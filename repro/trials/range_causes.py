"""Verdicts that say why, where the numbers of the model pass what the arithmetic holds.

Key insight: an input says nothing of a model that it drives out of float32, on any target: that is INVALID, and the
input is the fault. And what fails in fp16 behind a tensor that fp16 cannot hold fails for that reason, wherever the
judge saw it first. Only what fails is looked into, since that costs one evaluation more.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np

from cases.evaluation.evaluate import unsupported
from cases.evaluation.ranges import TensorRange, ranges_of
from cases.graph import Graph, GraphError
from cases.inputs import GivenFeeds
from repro.delegate.inside_norms import tensors_inside_norms
from repro.trials.ranges import Leaves, Leaving, leaving
from repro.verdicts.subject import Subject
from repro.verdicts.verdict import Status, Verdict
from runner.encoding import shown_name
from runner.memory import TooMuchMemory
from runner.run import Precision

FLOAT32_MAX = float(np.finfo(np.float32).max)
NEVER_OF_RANGE = ("unwritten", "uncompiled", "alias")
"""How the signatures of failures begin that no number explains."""


def with_causes(verdicts: tuple[Verdict, ...], subject: Subject, precision: Precision) -> tuple[Verdict, ...]:
    """The verdicts, with the tensor that leaves the range behind the reason of what fails for it."""
    failing = [v for v in verdicts if v.status is Status.FAIL and not v.signature.startswith(NEVER_OF_RANGE)]
    if not failing or subject.is_bare:
        return verdicts
    found = _ranges(subject)
    beyond = [one for one in found if not one.stored.largest <= FLOAT32_MAX]
    origin = "given" if isinstance(subject.plan, GivenFeeds) else "made"
    gone = overflowing(subject.graph, found) if precision is Precision.FP16 else []
    return tuple(_explained(v, subject.graph, beyond, gone, origin) if v in failing else v for v in verdicts)


def first_leaving(subject: Subject, outputs: Iterable[str]) -> Leaving | None:
    """The first tensor on the way to some outputs that fp16 does not hold."""
    before = ancestors(subject.graph, outputs)
    return next((one for one in overflowing(subject.graph, _ranges(subject)) if one.name in before), None)


def _ranges(subject: Subject) -> tuple[TensorRange, ...]:
    if unsupported(subject.graph):
        return ()
    try:
        return ranges_of(subject.graph, subject.feeds)
    except (GraphError, TooMuchMemory):
        return ()  # without an evaluation there is no cause to name, and the verdict stands


def overflowing(graph: Graph, found: Sequence[TensorRange]) -> list[Leaving]:
    """What overflows in fp16, in execution order: what a tensor holds before what a sum inside may reach."""
    held = tensors_inside_norms(graph) if found else frozenset()
    gone = [one for each in found if (one := leaving(each, each.name in held)) is not None]
    sure = [one for one in gone if one.how is Leaves.ABOVE]
    return sure or [one for one in gone if one.how is Leaves.INSIDE]


def _explained(
    verdict: Verdict, graph: Graph, beyond: Sequence[TensorRange], gone: Sequence[Leaving], origin: str
) -> Verdict:
    before = ancestors(graph, [graph.outputs[verdict.output]])
    out = next((one for one in beyond if one.name in before), None)
    if out is not None:
        where = f"'{shown_name(out.name)}' ({out.producer}) reaches {out.stored.largest:.3g}"
        reason = f"the {origin} inputs leave float32: {where}"
        advice = "give inputs that the model is made for (--input, --inputs)"
        return dataclasses.replace(
            verdict, status=Status.INVALID, signature="", holds="", reason=f"{reason}; {advice}", error_map=None
        )
    cause = next((one for one in gone if one.name in before), None)
    if cause is None:
        return verdict
    return dataclasses.replace(verdict, reason=f"fp16's range: {cause.words}; {verdict.reason}")


def ancestors(graph: Graph, outputs: Iterable[str]) -> set[str]:
    """The tensors that some outputs are made of, themselves among them."""
    needed = set(outputs)
    for op in reversed(graph.ops):
        if needed.intersection(op.outputs):
            needed.update(filter(None, op.inputs))
    return needed
