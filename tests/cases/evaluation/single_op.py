"""One op evaluated by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cases.evaluation.arithmetic import FLOAT64, Arithmetic
from cases.evaluation.evaluate import evaluate
from cases.graph import Graph, Op, Tensor


def one_op(kind: str, operands: Sequence[Any], shapes: Sequence[tuple[int, ...]], dtype: str, attrs: Any) -> Graph:
    """A graph of one op. Integer operands are its constants, the others its inputs; None is an absent operand."""
    tensors: dict[str, Tensor] = {}
    names = ["" if operand is None else f"in{place}" for place, operand in enumerate(operands)]
    for name, operand in zip(names, operands, strict=True):
        if name:
            data = np.asarray(operand)
            constant = data if data.dtype.kind == "i" else None
            tensors[name] = Tensor(name, data.shape, data.dtype.name, constant)
    outputs = tuple(f"out{place}" for place in range(len(shapes)))
    tensors |= {name: Tensor(name, shape, dtype) for name, shape in zip(outputs, shapes, strict=True)}
    inputs = tuple(name for name, tensor in tensors.items() if name.startswith("in") and not tensor.is_constant)
    return Graph(tensors, (Op(kind, tuple(names), outputs, attrs),), inputs, outputs).validate()


def results(
    kind: str,
    *operands: Any,
    shapes: Sequence[tuple[int, ...]],
    dtype: str = "float32",
    arithmetic: Arithmetic = FLOAT64,
    **attrs: Any,
) -> tuple[np.ndarray, ...]:
    """What the op computes of the operands, one array per output."""
    graph = one_op(kind, operands, shapes, dtype, attrs)
    feed = tuple(np.asarray(operands[int(name.removeprefix("in"))]) for name in graph.inputs)
    values = evaluate(graph, feed, arithmetic)
    return tuple(values[name] for name in graph.outputs)


def result(kind: str, *operands: Any, shape: tuple[int, ...], **options: Any) -> np.ndarray:
    """`results` of an op with one output."""
    (array,) = results(kind, *operands, shapes=[shape], **options)
    return array
