"""The fusion of thin pointwise convolutions, which the delegate makes on an adapter it takes for a Mali, in fp16.

Key insight: a chain of 1x1 convolutions with few channels, and the elementwise ops between them, becomes one
kernel that writes only what the last convolution makes. As in the other fusions nobody asks whether a tensor
inside is a graph output. The adapter's name and the precision decide, so a reading of the file can only warn.

Source: google-ai-edge/ml-drift, `common/kernels/special/thin_pointwise_fuser.cc`, the branch for Mali
newer than Bifrost; other vendors have it with other limits. Held against lavapipe presented as a Mali-G610:
in 45 forms, in those of `tests/repro/delegate/test_thin_pointwise.py`, and on drawn graphs (docs/lint.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from repro.delegate.graph import POINTWISE, SLICE_CHANNELS, DelegateGraph, Node, only_reader, slices
from repro.delegate.sighting import Effect, Sighting

RULE = "mali-thin-pointwise"
MAX_CONVOLUTIONS = 3
MAX_CHANNELS = 32
MAX_PRODUCTS = 32 * 32
MAX_BYTES = 3 * 1024
"""Of the weights and biases of all convolutions in one kernel, in fp16, channels rounded up to whole slices."""
FP16_BYTES = 2
LARGE_TASK = 6 * 1536
"""Slices of the last result, above which results of several slices are fused too: 9,216 were not, 9,344 were.

By the source 1,536 per compute unit; six units is what the measured limit says of a Mali-G610."""
ONE_INPUT = frozenset(
    {
        *("ABS", "COS", "ELU", "EXP", "GELU", "HARD_SWISH", "LEAKY_RELU", "LOG", "NEG", "PRELU", "RELU", "RELU6"),
        *("RELU_N1_TO_1", "RSQRT", "SIGMOID", "SIN", "SQRT", "SQUARE", "TANH"),
    }
)
"""Elementwise nodes of one input that the kernel takes."""


def thin_pointwise_chains(graph: DelegateGraph) -> Iterator[Sighting]:
    """Each graph output inside a chain. Linear: a chain has at most 3 convolutions."""
    emitted: set[Node] = set()  # nodes that have a kernel when the next chain is looked for
    for node in graph.live():
        if node not in emitted and _is_thin(node):
            chain = _chain(node, emitted)
            convolutions = [member for member in chain if member.kind == "CONV"]
            if len(convolutions) > 1 and _is_worth_it(chain[-1]):
                emitted.update(chain)
                for member, reader in pairwise(chain):
                    if member.outputs[0].is_output:
                        yield Sighting(RULE, Effect.RISK, member.outputs[0], member, reader)
        emitted.add(node)


def _chain(first: Node, emitted: set[Node]) -> list[Node]:
    """The nodes from `first` on that one kernel takes, without elementwise ops behind the last convolution."""
    chain, size, count = [first], _bytes(first), 1
    node = only_reader(first.outputs[0])
    while node is not None and len(node.outputs) == 1 and node not in emitted and not node.fused_by:
        if _is_thin(node):
            size, count = size + _bytes(node), count + 1
            if count > MAX_CONVOLUTIONS or size > MAX_BYTES:
                break
        elif not _is_elementwise(node, chain[-1], emitted):
            break
        chain.append(node)
        node = only_reader(node.outputs[0])
    while chain[-1].kind != "CONV":
        chain.pop()
    return chain


def _is_thin(node: Node) -> bool:
    weights = node.weights
    return (
        node.kind == "CONV"
        and not node.fused_by
        and len(node.inputs) == 1
        and weights is not None
        and weights.groups == 1
        and node.window == POINTWISE
        and weights.out_channels <= MAX_CHANNELS
        and weights.in_channels * weights.out_channels <= MAX_PRODUCTS
        and _bytes(node) <= MAX_BYTES
    )


def _is_elementwise(node: Node, before: Node, emitted: set[Node]) -> bool:
    """One input, or the sum with a tensor of the same shape that is there before the chain starts."""
    if node.kind in ONE_INPUT:
        return len(node.inputs) == 1
    if node.kind != "ADD" or len(node.inputs) != 2:
        return False
    other = node.inputs[1] if node.inputs[0].producer is before else node.inputs[0]
    return (other.producer is None or other.producer in emitted) and other.shape == before.outputs[0].shape


def _is_worth_it(last: Node) -> bool:
    batch, height, width, channels = last.outputs[0].shape
    return channels <= SLICE_CHANNELS or batch * height * width * slices(channels) > LARGE_TASK


def _bytes(node: Node) -> int:
    """Of a convolution's weights and biases."""
    assert node.weights is not None
    made = slices(node.weights.out_channels) * SLICE_CHANNELS
    taken = slices(node.weights.in_channels) * SLICE_CHANNELS
    return FP16_BYTES * (made * taken + made)
