"""Fusions of several nodes into one GPU kernel, replayed: which graph outputs such a kernel swallows.

Key insight: unlike the rewrites of `repro.delegate.replay`, these leave the graph as it is and only mark
nodes as consumed. A swallowed output is still bound to a buffer, so what comes back is whatever that
memory held: often another tensor, which is why the bug has been reported as "returns an operand".

Source: google-ai-edge/ml-drift, `common/selectors/special_selector.cc` and the parsers it calls.
The kernels for some vendors only (thin pointwise, concat+conv, resize+add+conv) are not replayed: a
rule for them has not been held against a delegate yet.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from repro.delegate.graph import DelegateGraph, Node, Value, only_reader

Sighting = tuple[str, str, Value, Node, Node]
"""(rule, effect, value, producing node, consuming node)."""

# A tensor with more readers than this is no LayerNorm's input; looking at all would not be linear.
HUB = 64
REDUCE_KINDS = frozenset({"MEAN", "SUM", "MAX", "MIN", "PROD"})


def fuse_into_kernels(graph: DelegateGraph) -> Iterator[Sighting]:
    """Walk the nodes in execution order, as the delegate does, and report what each fusion swallows."""
    consumed: set[int] = set()
    emitted: set[int] = set()
    for node in graph.live():
        if id(node) in consumed or node.kind == "CONSTANT":
            continue
        for match in (_slice_mul_reduce_concat, _mean_stddev, _mean_stddev_squares, _mish, _add_reduce):
            found = match(node, consumed)
            if found is not None:
                rule, nodes, last, wrong = found
                consumed |= {id(member) for member in nodes}
                for member in nodes:
                    member.attrs["kernel"] = rule
                yield from _swallowed(rule, nodes, last, emitted)
                if wrong:
                    yield wrong, "wrong", last.outputs[0], nodes[0], last
                break
        else:
            emitted.add(id(node))


Match = tuple[str, list[Node], Node, str] | None
"""(rule, all nodes of the kernel, the node whose output it writes, rule its values break or empty)."""


def _swallowed(rule: str, nodes: list[Node], last: Node, emitted: set[int]) -> Iterator[Sighting]:
    """What nobody writes any more. A member that had become a kernel of its own before is written all the same."""
    members = {id(node) for node in nodes}
    for node in nodes:
        if node is last or id(node) in emitted:
            continue
        for value in node.outputs:
            reader = next((other for other in value.consumers if id(other) in members), last)
            if value.is_output:
                yield rule, "lost", value, node, reader
            outside = [other for other in value.consumers if id(other) not in members]
            for other in outside:
                yield rule, "wrong", other.outputs[0], node, other


def _next(node: Node, kind: str) -> Node | None:
    """The single consumer of the node's first output, if it is of that kind."""
    reader = only_reader(node.outputs[0])
    return reader if reader is not None and reader.kind == kind else None


def _scalar(node: Node | None) -> float | None:
    operand = node.attrs.get("operand") if node is not None else None
    return float(operand.values.ravel()[0]) if operand is not None and operand.form == "scalar" else None


def _channels_only(node: Node) -> bool:
    return node.attrs.get("axes") == frozenset("C")


def _add_reduce(add: Node, consumed: set[int]) -> Match:
    """TryAddThenReduce."""
    if add.kind != "ADD" or len(add.inputs) != 2 or add.inputs[0].shape != add.inputs[1].shape:
        return None
    reduce = only_reader(add.outputs[0])
    if reduce is None or reduce.kind not in REDUCE_KINDS:
        return None
    # The fused kernel starts its maximum and minimum at zero.
    wrong = "add-reduce-extremum" if reduce.kind in ("MAX", "MIN") else ""
    return "add-reduce", [add, reduce], reduce, wrong


def _mean_stddev(mean: Node, consumed: set[int]) -> Match:
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
    wrong = "norm-other-input" if mean.inputs[0] is not sub.inputs[0] else ""
    return "mean-stddev-norm", [mean, sub, square, second, epsilon, root, scale], scale, wrong


def _mean_stddev_squares(first: Node, consumed: set[int]) -> Match:
    """TryMeanStdDevNormalizationV1: (x - mean(x)) * (rsqrt(mean(x^2) - mean(x)^2 + eps) * ones)."""
    if first.kind not in ("MEAN", "SQUARE") or len(first.inputs) != 1:
        return None
    found: dict[str, Node] = {}
    for reader in islice(first.inputs[0].consumers, HUB):
        if reader.kind in ("MEAN", "SQUARE", "SUB"):
            found[reader.kind] = reader
    if len(found) != 3:
        return None
    mean, square, sub = found["MEAN"], found["SQUARE"], found["SUB"]
    if id(mean) in consumed or id(square) in consumed or not _channels_only(mean):
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
    operand = ones.attrs.get("operand") if ones is not None else None
    if scale is None or ones is None or epsilon is None or root is None or second is None:
        return None
    if operand is None or operand.form != "linear" or (operand.values != 1).any() or _next(ones, "MUL") is not scale:
        return None
    nodes = [mean, second, square, mean_square, sub, variance, epsilon, root, ones, scale]
    return "mean-stddev-norm", nodes, scale, ""


def _mish(exp: Node, consumed: set[int]) -> Match:
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
    return "mish", chain, chain[4], ""


def _slice_mul_reduce_concat(first: Node, consumed: set[int]) -> Match:
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
    if concat is None or concat.attrs.get("axis") != "C":
        return None
    nodes: list[Node] = []
    wrong = ""
    for value in concat.inputs:
        part = _branch(value, common)
        if part is None:
            return None
        reduction, product, piece = part
        if reduction.kind != reduce.kind or common not in product.inputs or piece.inputs[0] is not first.inputs[0]:
            wrong = "slice-mul-reduce-concat"
        if piece.attrs.get("starts", {}).get("C", 0) or piece.attrs.get("starts", {}).get("B", 0):
            wrong = "slice-mul-reduce-concat"
        nodes += [piece, product, reduction]
    return "slice-mul-reduce-concat", [*nodes, concat], concat, wrong


def _branch(value: Value, common: Value) -> tuple[Node, Node, Node] | None:
    reduction = value.producer
    if reduction is None or not _is_channel_reduction(reduction):
        return None
    product = reduction.inputs[0].producer
    if product is None or product.kind != "MUL" or not _same_shapes(product):
        return None
    sliced = product.inputs[1] if product.inputs[0] is common else product.inputs[0]
    piece = sliced.producer
    return (reduction, product, piece) if piece is not None and _is_slice(piece) else None


def _is_slice(node: Node) -> bool:
    return node.kind == "SLICE" and len(node.inputs) == 1 and bool(node.attrs.get("unit_strides"))


def _is_channel_reduction(node: Node) -> bool:
    return node.kind in ("MEAN", "SUM") and _channels_only(node)


def _same_shapes(node: Node) -> bool:
    return len(node.inputs) == 2 and node.inputs[0].shape == node.inputs[1].shape
