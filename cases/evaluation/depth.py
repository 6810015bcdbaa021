"""How many accumulations lie on the way to a tensor: its noise grows with the number of roundings that add up."""

from __future__ import annotations

import math

import numpy as np

from cases.evaluation.bodies import with_bodies_in_place
from cases.evaluation.control import FIELDS, bodies_run
from cases.evaluation.handlers import unsupported
from cases.graph import Graph, Op


def accumulation_depth(graph: Graph, output: str) -> int:
    """Number of accumulations on the longest path into a tensor, at least 1."""
    graph = with_bodies_in_place(graph, unsupported)
    depth: dict[str, int] = {}
    for op in graph.ops:
        before = max((depth.get(name, 0) for name in op.inputs if name), default=0)
        for name in op.outputs:
            depth[name] = before + _terms(graph, op)
    return max(1, depth.get(output, 1))


def accumulations(graph: Graph, op: Op) -> int:
    """Terms that an op adds up, over all elements of its outputs."""
    return _terms(graph, op) * sum(math.prod(graph.tensors[name].shape) for name in op.outputs if name)


def _terms(graph: Graph, op: Op) -> int:
    shapes = [graph.tensors[n].shape if n else () for n in op.inputs]
    if op.kind == "FULLY_CONNECTED":
        return int(shapes[1][-1])
    if op.kind in ("CONV_2D", "TRANSPOSE_CONV"):
        return int(np.prod(shapes[1][1:]))
    if op.kind in ("LSTM", "UNIDIRECTIONAL_SEQUENCE_LSTM"):
        return _terms_of_cell(op, shapes)
    if op.kind == "DEPTHWISE_CONV_2D":
        return int(np.prod(shapes[1][1:3]))
    if op.kind == "BATCH_MATMUL":
        return int(shapes[0][-2] if op.attrs.get("adj_x") else shapes[0][-1])
    if op.kind in ("SUM", "MEAN", "REDUCE_PROD", "SOFTMAX"):
        before, after = math.prod(shapes[0]), math.prod(graph.tensors[op.outputs[0]].shape)
        return int(shapes[0][-1]) if op.kind == "SOFTMAX" else max(1, before // max(1, after))
    if op.kind in FIELDS:  # of one round: how many there are, values decide
        return max((accumulation_depth(body, name) for body in bodies_run(op) for name in body.outputs), default=1)
    if op.kind in ("CUSTOM", "STABLEHLO_COMPOSITE"):
        return max((int(shape[-1]) for shape in shapes if shape), default=1)  # a norm's channels, attention's keys
    return 1


def _terms_of_cell(op: Op, shapes: list[tuple[int, ...]]) -> int:
    """Of the sums of a gate, once for each step of a sequence."""
    if op.attrs.get("kernel_type"):
        return int(shapes[2][-1])
    steps = 1 if op.kind == "LSTM" else shapes[0][0 if op.attrs.get("time_major") else 1]
    return int(steps * (shapes[2][-1] + shapes[6][-1]))
