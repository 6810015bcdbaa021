"""What may go wrong: outputs in a dangerous role, what the delegate refuses, values out of range.

Key insight: these are read off one op or tensor at a time, and none of them says that anything is wrong in this run.
Only in which kernel a division is computed takes the delegate's own graph.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence

import numpy as np

from cases.graph import Graph, Op
from repro.delegate.adapters import Adapter, builds_with_fast_math, waits_for_no_copy
from repro.delegate.graph import DelegateGraph, constant_data
from repro.delegate.kernel_divisions import KernelDivision, kernel_divisions
from repro.delegate.malformed import is_malformed
from repro.delegate.refusals import why_refused
from repro.delegate.sighting import Effect
from repro.hazards.hazard import Hazard, match_of
from repro.hazards.reach import outputs_reached
from repro.hazards.rules import RULES
from runner.run import FP16_MAX, FP16_ROUNDS_TO_ZERO, Precision

LISTED_TWICE = "output-listed-twice"
_AT_RISK = {"fast-math-division": builds_with_fast_math, "transposed-async-copy": waits_for_no_copy}
"""Of risks that only some adapters have, which those are."""
LONG_SUM = 8192
"""Terms of a sum from which on a mean magnitude of 8 passes fp16's range: what activations have."""


def risks_of(graph: Graph, already_named: Collection[str], delegates: DelegateGraph) -> Iterator[Hazard]:
    """All of them, in the order of the graph's outputs, ops and constants.

    already_named: tensors that a hazard names; an output among them is no risk in its role any more. delegates: the
    graph as the delegate has rewritten it.
    """
    for index, name in enumerate(graph.outputs):
        if name in graph.outputs[index + 1 :]:
            maker = graph.producers.get(name)
            yield _risk(LISTED_TWICE, name, maker.kind if maker else "input", "", output=index)
        readers = graph.uses.get(name, ())
        if name in graph.inputs:
            yield _risk("output-is-input", name, "input", readers[0].kind if readers else "", output=index)
        elif readers and name not in already_named:
            producer = graph.producers.get(name)
            yield _risk("output-consumed", name, producer.kind if producer else "input", readers[0].kind, output=index)
    for op in graph.ops:
        why = why_refused(graph, op)
        if why:
            yield _risk("op-refused", op.outputs[0] if op.outputs else "", op.kind, "", detail=why)
        if _is_enlarged_twice_by_a_copied_window(graph, op):
            made = op.outputs[0]
            output = graph.outputs.index(made) if made in graph.outputs else None
            reached, rule = outputs_reached(graph, made), RULES["transposed-async-copy"]
            yield match_of(rule, made, output, op.kind, op.kind, Effect.RISK, reached, ops=(op, op))
        reader = _reader_of_sparse_halves(graph, op)
        if reader is not None:
            made = op.outputs[0]
            reached = outputs_reached(graph, made)
            rule = RULES["sparse-half-weights"]
            yield match_of(rule, made, None, op.kind, reader.kind, Effect.RISK, reached, ops=(op, reader))
        long = _why_long(graph, op)
        if long:
            readers = graph.uses.get(op.outputs[0], ())
            yield _risk("fp16-long-sum", op.outputs[0], op.kind, readers[0].kind if readers else "", detail=long)
    for name, tensor in graph.tensors.items():
        if tensor.data is not None and tensor.data.dtype.kind == "f" and tensor.dtype != "float16":
            why = _why_outside_fp16(tensor.data)
            if why:
                readers = graph.uses.get(name, ())
                yield _risk("fp16-range", name, "constant", readers[0].kind if readers else "", detail=why)
    yield from _fast_math(graph, [found for found in kernel_divisions(delegates) if found.precisions])


def cleared(rule: str, adapters: Sequence[Adapter]) -> bool:
    """Whether a risk is none on any of these adapters; False without adapters."""
    if rule.startswith("fp16-"):
        return bool(adapters) and all(adapter.precision is Precision.FP32 for adapter in adapters)
    at_risk = _AT_RISK.get(rule)
    return at_risk is not None and bool(adapters) and not any(map(at_risk, adapters))


def _fast_math(graph: Graph, found: Sequence[KernelDivision]) -> Iterator[Hazard]:
    """One risk for all divisions in kernels of convolutions: a model of SiLUs has one behind each convolution."""
    if not found:
        return
    first = found[0]
    tensors = [each.division.op.outputs[0] for each in found]
    more = f" ({len(found)} places in this model)" if len(found) > 1 else ""
    yield match_of(
        RULES["fast-math-division"],
        tensors[0],
        graph.outputs.index(tensors[0]) if tensors[0] in graph.outputs else None,
        first.convolution.op.kind,
        first.division.op.kind,
        Effect.RISK,
        outputs_reached(graph, *tensors),
        detail=_reaches(first) + more,
        ops=(first.convolution.op, first.division.op),
    )


def _reaches(found: KernelDivision) -> str:
    """Where the values of a division are at risk."""
    if not found.is_sigmoid:
        return "where the divisor is infinite or 0"
    return f"where its input is {'below -88 (in fp16 -11)' if 'fp32' in found.precisions else 'below -11 in fp16'}"


def _risk(rule: str, tensor: str, producer: str, consumer: str, output: int | None = None, detail: str = "") -> Hazard:
    affected = () if output is None else (output,)
    return match_of(RULES[rule], tensor, output, producer, consumer, Effect.RISK, affected, detail)


def _is_enlarged_twice_by_a_copied_window(graph: Graph, op: Op) -> bool:
    """Whether it is a TRANSPOSE_CONV of stride 2 whose window has a kernel of its own: 3x3, or 4x4 and SAME."""
    if op.kind != "TRANSPOSE_CONV" or is_malformed(graph, op) or graph.tensors[op.inputs[1]].data is None:
        return False
    strides = (int(op.attrs.get("stride_h", 1)), int(op.attrs.get("stride_w", 1)))
    window = graph.tensors[op.inputs[1]].shape[1:3]
    return strides == (2, 2) and (window == (3, 3) or (window == (4, 4) and op.attrs.get("padding") == "SAME"))


def _reader_of_sparse_halves(graph: Graph, op: Op) -> Op | None:
    """Who reads on the GPU what a DEQUANTIZE makes of sparse float16 weights; None for any other op."""
    if op.kind != "DEQUANTIZE" or not op.inputs or not op.outputs:
        return None
    maker = graph.producers.get(op.inputs[0])
    if maker is None or maker.kind != "DENSIFY" or graph.tensors[op.inputs[0]].dtype != "float16":
        return None
    return next((reader for reader in graph.uses.get(op.outputs[0], ()) if not why_refused(graph, reader)), None)


def _why_long(graph: Graph, op: Op) -> str:
    """What a sum over very many numbers needs to pass fp16's range, or empty for any other op."""
    if op.kind not in ("SUM", "CUMSUM") or not op.outputs or not graph.tensors[op.outputs[0]].dtype.startswith("float"):
        return ""
    source, made = (graph.tensors[name].shape for name in (op.inputs[0], op.outputs[0]))
    axis = constant_data(graph, op.inputs[1]) if op.kind == "CUMSUM" else None
    if axis is not None and axis.size == 1 and -len(source) <= int(axis.reshape(-1)[0]) < len(source):
        terms = source[int(axis.reshape(-1)[0])]
    else:
        terms = math.prod(source) // max(1, math.prod(made))
    if terms < LONG_SUM:
        return ""
    return f"it adds up {terms} numbers, and a mean of {FP16_MAX / terms:.2g} is enough to pass {FP16_MAX:g}"


def _why_outside_fp16(data: np.ndarray) -> str:
    """What fp16 makes of a constant's largest values, or empty where it holds them."""
    if data.size == 0:
        return ""
    with np.errstate(invalid="ignore"):  # a NaN that signals is not finite either
        low, high = float(data.min()), float(data.max())
    peak = max(abs(low), abs(high))
    if not np.isfinite(peak) or peak > FP16_MAX:
        return f"holds {peak:g}, the largest fp16 number is {FP16_MAX:g}"
    # Only where nothing of the constant survives: small entries among larger ones are what fp16 rounds anyway.
    if 0 < peak < FP16_ROUNDS_TO_ZERO:
        return f"its largest value is {peak:g}, which fp16 rounds to zero"
    return ""
