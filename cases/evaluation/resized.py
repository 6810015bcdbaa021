"""A graph at other shapes of its inputs: what its file leaves open is decided, and the shapes of all tensors follow.

Key insight: most shapes follow from shapes alone, and the rest from a few integers that the graph computes from shapes
(SHAPE, then a SLICE and a PACK, then a RESHAPE). So the ops are walked once with what is known of their operands: the
shapes of all, the values of those that depend on nothing but shapes and constants.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from cases.evaluation.arithmetic import FLOAT64
from cases.evaluation.handlers import handler_of
from cases.evaluation.step import Step
from cases.graph import Graph, GraphError, Op, Tensor
from cases.shapes import Shape, axis_of, output_shapes
from cases.tflite.bodies import body_of

KNOWN_ELEMENTS = 4096
"""Of a tensor whose value is worked out: shapes, axes and the like have a few."""


def with_input_shapes(graph: Graph, shapes: Mapping[str, Shape]) -> Graph:
    """The graph with some of its inputs at other shapes, by tensor name.

    Raises GraphError, naming the op, where the shapes do not fit or an op's shape cannot be told before it runs.
    """
    tensors = dict(graph.tensors)
    for name, shape in shapes.items():
        tensors[name] = replace(tensors[name], shape=tuple(shape))
    known = {name: np.asarray(t.data) for name, t in tensors.items() if t.data is not None and t.dtype != "string"}
    ops = []
    for op in graph.ops:
        try:
            op, results = _inferred(op, tensors, known)
        except (GraphError, ValueError, IndexError, KeyError, TypeError, AttributeError) as error:
            raise GraphError(f"the shape of what {op.kind} writes cannot be told: {error}") from error
        for name, shape in zip(op.outputs, results, strict=True):
            tensors[name] = replace(tensors[name], shape=tuple(map(int, shape)))
        _learn(op, tensors, known)
        ops.append(op)
    return replace(graph, tensors=tensors, ops=tuple(ops)).validate()


def _inferred(op: Op, tensors: Mapping[str, Tensor], known: Mapping[str, np.ndarray]) -> tuple[Op, list[Shape]]:
    """The op, whose body may have other shapes now, and the shapes of its outputs."""
    operands = [replace(tensors[name], data=known.get(name)) for name in op.inputs if name]
    body = body_of(op, "decompositionSubgraphIndex")
    if body is not None:
        resized = with_input_shapes(body, {n: t.shape for n, t in zip(body.inputs, operands, strict=True)})
        bodies = {**op.raw.bodies, "decompositionSubgraphIndex": (resized,)}
        return replace(op, raw=replace(op.raw, bodies=bodies)), [resized.tensors[n].shape for n in resized.outputs]
    x = operands[0].shape if operands else ()
    match op.kind:
        case "SHAPE":
            return op, [(len(x),)]
        case "SQUEEZE":
            gone = {axis_of(axis, len(x)) for axis in op.attrs.get("squeeze_dims", ())}
            gone = gone or {axis for axis, extent in enumerate(x) if extent == 1}
            return op, [tuple(extent for axis, extent in enumerate(x) if axis not in gone)]
        case "EXPAND_DIMS":
            axis = axis_of(_number(operands[1]), len(x) + 1)
            return op, [(*x[:axis], 1, *x[axis:])]
        case "BROADCAST_TO":
            return op, [_numbers(operands[1])]
        case "TRANSPOSE_CONV":
            return op, [_numbers(operands[0])]
    try:
        return op, list(output_shapes(op.kind, operands, op.attrs))
    except GraphError:
        return op, [value.shape for value in _computed(op, tensors, known)]


def _computed(op: Op, tensors: Mapping[str, Tensor], known: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """What the op makes of what is known, and of ones where its operands are not."""
    handler = handler_of(op)
    if handler is None:
        raise GraphError(f"{op.kind} is not known")
    values = {name: known.get(name, _ones(tensors[name])) for name in op.inputs if name}
    values = {name: v.astype(np.float64) if v.dtype.kind == "f" else v for name, v in values.items()}
    with np.errstate(all="ignore"):
        return list(handler(Step(op, Graph(tensors, (), (), ()), values, FLOAT64)))


def _learn(op: Op, tensors: Mapping[str, Tensor], known: dict[str, np.ndarray]) -> None:
    """Add the values of what the op writes, where they depend on shapes and constants alone."""
    if op.kind == "SHAPE":
        known[op.outputs[0]] = np.array(tensors[op.inputs[0]].shape, tensors[op.outputs[0]].dtype)
        return
    small = all(np.prod(tensors[name].shape) <= KNOWN_ELEMENTS for name in (*op.inputs, *op.outputs) if name)
    if small and all(name in known for name in op.inputs if name) and handler_of(op) is not None:
        for name, value in zip(op.outputs, _computed(op, tensors, known), strict=True):
            known[name] = np.asarray(value).reshape(tensors[name].shape)


def _ones(tensor: Tensor) -> np.ndarray:
    return np.ones(tensor.shape, "float64" if tensor.dtype.startswith("float") else tensor.dtype)


def _numbers(tensor: Tensor) -> Shape:
    if tensor.data is None:
        raise GraphError(f"'{tensor.name}' is not known before the run")
    return tuple(int(number) for number in tensor.data.reshape(-1))


def _number(tensor: Tensor) -> int:
    return _numbers(tensor)[0]
