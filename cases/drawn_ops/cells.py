"""In which type an op works: the columns of the coverage table, read from a graph.

Key insight: what is covered is read from graphs, whoever made them. So a case of the catalogue, a drawn graph and a
user's model are counted by the same reading, and nobody keeps a list of what is covered.
"""

from __future__ import annotations

from collections.abc import Mapping

from cases.graph import Graph, Op, Tensor

WEIGHT_TYPES: Mapping[str, str] = {"float16": "float16 weights", "int8": "int8 weights", "int4": "int4 weights"}
"""The type of constants -> what an op is said to work in that computes floats with them."""
TYPES = ("float32", *WEIGHT_TYPES.values(), "int8", "uint8", "int16", "int32", "bool")

Cell = tuple[str, str]
"""(op kind, one of TYPES)."""

_DATA_OPERAND: Mapping[str, int] = {
    **dict.fromkeys(("SPLIT", "SELECT", "SELECT_V2", "EMBEDDING_LOOKUP", "STABLEHLO_CLAMP"), 1),
    **dict.fromkeys(("TRANSPOSE_CONV", "ONE_HOT"), 2),
}
"""The operand whose type an op works in, where it is not the first."""


def cells(graph: Graph) -> set[Cell]:
    """The cells of a graph's ops. An op of another type than TYPES has none."""
    return {(op.kind, found) for op in graph.ops if (found := type_of(graph, op))}


def type_of(graph: Graph, op: Op) -> str:
    """One of TYPES, or empty."""
    operands = [graph.tensors[name] for name in op.inputs if name]
    makes = graph.tensors[op.outputs[0]].dtype
    if makes == "float32":
        kept = {stored for tensor in operands if (stored := _stored_as(graph, op, tensor))}
        if kept:
            return min(kept)
    if op.kind == "QUANTIZE":
        return makes if makes in TYPES else ""
    place = _DATA_OPERAND.get(op.kind, 0)
    dtype = operands[place].dtype if place < len(operands) else makes
    return dtype if dtype in TYPES else ""


def _stored_as(graph: Graph, op: Op, tensor: Tensor) -> str:
    """The weights' type, for a constant that a file holds in fewer bits than the op computes with; else empty."""
    maker = graph.producers.get(tensor.name)
    if maker is not None and maker.kind == "DEQUANTIZE":
        tensor = graph.tensors[maker.inputs[0]]
    if not tensor.is_constant:
        return ""
    is_weight = tensor.dtype == "float16" or getattr(tensor.raw, "quantization", None) is not None
    return WEIGHT_TYPES.get(tensor.dtype, "") if is_weight else ""
