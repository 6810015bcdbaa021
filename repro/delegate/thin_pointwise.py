"""The fusion of small convolutions in a row into one kernel, which the delegate makes on some vendors' adapters.

Key insight: a chain of convolutions with few channels, and the elementwise ops between them, becomes one kernel that
writes only what the last convolution makes. As in the other fusions nobody asks whether a tensor inside is a graph
output. The adapter's name and the precision decide how far a chain reaches (`repro.delegate.adapters`), so a reading of
the file says on which adapters an output is lost.

Source: google-ai-edge/ml-drift, `common/kernels/special/thin_pointwise_fuser.cc`. Held against lavapipe presented as a
Mali-G610 in 45 forms and on drawn graphs, and under other vendors' names on drawn graphs (docs/lint.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

from repro.delegate.adapters import Adapter, Api, ThinLimits, thin_limits, vendor_of
from repro.delegate.graph import POINTWISE, SLICE_CHANNELS, DelegateGraph, Node, only_reader, slices
from repro.delegate.sighting import Effect, OnAdapters, Sighting

MALI_RULE, CHAIN_RULE, DEPTHWISE_RULE = "mali-thin-pointwise", "thin-convolution-chain", "depthwise-feeds-thin"
ONE_AXIS_RULE = "thin-window-of-one-axis"
ONE_INPUT = frozenset(
    {
        *("ABS", "COS", "ELU", "EXP", "GELU", "HARD_SWISH", "LEAKY_RELU", "LOG", "NEG", "PRELU", "RELU", "RELU6"),
        *("RELU_N1_TO_1", "RSQRT", "SIGMOID", "SIN", "SQRT", "SQUARE", "TANH"),
    }
)
"""Elementwise nodes of one input that the kernel takes."""


def chains_in_one_kernel(graph: DelegateGraph, adapters: Iterable[Adapter]) -> list[OnAdapters]:
    """What kernels of several convolutions do, each thing once per rule. Linear in the nodes, per different limits.

    LOST is a graph output made by the producer and read by the consumer alone; WRONG the result of the consumer, last
    of the chain that the producer begins.
    """
    by_limits: dict[tuple[ThinLimits, bool], list[Adapter]] = {}
    for adapter in adapters:
        if (limits := thin_limits(adapter)) is not None:
            by_limits.setdefault((limits, vendor_of(adapter.name) == "mali"), []).append(adapter)
    found: dict[tuple[str, Effect, Node, Node], list[Adapter]] = {}
    for (limits, is_mali), these in by_limits.items():
        for chain in _chains(graph, limits):
            for member, reader in pairwise(chain):
                if member.outputs[0].is_output:
                    rule = MALI_RULE if is_mali else DEPTHWISE_RULE if _is_first_pair(chain, member) else CHAIN_RULE
                    found.setdefault((rule, Effect.LOST, member, reader), []).extend(these)
            over_webgpu = [adapter for adapter in these if adapter.api is Api.WEBGPU]
            if over_webgpu and _has_window_of_one_axis(chain[0]):
                found.setdefault((ONE_AXIS_RULE, Effect.WRONG, chain[0], chain[-1]), []).extend(over_webgpu)
    return [
        OnAdapters(
            Sighting(rule, effect, (first if effect is Effect.LOST else last).outputs[0], first, last), tuple(where)
        )
        for (rule, effect, first, last), where in found.items()
    ]


def _has_window_of_one_axis(first: Node) -> bool:
    """Whether the window is that of a 1x1 convolution in one of height and width, and not in the other.

    The kernel asks of both whether it reads outside of the map, and computes the answer for the one only: the other's
    is a variable that nobody sets, false over WebGPU, so that all that is read counts as zero (AddConv2dNode).
    """
    window = first.window
    if first.kind != "CONV" or window is None:
        return False
    plain = [
        (size, stride, dilation, padding) == (1, 1, 1, 0)
        for size, stride, dilation, padding in zip(
            window.size, window.stride, window.dilation, window.padding, strict=True
        )
    ]
    return any(plain) and not all(plain)


def _is_first_pair(chain: list[Node], member: Node) -> bool:
    """Whether it is the depthwise convolution, or elementwise behind that, before the next convolution."""
    until = next((place for place, node in enumerate(chain) if node.kind == "CONV"), 0)
    return chain[0].kind == "DEPTHWISE" and member in chain[:until]


def _chains(graph: DelegateGraph, limits: ThinLimits) -> Iterator[list[Node]]:
    emitted: set[Node] = set()  # nodes that have a kernel when the next chain is looked for
    for node in graph.live():
        if node not in emitted and _begins(node, limits):
            chain = _chain(node, limits, emitted)
            if sum(member.kind in ("CONV", "DEPTHWISE") for member in chain) > 1 and _is_worth_it(chain[-1], limits):
                emitted.update(chain)
                yield chain
        emitted.add(node)


def _chain(first: Node, limits: ThinLimits, emitted: set[Node]) -> list[Node]:
    """The nodes from `first` on that one kernel takes, without elementwise ops behind the last convolution."""
    chain, size, count = [first], _bytes(first, limits), int(first.kind == "CONV")
    node = only_reader(first.outputs[0])
    while node is not None and len(node.outputs) == 1 and node not in emitted and not node.fused_by:
        if node.kind == "CONV":
            if not _is_thin(node, limits) or node.window != POINTWISE:
                break
            size, count = size + _bytes(node, limits), count + 1
            if count > limits.convolutions or size > limits.bytes:
                break
        elif not _is_elementwise(node, chain[-1], emitted):
            break
        chain.append(node)
        node = only_reader(node.outputs[0])
    while chain[-1].kind not in ("CONV", "DEPTHWISE"):
        chain.pop()
    return chain


def _begins(node: Node, limits: ThinLimits) -> bool:
    if node.fused_by or len(node.inputs) != 1 or node.weights is None or node.window is None:
        return False
    if node.kind == "CONV":
        return (
            (limits.any_window or node.window == POINTWISE)
            and _is_thin(node, limits)
            and _bytes(node, limits) <= limits.bytes
        )
    if node.kind != "DEPTHWISE":
        return False
    height, width = node.window.size
    channels = node.weights.in_channels
    return (
        node.weights.out_channels == channels <= limits.depthwise
        and channels * height * width <= limits.depthwise_products
    )


def _is_thin(node: Node, limits: ThinLimits) -> bool:
    weights, window = node.weights, node.window
    if weights is None or window is None or weights.groups != 1 or len(node.inputs) != 1 or node.fused_by:
        return False
    height, width = window.size
    products = height * width * weights.in_channels * weights.out_channels
    return weights.out_channels <= limits.channels and products <= limits.products


def _is_elementwise(node: Node, before: Node, emitted: set[Node]) -> bool:
    """One input, or the sum with a tensor of the same shape that is there before the chain starts."""
    if node.kind in ONE_INPUT:
        return len(node.inputs) == 1
    if node.kind != "ADD" or len(node.inputs) != 2:
        return False
    other = node.inputs[1] if node.inputs[0].producer is before else node.inputs[0]
    return (other.producer is None or other.producer in emitted) and other.shape == before.outputs[0].shape


def _is_worth_it(last: Node, limits: ThinLimits) -> bool:
    batch, height, width, channels = last.outputs[0].shape
    if channels <= SLICE_CHANNELS or not limits.large_task:
        return True
    return batch * height * width * slices(channels) > limits.large_task


def _bytes(node: Node, limits: ThinLimits) -> int:
    """Of a convolution's weights and biases."""
    assert node.weights is not None
    assert node.window is not None
    height, width = node.window.size
    made = slices(node.weights.out_channels) * SLICE_CHANNELS
    taken = 1 if node.kind == "DEPTHWISE" else slices(node.weights.in_channels) * SLICE_CHANNELS
    return limits.value_bytes * (made * taken * height * width + made)
