"""The parts of a SPLIT, which the delegate knows by their place alone.

Key insight: whatever takes a part out of the list moves the parts behind it, which are then taken from other places
of the source. And a SPLIT of which one part is left that is the whole source becomes no kernel at all: its source is
renamed to its result, so that nobody writes the source.
"""

from __future__ import annotations

from collections.abc import Iterator

from repro.delegate.graph import Node, Value
from repro.delegate.sighting import Effect, Sighting


def begins_of_parts(node: Node) -> dict[Value, int]:
    """Where along its axis each part of a SPLIT begins; empty for nodes with one output."""
    if len(node.outputs) < 2:
        return {}
    axis, begin, begins = "BHWC".find(node.axis or ""), 0, {}
    for value in node.outputs:
        begins[value] = begin
        begin += value.shape[axis] if axis >= 0 else 1
    return begins


def is_put_together(node: Node) -> bool:
    """Whether a SPLIT has one part left that is as long as the source, so that nothing needs to be cut."""
    if node.kind != "SPLIT" or len(node.outputs) != 1:
        return False
    axis = "BHWC".find(node.axis or "")
    return axis >= 0 and node.outputs[0].shape[axis] == node.inputs[0].shape[axis]


def source_renamed(node: Node, second: Node) -> Iterator[Sighting]:
    """What is wrong once `second` was merged into a SPLIT that `is_put_together`."""
    source = node.inputs[0]
    if source.producer is None:
        # Nothing to rename: the compilation ends with "Output id not found".
        yield Sighting("graph-refused", Effect.REFUSED, node.outputs[0], node, second)
        return
    if source.is_output:
        yield Sighting("source-renamed", Effect.LOST, source, node, second)
    for other in source.consumers:
        if other is not node:
            yield Sighting("source-renamed", Effect.WRONG, other.outputs[0], node, other)
