"""Draws over all that the delegate takes: one op of any kind in any type that it takes it in, among neighbours.

Key insight: a kind that is never drawn is never wrong. So the cell (kind, type) is chosen first, each as likely, and
the op's options, ranks and broadcasts after it; what the delegate would refuse aloud is drawn again. The op may read
what another op makes, and be read, since many bugs live between two ops.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cases.builder import GraphBuilder
from cases.drawn_ops.cells import Cell
from cases.drawn_ops.draw import Draw
from cases.drawn_ops.typed import drawn_graph
from cases.graph import Graph, Op, Tensor
from cases.input_plan.planned import Kind
from cases.input_plan.roles import planned_inputs
from repro.delegate.refusals import why_refused

TRIES = 12
FRONT, BEHIND, INPUT_SHOWN = 0.3, 0.5, 0.03
"""How likely an op in front, an op behind, and an input as an output are."""


def surface(rng: random.Random, cells: Sequence[Cell]) -> Graph:
    """A graph around one op of one of the cells. The last one drawn, where the delegate refuses all that are."""
    draw = Draw(rng)
    kind, type_ = draw.one_of(cells)
    for _ in range(TRIES):
        graph = drawn_graph(draw, kind, type_)
        if not any(why_refused(graph, op) for op in graph.ops):
            break
    if rng.random() < FRONT:
        graph = _behind_an_op(draw, graph)
    if rng.random() < BEHIND:
        graph = _before_an_op(draw, graph)
    if rng.random() < INPUT_SHOWN:
        graph = replace(graph, outputs=(*graph.outputs, draw.one_of(graph.inputs)))
    return graph


def _behind_an_op(draw: Draw, graph: Graph) -> Graph:
    """The graph with an op in front of one of its inputs, of which nothing says which numbers it may hold."""
    free = [
        p.name for p in planned_inputs(graph) if p.kind is Kind.STANDARD and graph.tensors[p.name].dtype == "float32"
    ]
    if not free:
        return graph
    name = draw.one_of(free)
    fed, tensor = f"{name}_fed", graph.tensors[name]
    tensors = {**graph.tensors, fed: replace(tensor, name=fed)}
    kind = draw.one_of(("NEG", "TANH", "ADD", "MUL"))
    inputs: tuple[str, ...] = (fed,)
    if kind in ("ADD", "MUL"):
        shape = tensor.shape[-1:] if draw.coin() else ()
        tensors["constant"] = Tensor("constant", shape, data=draw.numbers.uniform(0.5, 1.5, shape).astype(np.float32))
        inputs = (fed, "constant")
    ops = (Op(kind, inputs, (name,)), *graph.ops)
    outputs = (name, *graph.outputs) if draw.rng.random() < 0.4 else graph.outputs
    return replace(
        graph, tensors=tensors, ops=ops, inputs=tuple(fed if n == name else n for n in graph.inputs), outputs=outputs
    ).validate()


def _before_an_op(draw: Draw, graph: Graph) -> Graph:
    """The graph with an op that reads one of its outputs, which mostly stays one."""
    name = draw.one_of(graph.outputs)
    tensor, g = graph.tensors[name], GraphBuilder.extending(graph)
    rank = len(tensor.shape)
    if tensor.dtype != "float32" or not rank:
        return graph
    match draw.integer(0, 5):
        case 0:
            made = g.unary(draw.one_of(("TANH", "NEG", "RELU")), name)
        case 1:
            made = g.scaled(name, 1.25)
        case 2:
            made = g.add(name, g.const(draw.numbers.uniform(0.5, 1.5, tensor.shape[-1:])))
        case 3:
            axis = draw.integer(0, rank - 1)
            made = g.reduce(
                draw.one_of(("SUM", "MEAN", "REDUCE_MAX")), name, [axis], keep_dims=draw.coin() or rank == 1
            )
        case 4:
            made = g.fully_connected(name, draw.numbers.uniform(-1.0, 1.0, (draw.integer(1, 5), tensor.shape[-1])))
        case _:
            made = g.transpose(name, draw.shuffled(range(rank))) if rank > 1 else g.unary("ABS", name)
    shown = tuple(n for n in graph.outputs if n != name or draw.rng.random() < 0.7)
    return g.build([*shown, made])
