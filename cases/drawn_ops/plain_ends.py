"""A graph whose inputs and outputs are floats and int32, whatever its ops work in.

Key insight: a browser takes no other types at the ends of a graph, and over OpenCL bytes are neither read nor written
there. So what is asked of an op in another type is asked between ops that bring its operands into that type and its
results out of it, as converters leave quantised models.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from cases.evaluation.quantised import grid_of
from cases.graph import Graph, Op, Tensor

_BYTES = ("int8", "uint8")
_CAST = ("int8", "uint8", "int16", "bool")
_EQUALITY = frozenset({"EQUAL", "NOT_EQUAL"})


def with_plain_ends(graph: Graph) -> Graph:
    """The graph behind a QUANTIZE or CAST of each input, and before a DEQUANTIZE or CAST of each output.

    Quantised int16 stays at the ends, since the delegate takes no QUANTIZE to it. A graph that asks whether quantised
    numbers are equal stays as it is: real ones that are fed hardly ever are.
    """
    asks_equality = any(op.kind in _EQUALITY for op in graph.ops)
    if asks_equality and any(grid_of(graph.tensors[name]) is not None for name in graph.inputs):
        return graph
    tensors = dict(graph.tensors)
    front = [_Bridge.to(graph.tensors[name], "QUANTIZE") for name in graph.inputs]
    behind = [_Bridge.to(graph.tensors[name], "DEQUANTIZE") for name in graph.outputs]
    tensors |= {bridge.plain.name: bridge.plain for bridge in (*front, *behind)}
    ops = (
        *(Op(bridge.kind, (bridge.plain.name,), (bridge.name,)) for bridge in front if bridge.kind),
        *graph.ops,
        *(Op(bridge.kind, (bridge.name,), (bridge.plain.name,)) for bridge in behind if bridge.kind),
    )
    inputs, outputs = (tuple(bridge.plain.name for bridge in bridges) for bridges in (front, behind))
    return replace(graph, tensors=tensors, ops=ops, inputs=inputs, outputs=outputs).validate()


@dataclass(frozen=True)
class _Bridge:
    """What stands between a tensor and a plain one. kind: of the op, empty where the tensor stays as it is."""

    name: str
    kind: str
    plain: Tensor

    @classmethod
    def to(cls, tensor: Tensor, between_grids: str) -> _Bridge:
        """between_grids: the op between numbers and bytes that stand for them."""
        if grid_of(tensor) is not None:
            kind, dtype = (between_grids, "float32") if tensor.dtype in _BYTES else ("", "")
        else:
            kind, dtype = ("CAST", "int32") if tensor.dtype in _CAST else ("", "")
        plain = Tensor(f"{tensor.name}_plain", tensor.shape, dtype) if kind else tensor
        return cls(tensor.name, kind, plain)
