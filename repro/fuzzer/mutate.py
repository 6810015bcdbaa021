"""Known graphs changed in one or two places: the neighbours of a bug are where the next one lives.

Key insight: a mutation need not be valid, only honest. Each one edits the graph, and every shape behind
the edit is inferred anew; where shapes do not fit, another mutation is drawn.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from cases.edit import (
    subgraph,
    unused_name,
    with_inferred_shapes,
    with_op,
    with_operand,
    without_dead_ops,
    without_output,
)
from cases.graph import Graph, GraphError, Op, Tensor
from repro.fuzzer.generate import add_step
from repro.fuzzer.growth import Growth, Palette, computed_floats

FAMILIES = (
    ("ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM", "SQUARED_DIFFERENCE"),
    ("SUM", "MEAN", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD"),
    ("RELU", "NEG", "ABS", "TANH", "LOGISTIC", "SQUARE", "HARD_SWISH", "GELU"),
    ("AVERAGE_POOL_2D", "MAX_POOL_2D"),
    ("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"),
)
Mutation = Callable[[random.Random, Graph, Palette], Graph | None]


def toggled_output(rng: random.Random, graph: Graph, _: Palette | None = None) -> Graph | None:
    """An inner tensor becomes an output, or an output that is read stops being one."""
    name = rng.choice(computed_floats(graph))
    if name not in graph.outputs:
        place = rng.randint(0, len(graph.outputs))
        return replace(graph, outputs=(*graph.outputs[:place], name, *graph.outputs[place:]))
    if len(graph.outputs) == 1 or not graph.uses.get(name):
        return None
    return without_output(graph, name)


def reordered_outputs(rng: random.Random, graph: Graph, _: Palette | None = None) -> Graph | None:
    """The outputs in another order."""
    if len(graph.outputs) < 2:
        return None
    outputs = list(graph.outputs)
    rng.shuffle(outputs)
    return replace(graph, outputs=tuple(outputs))


def other_kind(rng: random.Random, graph: Graph, _: Palette | None = None) -> Graph | None:
    """An op becomes another of its family."""
    places = [i for i, op in enumerate(graph.ops) if any(op.kind in f for f in FAMILIES) and op.raw is None]
    if not places:
        return None
    place = rng.choice(places)
    op = graph.ops[place]
    family = next(f for f in FAMILIES if op.kind in f)
    kind = rng.choice([k for k in family if k != op.kind])
    attrs = dict(op.attrs)
    if kind not in ("ADD", "SUB", "MUL"):
        attrs.pop("fused_activation_function", None)
    return with_op(graph, place, replace(op, kind=kind, attrs=attrs))


def swapped_operands(rng: random.Random, graph: Graph, _: Palette | None = None) -> Graph | None:
    """The two operands of an elementwise op change places."""
    places = [i for i, op in enumerate(graph.ops) if op.kind in FAMILIES[0] and len(op.inputs) == 2]
    if not places:
        return None
    place = rng.choice(places)
    op = graph.ops[place]
    return with_op(graph, place, replace(op, inputs=op.inputs[::-1]))


def inserted_op(rng: random.Random, graph: Graph, _: Palette | None = None) -> Graph | None:
    """An op of unchanged shape between a tensor and one of its readers."""
    edges = [
        (i, k)
        for i, op in enumerate(graph.ops)
        for k, n in enumerate(op.inputs)
        if n and not graph.tensors[n].is_constant and graph.tensors[n].dtype == "float32"
    ]
    if not edges:
        return None
    place, slot = rng.choice(edges)
    reader = graph.ops[place]
    source = graph.tensors[reader.inputs[slot]]
    name = unused_name(graph, "between")
    tensors = {**graph.tensors, name: Tensor(name, source.shape)}
    kind = rng.choice(("NEG", "RELU", "RESHAPE", "MUL", "ADD", "TANH"))
    inputs: tuple[str, ...] = (source.name,)
    if kind in ("RESHAPE", "MUL", "ADD"):
        parameter = unused_name(graph, "parameter")
        data = np.array(source.shape, np.int32) if kind == "RESHAPE" else np.array(rng.choice((0.5, 2.0)), np.float32)
        tensors[parameter] = Tensor(parameter, data.shape, str(data.dtype), data)
        inputs = (source.name, parameter)
    attrs = {"new_shape": source.shape} if kind == "RESHAPE" else {}
    between = Op(kind, inputs, (name,), attrs)
    ops = (*graph.ops[:place], between, with_operand(reader, slot, name), *graph.ops[place + 1 :])
    return Graph(tensors, ops, graph.inputs, graph.outputs)


def constant_for_tensor(rng: random.Random, graph: Graph, _: Palette | None = None) -> Graph | None:
    """A float constant of an elementwise op becomes an input, or an operand that is an input becomes a constant."""
    slots = [
        (i, k)
        for i, op in enumerate(graph.ops)
        if op.kind in FAMILIES[0]
        for k in range(2)
        if op.inputs[0] != op.inputs[1]
    ]
    slots = [(i, k) for i, k in slots if graph.ops[i].inputs[k] not in graph.producers]
    if not slots:
        return None
    place, slot = rng.choice(slots)
    op = graph.ops[place]
    old = graph.tensors[op.inputs[slot]]
    name = unused_name(graph, "other")
    if old.dtype != "float32" or (old.is_constant and not old.shape):
        return None  # no target takes an input without dimensions
    if old.is_constant:
        tensors, inputs = {**graph.tensors, name: Tensor(name, old.shape)}, (*graph.inputs, name)
    else:
        numbers = np.random.default_rng(rng.getrandbits(32))
        shape = old.shape if rng.random() < 0.5 else old.shape[-1:]
        data = numbers.uniform(0.5, 1.5, shape).astype(np.float32)
        tensors, inputs = {**graph.tensors, name: Tensor(name, data.shape, "float32", data)}, graph.inputs
    changed = with_op(graph, place, with_operand(op, slot, name))
    return without_dead_ops(replace(changed, tensors=tensors, inputs=inputs))


def shortened(rng: random.Random, graph: Graph, _: Palette | None = None) -> Graph | None:
    """The last ops go; what they read becomes an output."""
    if len(graph.ops) < 2:
        return None
    part = subgraph(graph, range(len(graph.ops) - rng.randint(1, min(3, len(graph.ops) - 1))))
    outputs = tuple(n for n in part.outputs if n in graph.outputs or graph.tensors[n].dtype == "float32")
    return without_dead_ops(replace(part, outputs=outputs)) if outputs else None


def extended(rng: random.Random, graph: Graph, palette: Palette | None = None) -> Graph | None:
    """One or two more steps behind some tensor of the graph."""
    growth = Growth.extending(graph, rng, palette)
    if not growth.tensors:
        return None
    rng.shuffle(growth.tensors)
    before = len(growth.tensors)
    for _ in range(rng.choice((1, 1, 2))):
        add_step(growth)
    new = [name for name in growth.tensors[before:] if name not in growth.builder.input_names]
    return growth.builder.build([*graph.outputs, *new]) if new else None


MUTATIONS: tuple[Mutation, ...] = (
    toggled_output,
    toggled_output,
    reordered_outputs,
    other_kind,
    other_kind,
    swapped_operands,
    inserted_op,
    constant_for_tensor,
    shortened,
    extended,
    extended,
)


def mutated(rng: random.Random, graph: Graph, palette: Palette | None = None) -> Graph:
    """The graph with one to three mutations; for one that does not fit another is drawn, a few times."""
    chosen = palette or Palette()
    for _ in range(rng.choice((1, 1, 2, 3))):
        for _attempt in range(6):
            try:
                changed = rng.choice(MUTATIONS)(rng, graph, chosen)
                if changed is None or not changed.outputs or not changed.ops:
                    continue
                graph = with_inferred_shapes(changed)
                break
            except (GraphError, IndexError):
                continue
    return graph
