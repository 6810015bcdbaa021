"""How many accumulations lie on the way to a tensor: its noise grows with the number of roundings that add up."""

from __future__ import annotations

import math

import numpy as np

from cases.graph import Graph, Op


def accumulation_depth(graph: Graph, output: str) -> int:
    """Number of accumulations on the longest path into a tensor, at least 1."""
    depth: dict[str, int] = {}
    for op in graph.ops:
        before = max((depth.get(name, 0) for name in op.inputs if name), default=0)
        for name in op.outputs:
            depth[name] = before + _terms(graph, op)
    return max(1, depth.get(output, 1))


def _terms(graph: Graph, op: Op) -> int:
    shapes = [graph.tensors[n].shape if n else () for n in op.inputs]
    if op.kind == "FULLY_CONNECTED":
        return int(shapes[1][-1])
    if op.kind == "CONV_2D":
        return int(np.prod(shapes[1][1:]))
    if op.kind == "DEPTHWISE_CONV_2D":
        return int(np.prod(shapes[1][1:3]))
    if op.kind == "BATCH_MATMUL":
        return int(shapes[0][-2] if op.attrs.get("adj_x") else shapes[0][-1])
    if op.kind in ("SUM", "MEAN", "REDUCE_PROD", "SOFTMAX"):
        before, after = math.prod(shapes[0]), math.prod(graph.tensors[op.outputs[0]].shape)
        return int(shapes[0][-1]) if op.kind == "SOFTMAX" else max(1, before // max(1, after))
    return 1
