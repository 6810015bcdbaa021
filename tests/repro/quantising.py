"""A float graph as a converter quantises it: what tests of integers start from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from cases.drawn_ops.typed import SAME_GRID
from cases.evaluation.evaluate import evaluate
from cases.evaluation.quantised import RANGES, grid_of
from cases.graph import Graph, Tensor
from cases.tflite.extras import TensorExtras

BIAS_DTYPE = {"int8": "int32", "uint8": "int32", "int16": "int64"}
FIXED = {"LOGISTIC": (256, 0.0), "SOFTMAX": (256, 0.0), "TANH": (128, 128.0), "L2_NORMALIZATION": (128, 128.0)}
"""Ops whose output has the grid that TFLite asks for: steps per one, and steps below zero."""
WEIGHT_AXIS = {"CONV_2D": 0, "FULLY_CONNECTED": 0, "TRANSPOSE_CONV": 0, "DEPTHWISE_CONV_2D": 3}


def extras(scale: np.ndarray | float, zero_point: int = 0, axis: int = 0) -> TensorExtras:
    scales = np.asarray(scale, np.float32).reshape(-1)
    quantization = schema.QuantizationParametersT()
    quantization.scale, quantization.zeroPoint = scales.tolist(), [zero_point] * scales.size
    quantization.quantizedDimension = axis
    return TensorExtras(quantization)


def on_grid(tensor: Tensor) -> Tensor:
    """A float constant that got a type and a grid, in integers."""
    grid = grid_of(tensor)
    assert grid is not None
    assert tensor.data is not None
    return replace(tensor, data=np.asarray(grid.integers(tensor.data.astype(np.float64)), tensor.dtype))


def quantised(graph: Graph, feed: Sequence[np.ndarray], dtype: str) -> Graph:
    """The graph in integers: activations of that type, weights of int8 per channel, biases on their products' grid."""
    floats = {name for name, tensor in graph.tensors.items() if tensor.dtype == "float32"}
    constant = {name for name in floats if graph.tensors[name].is_constant}
    weighted = [op for op in graph.ops if op.kind in WEIGHT_AXIS]
    weights = {op.inputs[1]: op for op in weighted if op.inputs[1] in constant}
    biases = {op.inputs[-1]: op for op in weighted if len(op.inputs) > 2 and op.inputs[-1] in constant}
    plain = floats - weights.keys() - biases.keys()
    values = evaluate(graph, feed, keep=plain)
    shared = groups(graph, plain)
    tensors = dict(graph.tensors)
    runtime_weights = {op.inputs[1] for op in weighted} - constant
    for group in shared:
        held = "int8" if runtime_weights.intersection(group) else dtype
        raw = fitting(np.concatenate([values[name].reshape(-1) for name in group]), held)
        for name in group:
            maker = graph.producers.get(name)
            if len(group) == 1 and maker is not None and maker.kind in FIXED and dtype != "int16":
                steps, below = FIXED[maker.kind]
                raw = extras(1 / steps, int(RANGES[dtype][0] + below))
            tensors[name] = replace(tensors[name], dtype=held, raw=raw)
    for name, op in weights.items():
        axis = WEIGHT_AXIS[op.kind]
        data = np.moveaxis(graph.tensors[name].data, axis, 0)
        scales = np.maximum(np.abs(data.reshape(len(data), -1)).max(axis=1, initial=0), 1e-3) / 127
        tensors[name] = replace(tensors[name], dtype="int8", raw=extras(scales, 0, axis))
    for name, op in biases.items():
        x = tensors[op.inputs[2 if op.kind == "TRANSPOSE_CONV" else 0]].raw.quantization.scale[0]
        scales = np.asarray(tensors[op.inputs[1]].raw.quantization.scale, np.float64) * x
        tensors[name] = replace(tensors[name], dtype=BIAS_DTYPE[dtype], raw=extras(scales))
    changed = {n: on_grid(t) if n in floats and t.is_constant else t for n, t in tensors.items()}
    return replace(graph, tensors=changed).validate()


def fitting(values: np.ndarray, dtype: str) -> TensorExtras:
    """A grid that holds these values, and zero."""
    low, high = RANGES[dtype]
    if dtype == "int16":
        return extras(max(float(np.abs(values).max(initial=0)), 1e-3) / high)
    bottom, top = min(0.0, values.min(initial=0)), max(1e-3, values.max(initial=0))
    scale = (top - bottom) / (high - low)
    return extras(scale, int(np.round(low - bottom / scale)))


def groups(graph: Graph, names: set[str]) -> list[list[str]]:
    """Names that must have one grid, because ops move values between them as they are."""
    group_of = {name: [name] for name in sorted(names)}
    for op in graph.ops:
        if op.kind not in SAME_GRID:
            continue
        near = [name for name in (*op.inputs, *op.outputs) if name in names]
        merged = list(dict.fromkeys(name for one in near for name in group_of[one]))
        group_of |= dict.fromkeys(merged, merged)
    return list({id(group): group for group in group_of.values()}.values())


def integers(graph: Graph, feed: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
    """The feed as the inputs of a quantised graph take it."""
    made = []
    for name, array in zip(graph.inputs, feed, strict=True):
        grid = grid_of(graph.tensors[name])
        made.append(
            array if grid is None else grid.integers(array.astype(np.float64)).astype(graph.tensors[name].dtype)
        )
    return tuple(made)
