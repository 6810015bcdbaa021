"""What the delegate mistakes about operands that are not float32: whole numbers, constants of float16, of small types.

Key insight: a constant of floats becomes an attribute of its node, a constant of whole numbers a tensor beside it, and
the second way is less trodden: the tensor's axes are not aligned, the order of the operands is lost, and types that no
model of floats has are read as if they were others, or not at all.

Measured on lavapipe, LiteRT 2.3.0, over every op kind, type, rank and form of constant that the sections name.
"""

from __future__ import annotations

import numpy as np

from cases.graph import Graph, Op, Tensor
from repro.delegate.graph import MAX_RANK, axis_letters, bhwc

COMMUTES = frozenset(
    {*("ADD", "MUL", "MAXIMUM", "MINIMUM", "EQUAL", "NOT_EQUAL", "SQUARED_DIFFERENCE", "LOGICAL_AND", "LOGICAL_OR")}
)
_WHOLE = ("int32", "int16", "bool")
_FUSED = ("RELU", "RELU6", "RELU_N1_TO_1")
_BECOME_NODES = frozenset({"CONCATENATION", "PACK", "SELECT", "SELECT_V2", "ONE_HOT"})
"""Ops that take a constant as a tensor, and not as an attribute."""
_UNREAD = ("int16", "int8", "uint8")
_TAKE_NO_CONSTANT = {"PRELU": 0, "CUMSUM": 0, "SPLIT": 1, "UNPACK": 0, "PACK": 0}
"""Ops whose parser reads its data operand, at this place, without asking whether an op or an input writes it."""
_BOUNDS = {
    "int8": (-128, 127),
    "uint8": (0, 255),
    "int16": (-(1 << 15), (1 << 15) - 1),
    "int32": (-(1 << 31), (1 << 31) - 1),
}


def is_quantised(tensor: Tensor) -> bool:
    """Whether its integers stand for reals."""
    record = getattr(tensor.raw, "quantization", None)
    return record is not None and record.scale is not None and len(record.scale) > 0


def is_of_whole_numbers(tensor: Tensor) -> bool:
    """Whether a tensor is whole numbers to the delegate: int16 also where it is quantised."""
    return tensor.dtype == "int16" or (tensor.dtype in _WHOLE and not is_quantised(tensor))


def displaced(shape: tuple[int, ...], result: tuple[int, ...]) -> list[int]:
    """The axes of a tensor that lie on another BHWC axis than those of the result that they broadcast along.

    Above rank 4, where BHWC ends, the delegate refuses.
    """
    if len(result) > MAX_RANK:
        return []
    letters, result_letters, offset = axis_letters(len(shape)), axis_letters(len(result)), len(result) - len(shape)
    return [axis for axis, size in enumerate(shape) if size != 1 and letters[axis] != result_letters[offset + axis]]


def whole_constant_misread(
    kind: str, constant: np.ndarray, runtime: tuple[int, ...], result: tuple[int, ...], comes_first: bool
) -> str:
    """The rule that an elementwise op with a constant of several whole numbers falls under, or empty.

    The constant is a tensor of its own rank, whose axes are not aligned to the right, and the second operand, but where
    the runtime operand is repeated: what broadcasts comes second, whatever it is. Rows that are alike hide the first,
    where the kernel compiles.
    """
    misplaced = displaced(constant.shape, result)
    if misplaced and bhwc(constant.shape)[0] > 1 == bhwc(runtime)[0]:
        return "integer-constant-batch"
    uneven = [axis for axis in misplaced if (constant != np.take(constant, [0], axis)).any()]
    if uneven or displaced(runtime, result):
        return "integer-constant-axis"
    is_swapped = comes_first and bhwc(runtime) == bhwc(result)
    return "integer-constant-first" if is_swapped and kind not in COMMUTES else ""


def activation_misread(graph: Graph, op: Op) -> str:
    """`integer-activation` for an activation of whole numbers, whose kernel does not compile."""
    fuses = op.attrs.get("fused_activation_function") in _FUSED
    return "integer-activation" if fuses and is_of_whole_numbers(graph.tensors[op.outputs[0]]) else ""


def constant_that_aborts(graph: Graph, op: Op, operands: tuple[str, ...]) -> str:
    """`small-constant-aborts` for data in int16, or in plain int8 or uint8, that is a constant: nothing reads it.

    operands: those that carry data. One element beside a tensor is refused aloud by elementwise ops.
    """
    for name in operands:
        tensor = graph.tensors[name]
        if tensor.data is None or tensor.dtype not in _UNREAD or (tensor.dtype != "int16" and is_quantised(tensor)):
            continue
        if tensor.data.size > 1 or op.kind in _BECOME_NODES | {"GATHER"}:
            return "small-constant-aborts"
    return ""


def constant_data_misread(graph: Graph, op: Op) -> str:
    """`constant-data-aborts` for an op whose data is a constant: other parsers refuse it aloud or make a tensor of it.

    A PACK makes tensors of several.
    """
    place = _TAKE_NO_CONSTANT.get(op.kind)
    if place is None or (op.kind == "PACK" and len(op.inputs) > 1):
        return ""
    name = op.inputs[place]
    held = graph.tensors[name].is_constant or (op.kind != "CUMSUM" and _is_half_constant(graph, name))
    return "constant-data-aborts" if held else ""


def constant_tensor_misread(graph: Graph, op: Op, operands: tuple[str, ...]) -> str:
    """The rule that constants fall under which an op takes as tensors, or empty."""
    return constant_that_aborts(graph, op, operands) or half_constant_misread(graph, op)


def half_constant_misread(graph: Graph, op: Op) -> str:
    """`half-constant` for a constant of float16 that becomes a tensor: the kernel that reads it does not compile.

    ONE_HOT reads the bytes of such a constant as a float32.
    """
    if op.kind not in _BECOME_NODES or not any(_is_half_constant(graph, name) for name in op.inputs):
        return ""
    return "one-hot-places" if op.kind == "ONE_HOT" else "half-constant"


def _is_half_constant(graph: Graph, name: str) -> bool:
    maker = graph.producers.get(name)
    held = graph.tensors[maker.inputs[0]] if maker is not None and maker.kind == "DEQUANTIZE" else None
    return held is not None and held.is_constant and held.dtype == "float16"


def bitcast_misread(source: Tensor, result: Tensor) -> str:
    """The rule that a BITCAST between types of different sizes falls under, or empty.

    A GPU that computes in WebGPU has no integers of 8 and 16 bits: the source that is made for them reads four bytes as
    one number and writes unsigned ones, and compiles for nothing else. And a vector that becomes one number is a batch
    of numbers to the parser. In fp16 a float has other bits, of which there are two bytes, not the four.
    """
    sizes = {"int8": 1, "uint8": 1, "bool": 1, "int16": 2}
    read, made = (sizes.get(tensor.dtype, 4) for tensor in (source, result))
    in_half = "bitcast-in-half" if (source.dtype == "float32") != (result.dtype == "float32") else ""
    if read == made:
        return in_half
    if in_half:
        in_half = "bitcast-bytes-in-half"
    is_compiled = (read == 1 and made == 4) or (read == 4 and result.dtype == "uint8")
    if not is_compiled or min(len(source.shape), len(result.shape)) == 0:
        return "bitcast-size"
    return in_half


def loses_range(source: str, result: str) -> bool:
    """Whether a type of whole numbers has some that another one has not."""
    if source not in _BOUNDS or result not in _BOUNDS:
        return False
    (low, high), (lowest, highest) = _BOUNDS[source], _BOUNDS[result]
    return low < lowest or high > highest
