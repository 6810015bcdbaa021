"""What ops leave in the channels that only fill a slice, and who is fooled by it.

Key insight: tensors are stored in slices of four channels. The lanes behind the last channel hold what
an op makes of zero, and for a division, a logarithm or a reciprocal root that is NaN or infinity.
Whoever sums over channels multiplies those lanes by zero, which leaves them NaN.
"""

from __future__ import annotations

from collections.abc import Iterator

from repro.delegate_graph import DelegateGraph, Node, Value
from repro.kernel_fusions import Finding
from repro.kernel_links import LINKABLE

SLICE = 4


def poisoned_padding(graph: DelegateGraph) -> Iterator[Finding]:
    """Sums over channels behind a DIV, LOG or RSQRT of a channel count that does not fill its last slice."""
    seen: set[int] = set()
    for source in graph.live():
        if not _poisons(source):
            continue
        stack: list[Value] = [source.outputs[0]]
        while stack:
            value = stack.pop()
            if id(value) in seen:
                continue
            seen.add(id(value))
            for reader in value.consumers:
                if _sums_channels(reader):
                    yield "padding-lanes", "wrong", reader.outputs[0], source, reader
                elif reader.kind in LINKABLE and reader.outputs[0].shape[3] == value.shape[3]:
                    stack.append(reader.outputs[0])


def _poisons(node: Node) -> bool:
    if len(node.outputs) != 1 or node.outputs[0].shape[3] % SLICE == 0:
        return False
    if node.kind == "DIV":
        operand = node.attrs.get("operand")
        return operand is None or operand.form != "scalar" or bool(node.attrs.get("first"))
    return node.kind in ("LOG", "RSQRT")


def _sums_channels(node: Node) -> bool:
    if node.kind in ("SUM", "MEAN"):
        return "C" in node.attrs.get("axes", ())
    return node.kind in ("CONV", "FULLY_CONNECTED") and len(node.inputs) == 1
