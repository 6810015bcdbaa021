"""One op with its operands, as it is drawn: what is fed, what the file holds, what is absent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from cases.evaluation.arithmetic import FLOAT64
from cases.evaluation.handlers import handler_of
from cases.evaluation.quantised import constant_of
from cases.evaluation.step import Step
from cases.graph import Graph, GraphError, Op, Tensor
from cases.shapes import output_shapes


@dataclass(frozen=True)
class OneOp:
    """One op with its operands: arrays to feed, `Fixed` ones to write into the file, None for one that is absent.

    outputs: the dtypes of its outputs. shapes: theirs, where neither our shape inference nor the kernel tells.
    tensor_raws: `Tensor.raw` by name, `in0`, ..., `out0`, ...
    """

    kind: str
    operands: Sequence[Any]
    outputs: Sequence[str] = ("float32",)
    attrs: Mapping[str, Any] = field(default_factory=dict)
    raw: Any = None
    shapes: Sequence[tuple[int, ...]] | None = None
    tensor_raws: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # numpy makes a number of what is computed without dimensions
        arrays = tuple(np.asarray(o) if isinstance(o, np.generic) else o for o in self.operands)
        object.__setattr__(self, "operands", arrays)

    @property
    def feed(self) -> tuple[np.ndarray, ...]:
        return tuple(operand for operand in self.operands if isinstance(operand, np.ndarray))

    def graph(self, shapes: Sequence[tuple[int, ...]]) -> Graph:
        """The op as a graph whose outputs have these shapes."""
        tensors: dict[str, Tensor] = {}
        names = []
        for place, operand in enumerate(self.operands):
            name = "" if operand is None else f"in{place}"
            names.append(name)
            if isinstance(operand, Tensor):
                tensors[name] = replace(operand, name=name)
            elif operand is not None:
                fixed = isinstance(operand, Fixed)
                data = operand.data if fixed else operand
                constant = data if fixed else None
                tensors[name] = Tensor(name, data.shape, data.dtype.name, constant, self.tensor_raws.get(name))
        outputs = tuple(f"out{place}" for place in range(len(self.outputs)))
        for name, shape, dtype in zip(outputs, shapes, self.outputs, strict=True):
            tensors[name] = Tensor(name, tuple(shape), dtype, None, self.tensor_raws.get(name))
        runtime = tuple(f"in{i}" for i, operand in enumerate(self.operands) if isinstance(operand, np.ndarray))
        op = Op(self.kind, tuple(names), outputs, self.attrs, self.raw)
        return Graph(tensors, (op,), runtime, outputs).validate()


@dataclass(frozen=True)
class Fixed:
    """An operand that is a constant of the file."""

    data: np.ndarray


def fixed(values: Any, dtype: str = "int32") -> Fixed:
    """A constant operand: int32, as axes and sizes are, unless told otherwise."""
    return Fixed(np.asarray(values, dtype))


def shaped(op: OneOp) -> Graph:
    """The op as a graph whose outputs have the shapes that an evaluation gives them.

    Raises GraphError for an op that is not evaluated, or not with these operands.
    """
    if op.shapes is not None:
        return op.graph(op.shapes)
    unshaped = op.graph([()] * len(op.outputs))
    operands = [unshaped.tensors[name] for name in unshaped.ops[0].inputs if name]
    with suppress(GraphError):  # some handlers want to find the shape that they give
        return op.graph(output_shapes(op.kind, operands, op.attrs))
    handler = handler_of(unshaped.ops[0])
    if handler is None:
        raise GraphError(f"cannot evaluate {op.kind}")
    fed = dict(zip(unshaped.inputs, op.feed, strict=True))
    values = {name: fed[name] if name in fed else _at_rest(tensor) for name, tensor in unshaped.tensors.items()}
    try:
        with np.errstate(all="ignore"):
            results = handler(Step(unshaped.ops[0], unshaped, values, FLOAT64))
    except (ValueError, IndexError, KeyError, TypeError) as error:
        raise GraphError(f"{op.kind} does not fit its operands: {error}") from error
    return op.graph([result.shape for result in results])


def _at_rest(tensor: Tensor) -> np.ndarray:
    data = constant_of(tensor)
    return np.zeros(tensor.shape, tensor.dtype) if data is None else data
