"""LiteRT's own kernels as witnesses: a graph of one op through its interpreter, by one of its sets of kernels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from cases.drawn_ops.one_op import OneOp
from cases.graph import Graph, GraphError
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
    return computed_runs(graph, (feed,), kernels)[0]


def computed_runs(
    graph: Graph, feeds: Sequence[Sequence[np.ndarray]], kernels: str = "reference"
) -> list[tuple[np.ndarray, ...]]:
    """`computed` after each feed, one run after the other in one interpreter."""
    interpreter = Interpreter(
        model_content=write_tflite(graph), num_threads=1, experimental_op_resolver_type=KERNELS[kernels]
    )
    interpreter.allocate_tensors()
    outputs = []
    for feed in feeds:
        for detail, array in zip(interpreter.get_input_details(), feed, strict=True):
            interpreter.set_tensor(detail["index"], array)
        interpreter.invoke()
        details = interpreter.get_output_details()
        outputs.append(tuple(interpreter.get_tensor(detail["index"]).copy() for detail in details))
    return outputs


def shaped(op: OneOp) -> tuple[Graph, tuple[np.ndarray, ...]]:
    """The op as a graph, its outputs of the shapes that the reference kernels give them, and what those compute."""
    unshaped = op.graph(op.shapes or [(1,)] * len(op.outputs))
    try:  # some kernels want to find the shape that they would give
        operands = [unshaped.tensors[name] for name in unshaped.ops[0].inputs if name]
        unshaped = op.graph(output_shapes(op.kind, operands, op.attrs))
    except GraphError:
        pass  # not modelled: the kernel shapes its outputs
    results = computed(unshaped, op.feed, "optimised" if op.kind in NOT_IN_REFERENCE else "reference")
    return op.graph([result.shape for result in results]), results
