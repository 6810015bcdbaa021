"""Number formats for the evaluator: where a value is rounded, and how sums accumulate.

Key insight: k roundings of one unit each have the same RMS as one rounding of sqrt(k) units. So a chain of
fused multiply-adds that a delegate runs one by one is emulated in blocks of 4, 16 or 64 terms, each
block rounded 1, 2 or 3 bits coarser: the same noise at a fraction of the cost.

Values live in a container wide enough that the format's products are exact in it: float32 for float16,
float64 for float32. Rounding to b bits is Veltkamp's: c = x * (2^k + 1), c - (c - x), with k = container bits - b.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cases.evaluation import half

WAVERS_BY = 0.25
"""Steps of a grid by which what is rounded to it may be off."""
_LOG2_E = 1.0 / np.log(2.0)
_LANES = 32  # threads that share one reduction before a tree joins them
_CHUNK = 1 << 16  # accumulators worked on at a time: they stay in cache
_ONE_THREAD = 1 << 18
"""Multiplications up to which OpenBLAS takes one thread (`interface/gemm.c`). Between roundings there are so few that a
second thread mostly waits, and spends a core on it: on a busy machine with two the whole took 20 times as much."""
_NOISE = np.random.default_rng(20261122).uniform(-1.0, 1.0, 1 << 16)


@dataclass(frozen=True)
class Arithmetic:
    """How values are stored and sums accumulate.

    store_bits: significant bits of a stored value (53, 24 or 11).
    accumulate_bits: significant bits of an accumulator.
    function_ulps: error of transcendental functions, in units of the wider of store and accumulator; Vulkan
        allows a few for exp, log, inverse square root and division, and numpy's are nearly exact.
    truncates: stored values are rounded toward zero. Vulkan leaves the rounding of float16 conversions to the
        driver and lavapipe truncates, which pulls every value by half an ulp in the same direction.
    wavers: what lies about halfway between two numbers of a quantised tensor's grid may become either. LiteRT's integer
        kernels round the same number differently, one step apart at most (`cases.evaluation.quantised.steps_apart`).
    is_native: computed in the processor's own float32, whose order of sums is numpy's: another draw of the same noise.
    """

    name: str
    store_bits: int
    accumulate_bits: int
    function_ulps: float = 0.0
    truncates: bool = False
    is_native: bool = False
    wavers: bool = False

    @property
    def container(self) -> type[np.floating]:
        return np.float32 if self.store_bits == 11 or self.is_native else np.float64

    @property
    def exact(self) -> bool:
        return self.store_bits == 53

    @property
    def fuses(self) -> bool:
        """Whether a product that something is added to is not rounded before: a driver may do either."""
        return self.is_native or self.accumulate_bits > self.store_bits

    @property
    def reducing(self) -> Arithmetic:
        """The same, with accumulators of 32 bits at least: reductions and average pooling keep such in fp16 as well.

        Source: ML Drift's `kernels/reduce.cc` (GetAccumType) and `kernels/pooling.cc`.
        """
        return replace(self, accumulate_bits=max(24, self.accumulate_bits))

    def stored(self, values: np.ndarray) -> np.ndarray:
        """Round to the stored format, with its overflow and subnormals. Integers and booleans pass through."""
        values = np.asarray(values)  # numpy makes a number of what is computed without dimensions
        if values.dtype.kind != "f":
            return values
        with np.errstate(over="ignore", invalid="ignore"):
            if self.store_bits == 53:
                return values.astype(np.float64, copy=False)
            if self.store_bits == 24:
                return values.astype(np.float32).astype(self.container)
            return half.toward_zero(values) if self.truncates else half.nearest(values)

    def function(self, values: np.ndarray, *, smallest: float = 0.0, ulps: float = 0.0) -> np.ndarray:
        """The result of a transcendental function as a GPU may compute it: off by up to `function_ulps`.

        ulps: of float32 that this function may be off by, where it is more. smallest: values below it are as noisy as
        it is. Vulkan bounds the error of sin, cos and of log near 1 absolutely, and tanh is made of exponentials
        (VkSpec, "Precision and Operation of SPIR-V Instructions").
        """
        if not self.function_ulps:
            return values
        relative = max(self.function_ulps * 2.0**-self.store_bits, ulps * 2.0**-24)
        noise = relative * np.resize(_NOISE[:: -1 if self.is_native else 1], values.size).reshape(values.shape)
        with np.errstate(over="ignore", invalid="ignore"):
            size = np.maximum(np.abs(values), smallest) if smallest else values
            return np.where(np.isinf(values), values, values + noise * size).astype(self.container)

    def near_grid(self, values: np.ndarray, step: np.ndarray, index: int) -> np.ndarray:
        """Values on the way to a grid of this step, moved by up to a quarter of it where the arithmetic wavers.

        What lies on the grid already stays there, so that moving integers is exact. index: of the op, so that no two
        ops waver alike.
        """
        if not self.wavers:
            return values
        noise = np.resize(np.roll(_NOISE, 7919 * index), values.size).reshape(values.shape)
        return np.asarray(values + WAVERS_BY * noise * step)

    def exp(self, x: np.ndarray) -> np.ndarray:
        """exp(x) as GPUs compute it in float32, 2 to the power of a product that is rounded first.

        That product's rounding costs |x| half units in the last place, which Vulkan allows (3 + 2 |x| units). Drivers
        compute a float16's exponential in float32: lavapipe's softmax of scores near 10 is no noisier than its scores.
        """
        if self.store_bits != 24:
            return self.function(np.exp(x))
        return self.function(np.exp2(self.stored(x * x.dtype.type(_LOG2_E))))

    def _round(self, values: np.ndarray, coarser: int) -> np.ndarray:
        """Round accumulators to `accumulate_bits - coarser` significant bits, in place."""
        bits = 24 if self.container is np.float32 else 53
        keep = self.accumulate_bits - coarser
        if keep >= bits:
            if self.store_bits == 11:
                # As below: what has overflowed stays lost, and is not divided down to a number that looks right.
                values[np.isinf(values)] = np.nan
            return values
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = values * self.container(2.0 ** (bits - keep) + 1.0)
            np.subtract(scaled, values, out=values)
            np.subtract(scaled, values, out=values)
        return values

    def matmul(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """[..., m, k] @ [..., k, n], accumulated along k in order. Not yet stored."""
        if self.exact:
            return np.matmul(left, right)
        left, right = left.astype(self.container, copy=False), right.astype(self.container, copy=False)
        if self.container is np.float32 and self.accumulate_bits >= 24:
            return np.matmul(left, right)
        batch = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
        rows, depth, columns = left.shape[-2], left.shape[-1], right.shape[-1]
        left = np.broadcast_to(left, (*batch, rows, depth)).reshape(-1, rows, depth)
        right = np.ascontiguousarray(np.broadcast_to(right, (*batch, depth, columns)).reshape(-1, depth, columns))
        result = np.empty((len(left), rows, columns), dtype=self.container)
        block, coarser = _block(result.size * depth)
        # Whole matrices are taken together while they are small, rows of one while they are large.
        at_once = min(_CHUNK, _ONE_THREAD // block)
        matrices = max(1, at_once // max(1, rows * columns))
        step = max(1, at_once // max(1, columns))
        for first in range(0, len(left), matrices):
            for row in range(0, rows, step):
                part = left[first : first + matrices, row : row + step]
                other = right[first : first + matrices]
                accumulator = np.zeros((len(part), part.shape[1], columns), dtype=self.container)
                for k in range(0, depth, block):
                    accumulator += np.matmul(part[:, :, k : k + block], other[:, k : k + block])
                    self._round(accumulator, coarser)
                result[first : first + matrices, row : row + step] = accumulator
        return result.reshape(*batch, rows, columns)

    def accumulate(self, total: np.ndarray, term: np.ndarray) -> np.ndarray:
        """total + term, rounded to the accumulator."""
        return self._round(np.asarray(total + term, dtype=self.container), 0)

    def accumulate_into(self, total: np.ndarray, term: np.ndarray) -> None:
        """`accumulate`, into `total`, which is in the container."""
        self._round(np.add(total, term, out=total), 0)

    def sum(self, values: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
        """Sum over axes (kept with extent 1): lanes accumulate in order, a tree joins the lanes."""
        if self.exact or not axes:
            return values.sum(axis=axes, keepdims=True) if axes else values
        kept = [i for i in range(values.ndim) if i not in axes]
        count = int(np.prod([values.shape[i] for i in axes]))
        terms = values.astype(self.container, copy=False).transpose(*axes, *kept).reshape(count, -1)
        lanes = min(_LANES, count)
        steps = -(-count // lanes)
        padded = np.zeros((steps * lanes, terms.shape[1]), dtype=self.container)
        padded[:count] = terms
        in_lanes = padded.reshape(steps, lanes, -1)
        total = in_lanes[0].copy()
        for step in in_lanes[1:]:
            total += step
            self._round(total, 0)
        while len(total) > 1:
            half = -(-len(total) // 2)
            joined = total[:half].copy()
            joined[: len(total) - half] += total[half:]
            total = self._round(joined, 0)
        shape = [1 if i in axes else values.shape[i] for i in range(values.ndim)]
        return total.reshape(shape)


def _block(work: int) -> tuple[int, int]:
    """Terms per rounding and how many bits coarser it is, for a product of `work` multiply-adds."""
    if work < 1 << 24:
        return 4, 1
    return (16, 2) if work < 1 << 30 else (64, 3)


FLOAT64 = Arithmetic("float64", 53, 53)
FLOAT32 = Arithmetic("float32", 24, 24, function_ulps=4.0)
FLOAT32_NATIVE = Arithmetic("float32-native", 24, 24, function_ulps=4.0, is_native=True)
INTEGER_KERNELS = Arithmetic("integer-kernels", 53, 53, wavers=True)
FLOAT16 = Arithmetic("float16", 11, 11, function_ulps=2.0)
FLOAT16_ACC32 = Arithmetic("float16-acc32", 11, 24, function_ulps=2.0)
FLOAT16_TRUNCATED = Arithmetic("float16-truncated", 11, 24, function_ulps=2.0, truncates=True)
