"""What is being reduced: a graph with its inputs, the output that is wrong, and what counts as the same failure.

Key insight: the known bugs live in roles (rank, producer, consumers, is an output), and looking at a
wrong graph can make it right. So a candidate is the same failure only if the *same output role*
shows the *same signature*; and every other tensor whose role a candidate changed is counted
(`drift`), so that such a candidate is confirmed a second time, on other inputs, before it is taken.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from cases.edit import subgraph, touched_tensors, without_untouched_tensors
from cases.graph import Graph, Op, Role
from repro.verdicts.value_range import constants, out_of_range
from repro.verdicts.verdict import Status, Verdict
from runner.run import Feed, Precision

RUN_LEVEL = (Status.REFUSED, Status.CRASH, Status.HANG, Status.NOT_RESIDENT)

Values = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Failure:
    """What must stay the same. signature: `unwritten`, `alias`, ..., or the run's CRASH, HANG, REFUSED.

    role is None where the run as a whole failed and no output is to blame.
    """

    signature: str
    role: Role | None

    def describe(self) -> str:
        if self.role is None:
            return self.signature
        readers = ", ".join(self.role.consumers) or "nothing"
        kind = "output" if self.role.is_output else "tensor"
        return f"{self.signature} on a rank-{self.role.rank} {kind} of {self.role.producer}, read by {readers}"


@dataclass(frozen=True, eq=False)
class Specimen:
    """A graph that (perhaps) fails. output: the failing output's tensor name, empty for a run-level failure.

    feeds: one per run; a feed that comes again is the same object.
    drift: tensors whose role differs from the original's. about_role: the proposal is to change the
    failing output's own role, so the same signature is enough, if other inputs show it as well.
    """

    graph: Graph
    feeds: tuple[Feed, ...]
    output: str
    drift: frozenset[str] = frozenset()
    about_role: bool = False
    made_by: str = "original"

    @property
    def size(self) -> tuple[int, ...]:
        """What is made smaller, in order: ops, inputs and outputs, activations, elements, constants' complexity."""
        graph = self.graph
        ends = len(graph.inputs) + len(graph.outputs)
        activations = sum(op.attrs.get("fused_activation_function", "NONE") != "NONE" for op in graph.ops)
        elements = sum(math.prod(graph.tensors[name].shape) for name in touched_tensors(graph))
        return (len(graph.ops), ends, activations, elements, complexity(graph))


def complexity(graph: Graph) -> int:
    """How far float constants are from saying nothing: ones count 0, other whole numbers 1 each, the rest 2 each."""
    total = 0
    for name in touched_tensors(graph):
        data = graph.tensors[name].data
        if data is not None and data.dtype.kind == "f" and not bool(np.all(data == 1)):
            total += int(data.size) * (1 if bool(np.all(data == np.round(data))) else 2)
    return total


def signature_kind(signature: str) -> str:
    """`alias(x)` -> `alias`: the operand's name changes when names do, the kind of failure does not."""
    return signature.partition("(")[0]


def failure_of(graph: Graph, output: str, verdicts: Iterable[Verdict]) -> Failure | None:
    """What the named output (or the run as a whole) does wrong, or None where it is right or cannot be judged."""
    for verdict in verdicts:
        if verdict.status in RUN_LEVEL:
            return Failure(str(verdict.status), None)
        if verdict.status is Status.FAIL and output and verdict.output == graph.outputs.index(output):
            return Failure(signature_kind(verdict.signature), graph.role(output))
    return None


def role_drift(original: Graph, graph: Graph) -> frozenset[str]:
    """Tensors made inside `graph` whose role is not the one they had in `original`.

    A tensor that lost *all* its readers and became an output is an end of the cut, and no drift;
    neither are tensors that became inputs. Tensors that the original did not have always count.
    """
    changed = set()
    for op in graph.ops:
        for name in op.outputs:
            if name not in original.tensors or name not in original.producers:
                changed.add(name)
                continue
            before, now = original.role(name), graph.role(name)
            is_end = not now.consumers and now.is_output
            same_place = is_end or (now.consumers == before.consumers and now.is_output == before.is_output)
            if not same_place or now.rank != before.rank or now.producer != before.producer:
                changed.add(name)
    return frozenset(changed)


def cut(specimen: Specimen, keep: Collection[int], values: Callable[[int], Values], made_by: str) -> Specimen:
    """The sub-graph of the ops at the given positions; what they read from outside is fed the reference's values.

    values: feed index -> every tensor's reference value. Outputs are the original outputs that are
    still made, then everything made that nothing reads any more.
    """
    smaller = subgraph(specimen.graph, keep)
    feeds = map_feeds(specimen.feeds, lambda k, feed: tuple(values(k)[name] for name in smaller.inputs))
    return Specimen(smaller, feeds, specimen.output, made_by=made_by)


def map_feeds(feeds: tuple[Feed, ...], change: Callable[[int, Feed], Feed]) -> tuple[Feed, ...]:
    """Each distinct feed changed once, so that (a, b, c, a) stays (a, b, c, a) by identity."""
    done: dict[int, Feed] = {}
    for index, feed in enumerate(feeds):
        if id(feed) not in done:
            done[id(feed)] = change(index, feed)
    return tuple(done[id(feed)] for feed in feeds)


def with_graph(specimen: Specimen, graph: Graph, made_by: str) -> Specimen:
    """The specimen on an edited graph whose inputs are a subset of what it had, by name."""
    index = {name: i for i, name in enumerate(specimen.graph.inputs)}
    smaller = without_untouched_tensors(graph)
    feeds = map_feeds(specimen.feeds, lambda _, feed: tuple(feed[index[name]] for name in smaller.inputs))
    return replace(specimen, graph=smaller, feeds=feeds, made_by=made_by)


@dataclass
class ReferenceValues:
    """Reference values of every tensor of one specimen, computed once per feed and only when asked for."""

    compute: Callable[[Graph, Feed], Values]
    specimen: Specimen
    known: dict[int, Values] = field(default_factory=dict)

    def __call__(self, feed_index: int) -> Values:
        feed = self.specimen.feeds[feed_index]
        if id(feed) not in self.known:
            self.known[id(feed)] = self.compute(self.specimen.graph, feed)
        return self.known[id(feed)]


def beyond_range(values: ReferenceValues, precision: Precision) -> frozenset[str]:
    """The tensors of the specimen, constants too, whose right values a precision cannot hold after some feed."""
    feeds = range(len(values.specimen.feeds))
    everything = (constants(values.specimen.graph), *(values(k) for k in feeds))
    return frozenset[str]().union(*(out_of_range(each, precision) for each in everything))


def op_label(op: Op, graph: Graph) -> str:
    """`ADD [2,5] + [1,2,5] -> [1,2,5]`: enough to recognise an op by."""

    def shape(name: str) -> str:
        tensor = graph.tensors[name]
        text = "[" + ",".join(map(str, tensor.shape)) + "]"
        return f"constant {text}" if tensor.is_constant else text

    reads = ", ".join(shape(name) for name in op.inputs if name)
    return f"{op.kind} {reads} -> {', '.join(shape(name) for name in op.outputs)}"


def describe_graph(graph: Graph) -> list[str]:
    """One line per op, with names: for people."""
    lines = []
    for op in graph.ops:
        marks = ["" if name not in graph.outputs else " (output)" for name in op.outputs]
        made = ", ".join(f"{name}{mark}" for name, mark in zip(op.outputs, marks, strict=True))
        read = ", ".join(name or "-" for name in op.inputs)
        lines.append(f"{made} = {op.kind}({read})   {op_label(op, graph).partition(' ')[2]}")
    return lines
