"""Which ops of a graph the rules say nothing about: what the lint has not examined, it must not call clean.

Key insight: the rules were learnt from graphs of float32 and of some forty kinds of ops, and held against the delegate
there. An op of another kind, or of other types, may miscompile in ways that no rule knows. An op that is foretold to be
refused was examined: it does not run there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from cases.evaluation.named import name_of
from cases.graph import Graph, Op
from repro.delegate.malformed import is_malformed
from repro.delegate.parser import PARSERS
from repro.delegate.refusals import why_refused
from repro.records.lines import counted

_ALIKE = """
    ABS BATCH_MATMUL CEIL COS ELU EXP FLOOR GELU HARD_SWISH LEAKY_RELU LOG LOGICAL_NOT LOGISTIC NEG RELU RELU6
    RELU_N1_TO_1 RESHAPE RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR ROUND RSQRT SELECT SELECT_V2 SIGN SIN SQRT SQUARE TANH
    TRANSPOSE
"""
_IN_PART = frozenset({"DYNAMIC_UPDATE_SLICE"})
"""Kinds of which one thing is known, and more than that is wrong."""
EXAMINED = frozenset({*PARSERS, *_ALIKE.split()}) - _IN_PART
"""Kinds that the replay of the delegate's passes knows: with a parser of their own, or one node for one op."""


def unexamined(graph: Graph) -> Counter[str]:
    """How many ops are not examined, by what they are, such as `GATHER` or `CONV_2D of int8`."""
    return Counter(word for op in graph.ops if not why_refused(graph, op) for word in _why_not(graph, op))


def examined_words(counts: Mapping[str, int]) -> tuple[str, str]:
    """`2 ops not examined`, and what they are; two empty texts where there are none."""
    kinds = ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))
    if not kinds:
        return "", ""
    return f"{counted(sum(counts.values()), 'op')} not examined", f" (no rule is about them): {kinds}"


def _why_not(graph: Graph, op: Op) -> Iterator[str]:
    if is_malformed(graph, op):
        yield f"{op.kind} that TFLite refuses"
        return
    if op.kind == "DEQUANTIZE" and graph.tensors[op.inputs[0]].is_constant:
        return  # what it makes is read as the constant that it is
    if op.kind not in EXAMINED:
        yield name_of(op) or op.kind
        return
    odd = {graph.tensors[name].dtype for name in op.outputs} - {"float32", "bool"}
    for name in filter(None, op.inputs):
        tensor = graph.tensors[name]
        # Axes, shapes, paddings are constants of whole numbers; quantised ones are weights.
        if tensor.dtype not in ("float32", "bool") and not (tensor.is_constant and tensor.dtype in ("int32", "int64")):
            odd.add(tensor.dtype)
    if odd:
        yield f"{op.kind} of {' and '.join(sorted(odd))}"
