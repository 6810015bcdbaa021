"""Quantised tensors: the real numbers that their integers stand for, and the nearest integers of real numbers.

Key insight: an evaluation never computes with the integers. Inside it a quantised tensor is the real numbers on its
grid, (q - zero point) * scale, so that each op has one meaning for all types: quantised weights under float activations
(dynamic range, weight-only) are just other weights, and in a fully quantised graph what is written to a quantised
tensor is put back on that tensor's grid. That is the meaning of the integer arithmetic; what its kernels compute
differs by their own roundings. LiteRT's kernels differ among themselves too, and `steps_apart` says by how much: no
more can be asked of a delegate.

Sources: the affine scheme of TFLite's quantisation specification; packing of 2 and 4 bit integers as in TFLite's
`tensor_utils` (the first element in the lowest bits, rows not padded); rounding half away from zero as in TFLite's
reference QUANTIZE (`TfLiteRound`). XNNPACK rounds half to even, which is one of the differences in steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cases.evaluation.sparse import dense_of
from cases.graph import GraphError, Tensor
from cases.tflite.packing import PACKED_BITS

RANGES: Mapping[str, tuple[int, int]] = {
    **{f"int{bits}": (-(1 << bits - 1), (1 << bits - 1) - 1) for bits in (2, 4, 8, 16, 32, 64)},
    **{f"uint{bits}": (0, (1 << bits) - 1) for bits in (4, 8, 16)},
}
"""The smallest and largest integer of each type that a quantised tensor may have."""
WEIGHT_DTYPES = frozenset({"int2", "int4", "uint4", "int8", "uint8"})
"""The types of quantised weights, unlike those of biases."""
_BYTE_SHIFT = 128
HOLDING_DTYPES: Mapping[str, str] = {"int2": "int8", "int4": "int8", "uint4": "uint8"}
"""The numpy dtype that holds the integers of a type that numpy does not have."""


@dataclass(frozen=True, eq=False)
class Grid:
    """The real numbers that a quantised tensor can hold.

    scale, zero_point: float64, of a shape that broadcasts to the tensor's once each entry along an axis is repeated for
    the neighbours of its block. lowest, highest: of its integers.
    """

    scale: np.ndarray
    zero_point: np.ndarray
    lowest: int
    highest: int

    @property
    def _first(self) -> int:
        """The smallest integer of the bytes that hold these, which the delegate takes for 0: fewer bits are widened."""
        return -_BYTE_SHIFT if self.lowest < 0 else 0

    def step_of(self, shape: tuple[int, ...]) -> np.ndarray:
        """The distance of neighbours, as broadcasts to a tensor's shape."""
        return _spread(self.scale, shape)

    def real(self, integers: np.ndarray) -> np.ndarray:
        """What integers stand for, in float64."""
        zero, scale = (_spread(numbers, integers.shape) for numbers in (self.zero_point, self.scale))
        return (integers.astype(np.float64) - zero) * scale

    def real_as_read(
        self, integers: np.ndarray, stored: Callable[[np.ndarray], np.ndarray], *, fused: bool = False
    ) -> np.ndarray:
        """What bytes become where a kernel of the delegate reads them: scaled, and a scaled zero point taken away.

        They are counted from the smallest that the type has, and both the scale and what is taken away are constants of
        the kernel, each in the format that it computes in. So a number near zero is as coarse as the many scales that
        were taken away to get there, and all are off alike by what that product was rounded. Measured on LiteRT 2.3.0
        over WebGPU, bit by bit on lavapipe; source: ML Drift's `kernels/quantize_and_dequantize.cc`.

        stored: rounds to this format. fused: the product is not rounded before something is taken away.
        """
        zero, scale = (_spread(numbers, integers.shape) for numbers in (self.zero_point, self.scale))
        scaled = (integers.astype(np.float64) - self._first) * stored(scale)
        return np.asarray((scaled if fused else stored(scaled)) - stored((zero - self._first) * scale))

    def real_in_kernel(self, integers: np.ndarray, stored: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """What integers become where a FULLY_CONNECTED of the delegate turns them into numbers as it multiplies.

        It holds them as unsigned bytes, scales those and takes the scaled shift away again (ML Drift,
        `kernels/fully_connected_util.cc`), so that a weight is as coarse as 255 scales however small it is. Measured on
        LiteRT 2.3.0: integers of 4 bits are widened to bytes first. stored: rounds to the format that it computes in.
        """
        zero, scale = (_spread(numbers, integers.shape) for numbers in (self.zero_point, stored(self.scale)))
        byte = stored(integers.astype(np.float64) + _BYTE_SHIFT) * scale
        return stored(stored(byte) - stored(scale * (zero + _BYTE_SHIFT)))

    def integers_as_written(self, values: np.ndarray, stored: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """The integers that a kernel of the delegate rounds to, which is one step off where it lies halfway.

        What it rounds is how many scales the value is above the smallest that the type stands for, so that in float16,
        where numbers above 128 are an eighth apart, more than those exactly halfway become the other neighbour. stored:
        rounds to the format that it computes in. Source: as of `real_as_read`. Not a number becomes the zero point.
        """
        zero, scale = (_spread(numbers, values.shape) for numbers in (self.zero_point, self.scale))
        low, high = (stored((end - zero) * scale) for end in (self.lowest, self.highest))
        with np.errstate(all="ignore"):
            above = stored(np.clip(stored(values), low, high) - low)
            whole = np.rint(stored(above * stored(1.0 / scale))) + self.lowest
        return np.clip(np.where(np.isnan(whole), zero, whole), self.lowest, self.highest).astype(np.float64)

    def integers(self, values: np.ndarray) -> np.ndarray:
        """The nearest integers, half away from zero, clamped to the type's range; whole numbers in float64.

        Not a number becomes the zero point; infinity the end of the range.
        """
        with np.errstate(all="ignore"):
            steps = values.astype(np.float64, copy=False) / _spread(self.scale, values.shape)
            whole = np.trunc(steps)  # exact, unlike adding a half first
            whole += np.where(np.abs(steps - whole) >= 0.5, np.sign(steps), 0.0)
        zero = _spread(self.zero_point, values.shape)
        return np.clip(np.nan_to_num(whole, nan=0.0) + zero, self.lowest, self.highest)


def grid_of(tensor: Tensor) -> Grid | None:
    """The grid of a quantised tensor; None for a tensor that is not quantised.

    Raises GraphError for scales that do not fit the tensor's shape and for a quantisation that is not affine.
    """
    record = getattr(tensor.raw, "quantization", None)
    if record is None or tensor.dtype not in RANGES:
        return None
    if tensor.raw.block_scales is not None:
        scale, zero = _of_blocks(tensor, tensor.raw.block_scales), _of_blocks(tensor, tensor.raw.block_zero_points)
    elif record.details is not None:
        raise GraphError(f"the quantisation of '{tensor.name}' is not affine")
    elif record.scale is None or not len(record.scale):
        return None
    else:
        scale, zero = _of_channels(tensor, record, record.scale), _of_channels(tensor, record, record.zeroPoint)
    return Grid(scale, zero, *RANGES[tensor.dtype])


def _of_channels(tensor: Tensor, record: Any, given: Any) -> np.ndarray:
    """One number for the whole tensor or one per index along the quantised dimension, ready to broadcast."""
    numbers = np.asarray(0.0 if given is None or not len(given) else given, np.float64).reshape(-1)
    if numbers.size == 1:
        return numbers.reshape(())
    axis = record.quantizedDimension
    if not 0 <= axis < len(tensor.shape) or tensor.shape[axis] != numbers.size:
        raise GraphError(f"'{tensor.name}' of shape {tensor.shape} has {numbers.size} scales along dimension {axis}")
    return numbers.reshape([-1 if i == axis else 1 for i in range(len(tensor.shape))])


def _of_blocks(tensor: Tensor, numbers: Tensor | None) -> np.ndarray:
    """One number per block of neighbours along a dimension."""
    if numbers is None:
        return np.zeros(())
    shape = numbers.shape
    if numbers.data is None or len(shape) != len(tensor.shape) or any(map(_uneven, tensor.shape, shape)):
        raise GraphError(f"'{tensor.name}' of shape {tensor.shape} has blocks of scales of shape {shape}")
    return np.asarray(numbers.data, np.float64)


def _uneven(extent: int, blocks: int) -> bool:
    return not blocks or bool(extent % blocks)


def _spread(numbers: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers per block as numbers that broadcast to a shape."""
    for axis, blocks in enumerate(numbers.shape):
        if blocks not in (1, shape[axis]):
            numbers = numbers.repeat(shape[axis] // blocks, axis=axis)
    return numbers


def constant_of(tensor: Tensor) -> np.ndarray | None:
    """The data of a constant, integers of 2 and 4 bits unpacked, sparse ones whole; None for what is no constant."""
    if getattr(tensor.raw, "sparsity", None) is not None:
        return dense_of(tensor)
    packed = getattr(tensor.raw, "data", None)
    if packed is None or tensor.dtype not in PACKED_BITS:
        return tensor.data
    bits, count = PACKED_BITS[tensor.dtype], math.prod(tensor.shape)
    fields = np.frombuffer(packed, np.uint8)[:, None] >> np.arange(0, 8, bits, dtype=np.uint8)
    if fields.size < count:
        raise GraphError(f"'{tensor.name}' has {fields.size} integers of {bits} bits, its shape wants {count}")
    values = (fields.reshape(-1)[:count] & ((1 << bits) - 1)).astype(np.int8).reshape(tensor.shape)
    lowest, highest = RANGES[tensor.dtype]
    return np.where(values > highest, values - (highest - lowest + 1), values).astype(HOLDING_DTYPES[tensor.dtype])


def steps_apart(results: Sequence[np.ndarray]) -> int:
    """How many quantisation steps several results of one quantised tensor differ at most, element by element.

    results: integers of one shape, one array per witness: TFLite's reference kernels, its optimised ones, XNNPACK, and
    an evaluation. What they differ among themselves is legal for a delegate as well. Zero for a single result.

    Measured on 9,000 drawn ops of 30 kinds (`tests/cases/evaluation/test_quantised.py`): one op never takes two of them
    more than one step apart, int8 and uint8 alike; kernels of int16 agree among themselves, and are one step off the
    evaluation where their multipliers of 16 bits are too short. Ops behind each other add up.
    """
    stacked = np.stack([np.asarray(result, np.int64) for result in results])
    return int(np.ptp(stacked, axis=0).max(initial=0))
