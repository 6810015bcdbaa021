"""Fusions of several nodes into one GPU kernel, replayed: which graph outputs such a kernel swallows.

Key insight: unlike the rewrites of `repro.delegate.replay`, these leave the graph as it is and only mark
nodes as consumed. A swallowed output is still bound to a buffer, so what comes back is whatever that
memory held: often another tensor, which is why the bug has been reported as "returns an operand".

Source: google-ai-edge/ml-drift, `common/selectors/special_selector.cc` and the parsers it calls.
Of the kernels for some vendors only, thin pointwise is in `repro.delegate.thin_pointwise`; concat+conv and
resize+add+conv are not replayed, since a rule for them has not been held against a delegate yet.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from repro.delegate.graph import DelegateGraph, Node, OperandForm, Value, only_reader
from repro.delegate.kinds import REDUCTION_NODES
from repro.delegate.sighting import Effect, Sighting

NORMALISATION = "mean-stddev-norm"
"""The rule of the normalisations: their kernel also leaves unused lanes out, and cancels where the mean is large."""
HUB = 64
"""A tensor with more readers than this is no LayerNorm's input; looking at all would not be linear."""


class Kernel(NamedTuple):
    """Several nodes that become one kernel.

    rule: under which what it swallows is reported. nodes: all of them. last: the one whose output it writes.
    breaks: the rule under which its values come out wrong, or empty.
    """

    rule: str
    nodes: list[Node]
    last: Node
    breaks: str = ""


def fuse_into_kernels(graph: DelegateGraph) -> Iterator[Sighting]:
    """Walk the nodes in execution order, as the delegate does, and report what each fusion swallows."""
    consumed: set[Node] = set()
    emitted: set[Node] = set()
    for node in graph.live():
        if node in consumed or node.kind == "CONSTANT":
            continue
        for match in (_slice_mul_reduce_concat, _mean_stddev, _mean_stddev_squares, _mish, _add_reduce):
            kernel = match(node, consumed)
            if kernel is None:
                continue
            consumed.update(kernel.nodes)
            for member in kernel.nodes:
                member.fused_by = kernel.rule
            yield from _swallowed(kernel, emitted)
            if kernel.breaks:
                yield Sighting(kernel.breaks, Effect.WRONG, kernel.last.outputs[0], kernel.nodes[0], kernel.last)
            break
        else:
            emitted.add(node)


def _swallowed(kernel: Kernel, emitted: set[Node]) -> Iterator[Sighting]:
    """What nobody writes any more. A member that had become a kernel of its own before is written all the same."""
    members = set(kernel.nodes)
    for node in kernel.nodes:
        if node is kernel.last or node in emitted:
            continue
        for value in node.outputs:
            if value.is_output:
                reader = next((other for other in value.consumers if other in members), kernel.last)
                yield Sighting(kernel.rule, Effect.LOST, value, node, reader)
            for other in value.consumers:
                if other not in members:
                    yield Sighting(kernel.rule, Effect.WRONG, other.outputs[0], node, other)


def _next(node: Node, kind: str) -> Node | None:
    """The single consumer of the node's first output, if it is of that kind."""
    reader = only_reader(node.outputs[0])
    return reader if reader is not None and reader.kind == kind else None


def _scalar(node: Node | None) -> float | None:
    operand = node.operand if node is not None else None
    return float(operand.values.ravel()[0]) if operand is not None and operand.form is OperandForm.SCALAR else None


def _channels_only(node: Node) -> bool:
    return node.axes == frozenset("C")


def _add_reduce(add: Node, consumed: set[Node]) -> Kernel | None:
    """TryAddThenReduce."""
    if add.kind != "ADD" or len(add.inputs) != 2 or add.inputs[0].shape != add.inputs[1].shape:
        return None
    reduce = only_reader(add.outputs[0])
    if reduce is None or reduce.kind not in REDUCTION_NODES:
        return None
    # The fused kernel starts its maximum and minimum at zero.
    breaks = "add-reduce-extremum" if reduce.kind in ("MAX", "MIN") else ""
    return Kernel("add-reduce", [add, reduce], reduce, breaks)


def _mean_stddev(mean: Node, consumed: set[Node]) -> Kernel | None:
    """TryMeanStdDevNormalizationV0: (x - mean(x)) * rsqrt(mean((x - mean(x))^2) + eps)."""
    if mean.kind != "MEAN" or not _channels_only(mean):
        return None
    sub = _next(mean, "SUB")
    if sub is None or len(sub.inputs) != 2 or sub.inputs[1].producer is not mean:
        return None
    if mean.inputs[0].producer is not sub.inputs[0].producer:
        return None
    readers = list(sub.outputs[0].consumers)
    if len(readers) != 2:
        return None
    square, scale = readers if readers[0].kind == "SQUARE" else readers[::-1]
    if square.kind != "SQUARE" or scale.kind != "MUL":
        return None
    second = _next(square, "MEAN")
    if second is None or not _channels_only(second):
        return None
    epsilon = _next(second, "ADD")
    if epsilon is None or _scalar(epsilon) is None:
        return None
    root = _next(epsilon, "RSQRT")
    if root is None or _next(root, "MUL") is not scale:
        return None
    # The pattern compares producers, not tensors: two graph inputs, or two parts of one SPLIT, match.
    breaks = "norm-other-input" if mean.inputs[0] is not sub.inputs[0] else ""
    return Kernel(NORMALISATION, [mean, sub, square, second, epsilon, root, scale], scale, breaks)


def _mean_stddev_squares(first: Node, consumed: set[Node]) -> Kernel | None:
    """TryMeanStdDevNormalizationV1: (x - mean(x)) * (rsqrt(mean(x^2) - mean(x)^2 + eps) * ones)."""
    if first.kind not in ("MEAN", "SQUARE") or len(first.inputs) != 1:
        return None
    readers_by_kind: dict[str, Node] = {}
    for reader in islice(first.inputs[0].consumers, HUB):
        if reader.kind in ("MEAN", "SQUARE", "SUB"):
            readers_by_kind[reader.kind] = reader
    if len(readers_by_kind) != 3:
        return None
    mean, square, sub = (readers_by_kind[kind] for kind in ("MEAN", "SQUARE", "SUB"))
    if mean in consumed or square in consumed or not _channels_only(mean):
        return None
    readers = list(mean.outputs[0].consumers)
    if len(readers) != 2 or sub not in readers:
        return None
    mean_square = readers[0] if readers[1] is sub else readers[1]
    second = _next(square, "MEAN")
    variance = _next(second, "SUB") if second is not None else None
    if mean_square.kind != "SQUARE" or variance is None or _next(mean_square, "SUB") is not variance:
        return None
    scale = _next(sub, "MUL")
    epsilon = _next(variance, "ADD")
    root = _next(epsilon, "RSQRT") if epsilon is not None and _scalar(epsilon) is not None else None
    ones = _next(root, "MUL") if root is not None else None
    operand = ones.operand if ones is not None else None
    if scale is None or ones is None or epsilon is None or root is None or second is None:
        return None
    if operand is None or operand.form is not OperandForm.LINEAR or (operand.values != 1).any():
        return None
    if _next(ones, "MUL") is not scale:
        return None
    nodes = [mean, second, square, mean_square, sub, variance, epsilon, root, ones, scale]
    return Kernel(NORMALISATION, nodes, scale)


def _mish(exp: Node, consumed: set[Node]) -> Kernel | None:
    """TryMish: x * tanh(log(exp(x) + 1))."""
    if exp.kind != "EXP" or len(exp.inputs) != 1:
        return None
    chain = [exp]
    for kind in ("ADD", "LOG", "TANH", "MUL"):
        following = _next(chain[-1], kind)
        if following is None:
            return None
        chain.append(following)
    if _scalar(chain[1]) != 1.0 or len(chain[4].inputs) != 2 or exp.inputs[0] not in chain[4].inputs:
        return None
    return Kernel("mish", chain, chain[4])


def _slice_mul_reduce_concat(first: Node, consumed: set[Node]) -> Kernel | None:
    """TryFusedPointwiseConv: CONCAT over channels of reductions of products with slices."""
    if not _is_slice(first):
        return None
    mul = _next(first, "MUL")
    if mul is None or not _same_shapes(mul):
        return None
    common = mul.inputs[1] if mul.inputs[0] is first.outputs[0] else mul.inputs[0]
    reduce = only_reader(mul.outputs[0])
    if reduce is None or not _is_channel_reduction(reduce):
        return None
    concat = _next(reduce, "CONCAT")
    if concat is None or concat.axis != "C":
        return None
    nodes: list[Node] = []
    breaks = ""
    for value in concat.inputs:
        branch = _branch(value, common)
        if branch is None:
            return None
        piece, product, reduction = branch
        if reduction.kind != reduce.kind or common not in product.inputs or piece.inputs[0] is not first.inputs[0]:
            breaks = "slice-mul-reduce-concat"
        if _starts_behind(piece, "C") or _starts_behind(piece, "B"):
            breaks = "slice-mul-reduce-concat"
        nodes += branch
    return Kernel("slice-mul-reduce-concat", [*nodes, concat], concat, breaks)


def _branch(value: Value, common: Value) -> tuple[Node, Node, Node] | None:
    """The SLICE, the MUL and the reduction that make a value, or None if others do."""
    reduction = value.producer
    if reduction is None or not _is_channel_reduction(reduction):
        return None
    product = reduction.inputs[0].producer
    if product is None or product.kind != "MUL" or not _same_shapes(product):
        return None
    sliced = product.inputs[1] if product.inputs[0] is common else product.inputs[0]
    piece = sliced.producer
    return (piece, product, reduction) if piece is not None and _is_slice(piece) else None


def _is_slice(node: Node) -> bool:
    return node.kind == "SLICE" and len(node.inputs) == 1 and node.cut is not None and node.cut.unit_strides


def _starts_behind(piece: Node, axis: str) -> bool:
    """Whether a SLICE is known to begin behind index 0 of an axis."""
    return piece.cut is not None and piece.cut.starts.get(axis, 0) != 0


def _is_channel_reduction(node: Node) -> bool:
    return node.kind in ("MEAN", "SUM") and _channels_only(node)


def _same_shapes(node: Node) -> bool:
    return len(node.inputs) == 2 and node.inputs[0].shape == node.inputs[1].shape
