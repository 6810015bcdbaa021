"""The three ways in which the delegate takes a node out of its graph.

Key insight: the three keep different tensors, and none asks whether a tensor that it drops is a graph output. So lost
graph outputs are reported here, whichever pass removes the node.

Source: google-ai-edge/ml-drift, `common/model.cc` (RemoveFollowingNode, RemovePrecedingNode,
RemoveSimpleNodeKeepInput).
"""

from __future__ import annotations

from collections.abc import Iterator

from repro.delegate.graph import Node
from repro.delegate.sighting import Effect, Sighting


def drop_following(rule: str, first: Node, second: Node) -> Iterator[Sighting]:
    """RemoveFollowingNode: second vanishes with what it reads, and first now makes second's outputs."""
    for value in second.inputs:
        if value.is_output:
            yield Sighting(rule, Effect.LOST, value, first, second)
        first.outputs.remove(value)
    for value in second.outputs:
        first.outputs.append(value)
        value.producer = first
    second.removed = True


def drop_preceding(rule: str, first: Node, second: Node) -> Iterator[Sighting]:
    """RemovePrecedingNode: first vanishes with what it makes, and second now reads first's inputs."""
    for value in first.outputs:
        if value.is_output:
            yield Sighting(rule, Effect.LOST, value, first, second)
        if value in second.inputs:
            second.inputs.remove(value)
    for value in first.inputs:
        del value.consumers[first]
        value.consumers[second] = None
        second.inputs.append(value)
    first.removed = True


def bypass(node: Node) -> None:
    """RemoveSimpleNodeKeepInput: consumers of the node's output read its input instead. No graph output is lost."""
    source, target = node.inputs[0], node.outputs[0]
    del source.consumers[node]
    for consumer in target.consumers:
        consumer.inputs[consumer.inputs.index(target)] = source
        source.consumers[consumer] = None
    target.consumers = {}
    node.removed = True
