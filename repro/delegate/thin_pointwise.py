"""The fusion of thin pointwise convolutions, which the delegate makes on an adapter it takes for a Mali, in fp16.

Key insight: a chain of 1x1 convolutions with few channels, and the elementwise ops between them, becomes one
kernel that writes only what the last convolution makes. As in the other fusions nobody asks whether a tensor
inside is a graph output. The adapter's name and the precision decide, so a reading of the file can only warn.

Source: google-ai-edge/ml-drift, `common/kernels/special/thin_pointwise_fuser.cc`, the branch for Mali
newer than Bifrost; other vendors have it with other limits. Held against lavapipe presented as a Mali-G610:
in 45 forms, in those of `tests/repro/test_thin_pointwise.py`, and on drawn graphs (docs/lint.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from repro.delegate.graph import DelegateGraph, Node, Value, only_reader

RULE = "mali-thin-pointwise"
MAX_CONVOLUTIONS = 3
MAX_CHANNELS = 32
MAX_PRODUCTS = 32 * 32
MAX_BYTES = 3 * 1024
"""Of the weights and biases of all convolutions in one kernel, in fp16, channels rounded up to fours."""
LARGE_TASK = 6 * 1536
"""Groups of 4 channels in the last result, above which more than 4 channels are fused too: 9,216 were not, 9,344 were.

By the source 1,536 a compute unit; six is what the measured limit says of a Mali-G610."""
ONE_INPUT_KINDS = """
    ABS COS ELU EXP GELU HARD_SWISH LEAKY_RELU LOG NEG PRELU RELU RELU6 RELU_N1_TO_1 RSQRT SIGMOID SIN SQRT SQUARE
    TANH
"""
ONE_INPUT = frozenset(ONE_INPUT_KINDS.split())


def thin_pointwise_chains(graph: DelegateGraph) -> Iterator[tuple[str, str, Value, Node, Node]]:
    """(rule, effect, value, producer, reader) of each graph output in a chain. Linear: one has 3 convolutions."""
    made: set[int] = set()  # nodes that have a kernel when the next chain is looked for
    for node in graph.live():
        if id(node) not in made and _is_thin(node):
            chain = _chain(node, made)
            convolutions = [member for member in chain if member.kind == "CONV"]
            if len(convolutions) > 1 and _is_worth_it(chain[-1]):
                made |= {id(member) for member in chain}
                for member, reader in pairwise(chain):
                    if member.outputs[0].is_output:
                        yield RULE, "risk", member.outputs[0], member, reader
        made.add(id(node))


def _chain(first: Node, made: set[int]) -> list[Node]:
    """The nodes from `first` on that one kernel takes, without elementwise ops behind the last convolution."""
    chain, size, count = [first], _bytes(first), 1
    node = only_reader(first.outputs[0])
    while node is not None and len(node.outputs) == 1 and id(node) not in made and not _is_taken(node):
        if _is_thin(node):
            size, count = size + _bytes(node), count + 1
            if count > MAX_CONVOLUTIONS or size > MAX_BYTES:
                break
        elif not _is_elementwise(node, chain[-1], made):
            break
        chain.append(node)
        node = only_reader(node.outputs[0])
    while chain[-1].kind != "CONV":
        chain.pop()
    return chain


def _is_thin(node: Node) -> bool:
    attrs = node.attrs
    return (
        node.kind == "CONV"
        and not _is_taken(node)
        and len(node.inputs) == 1
        and attrs.get("groups") == 1
        and attrs["kernel"] == attrs["stride"] == attrs["dilation"] == (1, 1)
        and attrs["pad"] == (0, 0)
        and attrs["out"] <= MAX_CHANNELS
        and attrs["in"] * attrs["out"] <= MAX_PRODUCTS
        and _bytes(node) <= MAX_BYTES
    )


def _is_taken(node: Node) -> bool:
    """Whether an earlier fusion has it: such a node's `kernel` is the rule's name, not the size of a window."""
    return isinstance(node.attrs.get("kernel"), str)


def _is_elementwise(node: Node, before: Node, made: set[int]) -> bool:
    """One input, or the sum with a tensor of the same shape that is there before the chain starts."""
    if node.kind in ONE_INPUT:
        return len(node.inputs) == 1
    if node.kind != "ADD" or len(node.inputs) != 2:
        return False
    other = node.inputs[1] if node.inputs[0].producer is before else node.inputs[0]
    return (other.producer is None or id(other.producer) in made) and other.shape == before.outputs[0].shape


def _is_worth_it(last: Node) -> bool:
    batch, height, width, channels = last.outputs[0].shape
    return channels <= 4 or batch * height * width * -(-channels // 4) > LARGE_TASK


def _bytes(node: Node) -> int:
    out, taken = (-(-int(node.attrs[key]) // 4) * 4 for key in ("out", "in"))
    return 2 * (out * taken + out)
