"""LiteRT's own kernels as witnesses: a graph of one op through its interpreter, by one of its sets of kernels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from cases.graph import Graph, GraphError, Op, Tensor
from cases.shapes import output_shapes
from cases.tflite.write import write_tflite

KERNELS: Mapping[str, OpResolverType] = {
    "reference": OpResolverType.BUILTIN_REF,
    "optimised": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    "xnnpack": OpResolverType.AUTO,
}
NOT_IN_REFERENCE = frozenset({"CEIL", "ELU", "ROUND", "STABLEHLO_SHIFT_LEFT"})
"""Kinds that TFLite's reference resolver lacks; its optimised one has the same plain loops for them."""


def computed(graph: Graph, feed: Sequence[np.ndarray], kernels: str = "reference") -> tuple[np.ndarray, ...]:
    """The graph's outputs by one set of kernels. Raises ValueError or RuntimeError for what they refuse."""
    interpreter = Interpreter(
        model_content=write_tflite(graph), num_threads=1, experimental_op_resolver_type=KERNELS[kernels]
    )
    interpreter.allocate_tensors()
    for detail, array in zip(interpreter.get_input_details(), feed, strict=True):
        interpreter.set_tensor(detail["index"], array)
    interpreter.invoke()
    return tuple(interpreter.get_tensor(detail["index"]).copy() for detail in interpreter.get_output_details())


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

    def shaped(self) -> tuple[Graph, tuple[np.ndarray, ...]]:
        """The graph, its outputs of the shapes that the reference kernels give them, and what those compute."""
        unshaped = self.graph(self.shapes or [(1,)] * len(self.outputs))
        try:  # some kernels want to find the shape that they would give
            operands = [unshaped.tensors[name] for name in unshaped.ops[0].inputs if name]
            unshaped = self.graph(output_shapes(self.kind, operands, self.attrs))
        except GraphError:
            pass  # not modelled: the kernel shapes its outputs
        results = computed(unshaped, self.feed, "optimised" if self.kind in NOT_IN_REFERENCE else "reference")
        return self.graph([result.shape for result in results]), results


@dataclass(frozen=True)
class Fixed:
    """An operand that is a constant of the file."""

    data: np.ndarray


def fixed(values: Any, dtype: str = "int32") -> Fixed:
    """A constant operand: int32, as axes and sizes are, unless told otherwise."""
    return Fixed(np.asarray(values, dtype))
