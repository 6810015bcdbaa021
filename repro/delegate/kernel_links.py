"""Elementwise nodes linked into the kernel of the op before them, replayed for the case that goes wrong.

Key insight: linking asks whether an elementwise node's other input is ready *after* the op it is
linked into. For a SPLIT all parts are ready then, so `f(first part) op (other part)` is linked into
the very kernel that writes the other part: one kernel both writes and reads a tensor. WebGPU rejects
such a kernel and with it the whole submission, so that every output of the model is wrong; where the
driver does not check, it is a race.

Source: google-ai-edge/ml-drift, `common/merge_nodes.cc` (LinkNodes), `common/gpu_model_util.cc`
(ConvertOperations: which input of an ADD or MUL comes first).
"""

from __future__ import annotations

from collections.abc import Iterator

from repro.delegate.graph import DelegateGraph, Node, Value, only_reader
from repro.delegate.sighting import Effect, Sighting

LINKABLE = frozenset(
    {
        *("ADD", "SUB", "MUL", "DIV", "MAXIMUM", "MINIMUM", "POW", "SQUARED_DIFF", "FLOOR_DIV", "FLOOR_MOD"),
        *("RELU", "RELU6", "RELU_N1_TO_1", "LEAKY_RELU", "PRELU", "SIGMOID", "TANH", "NEG", "EXP", "LOG", "ABS"),
        *("SQRT", "RSQRT", "SQUARE", "SIN", "COS", "HARD_SWISH", "GELU", "ELU", "FLOOR", "CEIL", "ROUND", "SIGN"),
    }
)


def link_into_splits(graph: DelegateGraph) -> Iterator[Sighting]:
    """Every SPLIT whose first part is linked with an op that reads another part of the same SPLIT."""
    order = {node: index for index, node in enumerate(graph.nodes) if not node.removed}
    for split in graph.live():
        if split.kind != "SPLIT" or len(split.outputs) < 2:
            continue
        parts = set(split.outputs)
        linked = split.outputs[0]  # what the SPLIT's kernel writes in the place of its first part
        while True:
            reader = None if linked.is_output else only_reader(linked)
            if reader is None or not is_linkable(reader) or reader.fused_by:
                break  # what is part of a fused kernel is not linked any more
            first, *others = kernel_inputs(reader, order)
            if first is not linked:
                break
            if not parts.isdisjoint(others):
                yield Sighting("split-linked", Effect.VOID, reader.outputs[0], split, reader)
                break
            if any(value.producer is not None and order[value.producer] > order[split] for value in others):
                break
            linked = reader.outputs[0]


def is_linkable(node: Node) -> bool:
    shape = node.outputs[0].shape
    return node.kind in LINKABLE and all(value.shape == shape for value in node.inputs)


def kernel_inputs(node: Node, order: dict[Node, int]) -> list[Value]:
    """The node's inputs as its kernel gets them: of an ADD or MUL, the one written last comes first."""
    inputs = list(node.inputs)
    if node.kind in ("ADD", "MUL") and len(inputs) == 2:
        written = [-1 if value.producer is None else order[value.producer] for value in inputs]
        if written[1] > written[0]:
            inputs.reverse()
    return inputs
