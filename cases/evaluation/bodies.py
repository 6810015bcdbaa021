"""A graph whose composites are taken apart, and the part of a graph that can be evaluated.

Key insight: a composite says by its body what it computes, in ops that are known one by one. So where the body can be
evaluated it stands in the place of the op, and everything that works on plain ops (values, noise floors, depth,
memory) works on it. Only a composite without such a body is computed by what its name is known to mean.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace

from cases.evaluation.variables import is_stateful
from cases.graph import Graph, Op, Tensor
from cases.tflite.bodies import body_of

BODY_FIELDS = {"STABLEHLO_COMPOSITE": "decompositionSubgraphIndex", "CALL": "subgraph"}
"""Op kinds that run their body once on their operands, and the schema's name of the field that refers to it."""


def with_bodies_in_place(graph: Graph, unsupported: Callable[[Graph], Sequence[str]]) -> Graph:
    """The graph with the bodies of its composites in their places, as far as they can be evaluated.

    unsupported: what of a graph cannot be. Names of the graph's own tensors stay.
    """
    if not any(_body(op) for op in graph.ops):
        return graph
    tensors, ops = dict(graph.tensors), []
    for op in graph.ops:
        body = fitting_body(op)
        if body is None or unsupported(body):
            ops.append(op)
            continue
        inner_tensors, inner_ops = in_place_of(op, with_bodies_in_place(body, unsupported), graph.tensors)
        tensors |= {tensor.name: tensor for tensor in inner_tensors}
        ops += inner_ops
    return replace(graph, tensors=tensors, ops=tuple(ops))


def fitting_body(op: Op) -> Graph | None:
    """The body of a composite or call that has the op's operands and results; None where there is none."""
    body = _body(op)
    fits = body is not None and len(body.inputs) == len(op.inputs) and len(body.outputs) == len(op.outputs)
    return body if fits else None


def in_place_of(op: Op, body: Graph, taken: Collection[str]) -> tuple[list[Tensor], list[Op]]:
    """The tensors that a body needs in the graph of its op, and its ops on that graph's names.

    taken: names of the graph, whose tensors stay as they are.
    """
    names = _names(op, body)
    tensors = [replace(t, name=names[n]) for n, t in body.tensors.items() if names[n] and names[n] not in taken]

    def mapped(ends: Sequence[str]) -> tuple[str, ...]:
        return tuple(names[name] if name else "" for name in ends)

    ops = [replace(inner, inputs=mapped(inner.inputs), outputs=mapped(inner.outputs)) for inner in body.ops]
    return tensors, [*ops, *_handed_through(op, body, names)]


def evaluable_part(graph: Graph, unsupported: Callable[[Graph], Sequence[str]]) -> Graph | None:
    """The graph with those of its outputs that no op stands before which cannot be evaluated; None if that is none.

    None for a graph that keeps something from run to run as well: what is kept could come from anywhere.
    """
    if is_stateful(graph):
        return None
    blind: set[str] = set()
    for op in graph.ops:
        alone = replace(graph, ops=(op,), outputs=op.outputs)
        if blind & set(op.inputs) or unsupported(alone):
            blind |= set(op.outputs)
    outputs = tuple(name for name in graph.outputs if name not in blind)
    if not outputs:
        return None
    ops = tuple(op for op in graph.ops if not blind & set(op.outputs))
    return replace(graph, ops=ops, outputs=outputs)


def _body(op: Op) -> Graph | None:
    return body_of(op, BODY_FIELDS[op.kind]) if op.kind in BODY_FIELDS else None


def _names(op: Op, body: Graph) -> dict[str, str]:
    """Tensor of the body -> its name in the graph around it."""
    names = {name: f"{op.outputs[0]}/{name}" for name in body.tensors}
    written = set(body.producers)
    names |= {inner: outer for inner, outer in zip(body.outputs, op.outputs, strict=True) if inner in written}
    return names | dict(zip(body.inputs, op.inputs, strict=True))


def _handed_through(op: Op, body: Graph, names: dict[str, str]) -> Iterator[Op]:
    """Copies, for outputs of the body that are its inputs or constants, or that are there twice."""
    for inner, outer in zip(body.outputs, op.outputs, strict=True):
        if names[inner] != outer:
            yield Op("RESHAPE", (names[inner],), (outer,), {"new_shape": tuple(body.tensors[inner].shape)})
