"""Faults to inject into a healthy output: what delegates have been seen to do, and what they might.

Each is a pure function of the healthy output and its surroundings. One that cannot act on a tensor (no other
output to swap with, one row only) returns None: that is "not applicable", told apart from a fault that acted
and changed nothing (permuting equal rows).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from repro.verdicts.deviations import as_rows
from runner.run import SENTINEL, Precision

Apply = Callable[["Healthy", np.random.Generator], np.ndarray | None]


@dataclass(frozen=True)
class Healthy:
    """A healthy float32 output of one run and what a fault may mix it with.

    by_run: this output in every run, of different inputs; run: which one of them this is. others: other outputs of the
    same run. inputs: this run's inputs.
    """

    by_run: tuple[np.ndarray, ...]
    run: int
    others: tuple[np.ndarray, ...]
    inputs: tuple[np.ndarray, ...]
    precision: Precision

    @property
    def value(self) -> np.ndarray:
        return self.by_run[self.run]

    @property
    def previous(self) -> np.ndarray:
        """What the run before gave; before the first one, what the second will give."""
        return self.by_run[self.run - 1] if self.run else self.by_run[1 % len(self.by_run)]

    @property
    def std(self) -> np.float32:
        return np.float32(self.value.std())


@dataclass(frozen=True)
class Fault:
    """faint: the change may be as small as legal noise, since it touches only a part or is small itself."""

    name: str
    apply: Apply
    faint: bool = False


def _rows_of(x: Healthy) -> np.ndarray:
    return as_rows(x.value).copy()


def _fitted(values: np.ndarray, x: Healthy) -> np.ndarray:
    return np.resize(values.astype(np.float32), x.value.size).reshape(x.value.shape)


def _wrong_operand(x: Healthy, rng: np.random.Generator) -> np.ndarray | None:
    floats = [i for i in x.inputs if i.dtype == np.float32 and i.size > 1]
    return _fitted(floats[0], x) if floats else None


def _swapped_outputs(x: Healthy, rng: np.random.Generator) -> np.ndarray | None:
    floats = [o for o in x.others if o.dtype == np.float32 and o.size > 1]
    same = [o for o in floats if o.size == x.value.size]
    return _fitted((same or floats)[0], x) if floats else None


def _on_rows(change: Callable[[np.ndarray, np.random.Generator], np.ndarray | None]) -> Apply:
    def apply(x: Healthy, rng: np.random.Generator) -> np.ndarray | None:
        rows = _rows_of(x)
        if rows.shape[0] < 2:
            return None
        changed = change(rows, rng)
        return None if changed is None else np.ascontiguousarray(changed).reshape(x.value.shape)

    return apply


def _on_channels(change: Callable[[np.ndarray, np.random.Generator], np.ndarray | None]) -> Apply:
    def apply(x: Healthy, rng: np.random.Generator) -> np.ndarray | None:
        rows = _rows_of(x)
        if rows.shape[1] < 2:
            return None
        changed = change(np.ascontiguousarray(rows.T), rng)
        return None if changed is None else np.ascontiguousarray(changed.T).reshape(x.value.shape)

    return apply


def _on_flat(change: Callable[[np.ndarray, np.random.Generator], np.ndarray | None]) -> Apply:
    def apply(x: Healthy, rng: np.random.Generator) -> np.ndarray | None:
        changed = change(x.value.ravel().copy(), rng)
        return None if changed is None else changed.reshape(x.value.shape)

    return apply


def _put(
    index: Callable[[np.ndarray, np.random.Generator], int], value: float | Callable[[np.ndarray, int], np.ndarray]
) -> Callable[[np.ndarray, np.random.Generator], np.ndarray]:
    """Write one value (or what a function of the array gives) at an index."""

    def change(array: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        where = index(array, rng)
        array[where] = value(array, where) if callable(value) else value
        return array

    return change


def _any(array: np.ndarray, rng: np.random.Generator) -> int:
    return int(rng.integers(len(array)))


def _neighbour(array: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    where = _any(array, rng)
    array[where] = array[(where + 1) % len(array)]
    return array


def _swap_two(array: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    i, j = rng.choice(len(array), 2, replace=False)
    array[[i, j]] = array[[j, i]]
    return array


def _transposed(x: Healthy, rng: np.random.Generator) -> np.ndarray | None:
    rows = _rows_of(x)
    return np.ascontiguousarray(rows.T).reshape(x.value.shape) if min(rows.shape) > 1 else None


def _shift_zero(flat: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.concatenate([np.zeros(1, np.float32), flat[:-1]])


def _lanes_swapped(channels: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
    if len(channels) < 4:
        return None
    order = np.arange(len(channels))
    whole = len(channels) // 4 * 4
    order[:whole] = order[:whole].reshape(-1, 4)[:, [1, 0, 3, 2]].ravel()
    return channels[order]


def _dead_lane(channels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    channels[3::4] = 0
    if len(channels) < 4:
        channels[-1] = 0
    return channels


def _half_duplicated(flat: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    half = len(flat) // 2
    flat[len(flat) - half :] = flat[:half]
    return flat


def _tail(flat: np.ndarray, value: float) -> np.ndarray:
    flat[-max(1, len(flat) // 16) :] = value
    return flat


def _overflow(x: Healthy, rng: np.random.Generator) -> np.ndarray:
    """What a too small exponent gives: everything above the 99th percentile of magnitude is infinite."""
    limit = np.quantile(np.abs(x.value), 0.99)
    return np.where(np.abs(x.value) >= limit, np.copysign(np.float32(np.inf), x.value), x.value)


def _half_precision(x: Healthy, rng: np.random.Generator) -> np.ndarray | None:
    return x.value.astype(np.float16).astype(np.float32) if x.precision is Precision.FP32 else None


def _clipped(x: Healthy, rng: np.random.Generator) -> np.ndarray:
    low, high = np.quantile(x.value, [0.05, 0.95])
    return np.clip(x.value, np.float32(low), np.float32(high))


def _flipped_sign(flat: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    where = int(np.abs(flat).argmax())
    flat[where] = -flat[where]
    return flat


def _wrong_element(x: Healthy, rng: np.random.Generator) -> np.ndarray:
    changed = x.value.ravel().copy()
    changed[_any(changed, rng)] += x.std
    return changed.reshape(x.value.shape)


def _doubled(array: np.ndarray, where: int) -> np.ndarray:
    return np.asarray(array[where] * 2)


def _scaled(share: float) -> Callable[[np.ndarray, int], np.ndarray]:
    return lambda array, where: np.asarray(array[where] * np.float32(1 + share))


def _negative(array: np.ndarray, where: int) -> np.ndarray:
    return np.asarray(-array[where])


def _sizeable(flat: np.ndarray, rng: np.random.Generator) -> int:
    """An element of the larger half: a share of next to nothing is next to nothing."""
    return int(rng.choice(np.flatnonzero(np.abs(flat) >= np.median(np.abs(flat)))))


def _bfloat16(x: Healthy, rng: np.random.Generator) -> np.ndarray:
    """Rounded to the nearest number of 8 significant bits."""
    bits = np.ascontiguousarray(x.value).view(np.uint32)
    rounded = (bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) & np.uint32(0xFFFF0000)
    return rounded.view(np.float32)


def _second_batch_stale(x: Healthy, rng: np.random.Generator) -> np.ndarray | None:
    """The second half along the first axis that has two (of a batch of one: of its rows) holds the previous run."""
    axis = next((i for i, extent in enumerate(x.value.shape[:-1]) if extent > 1), None)
    if axis is None:
        return None
    half = np.arange(x.value.shape[axis]) >= x.value.shape[axis] // 2
    return np.where(half.reshape([-1 if i == axis else 1 for i in range(x.value.ndim)]), x.previous, x.value)


def _off_by_one(rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.concatenate([rows[1:], rows[-1:]])


def _flushed(x: Healthy, rng: np.random.Generator) -> np.ndarray | None:
    """What is too small for a normal number of the precision is zero; WGSL and OpenCL allow a device to do so."""
    smallest = np.float32(2.0**-14 if x.precision is Precision.FP16 else 2.0**-126)
    small = (np.abs(x.value) < smallest) & (x.value != 0)
    return np.where(small, np.float32(0), x.value) if small.any() else None


def _two_runs_old(x: Healthy, rng: np.random.Generator) -> np.ndarray:
    return x.by_run[max(x.run - 2, x.run % 2)]


def _row0(rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.broadcast_to(rows[:1], rows.shape)


def _permuted(rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rows[rng.permutation(len(rows))]


def _rolled(rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.roll(rows, 1, axis=0)


FAULTS: tuple[Fault, ...] = (
    Fault("wrong operand", _wrong_operand),
    Fault("swapped outputs", _swapped_outputs),
    Fault("stale: the previous run's values", lambda x, rng: x.previous.copy()),
    Fault(
        "stale: half of it",
        lambda x, rng: np.where(np.arange(x.value.size).reshape(x.value.shape) % 2, x.value, x.previous),
    ),
    Fault("stale: one of two batches", _second_batch_stale),
    Fault("stale by two runs", _two_runs_old),
    Fault("right on the first input only", lambda x, rng: x.by_run[0]),
    Fault("values of the right distribution", lambda x, rng: rng.permutation(x.value.ravel()).reshape(x.value.shape)),
    Fault("unwritten", lambda x, rng: np.full_like(x.value, SENTINEL)),
    Fault("unwritten in part", _on_flat(lambda flat, rng: _tail(flat, SENTINEL))),
    Fault("unwritten element", _on_flat(_put(_any, SENTINEL))),
    Fault("zeros", lambda x, rng: np.zeros_like(x.value)),
    Fault("zeros in part", _on_flat(lambda flat, rng: _tail(flat, 0.0)), faint=True),
    Fault("constant", lambda x, rng: np.full_like(x.value, x.value.mean())),
    Fault("one NaN", _on_flat(_put(_any, np.nan))),
    Fault("all NaN", lambda x, rng: np.full_like(x.value, np.nan)),
    Fault("one Inf", _on_flat(_put(_any, np.inf))),
    Fault("fp16 overflow", _overflow),
    Fault("one wrong element", _wrong_element, faint=True),
    Fault("largest element's sign", _on_flat(_flipped_sign)),
    Fault("one row's sign", _on_rows(_put(_any, _negative)), faint=True),
    Fault("one channel's sign", _on_channels(_put(_any, _negative)), faint=True),
    Fault("one dead row", _on_rows(_put(_any, 0.0)), faint=True),
    Fault("one wrong row", _on_rows(_neighbour), faint=True),
    Fault("one row doubled", _on_rows(_put(_any, _doubled)), faint=True),
    Fault("two rows swapped", _on_rows(_swap_two), faint=True),
    Fault("rows permuted", _on_rows(_permuted)),
    Fault("rows reversed", _on_rows(lambda rows, rng: rows[::-1])),
    Fault("shifted by a row", _on_rows(_rolled)),
    Fault("off by one row", _on_rows(_off_by_one)),
    Fault("row 0 in the place of all", _on_rows(_row0)),
    Fault("one dead channel", _on_channels(_put(_any, 0.0)), faint=True),
    Fault("one wrong channel", _on_channels(_neighbour), faint=True),
    Fault("one channel doubled", _on_channels(_put(_any, _doubled)), faint=True),
    Fault("two channels swapped", _on_channels(_swap_two), faint=True),
    Fault("channels permuted", _on_channels(_permuted)),
    Fault("shifted by a channel", _on_channels(_rolled)),
    Fault("channel 0 in the place of all", _on_channels(_row0)),
    Fault("lanes of four swapped", _on_channels(_lanes_swapped)),
    Fault("every fourth channel dead", _on_channels(_dead_lane), faint=True),
    Fault("transposed", _transposed),
    Fault("shifted by an element", _on_flat(_shift_zero)),
    Fault("second half repeats the first", _on_flat(_half_duplicated)),
    Fault("clipped", _clipped, faint=True),
    Fault("negatives cut (RELU)", lambda x, rng: np.maximum(x.value, 0), faint=True),
    Fault("sign lost (ABS)", lambda x, rng: np.abs(x.value), faint=True),
    Fault("negated", lambda x, rng: -x.value),
    Fault("doubled", lambda x, rng: x.value * np.float32(2)),
    Fault("1 % scale", lambda x, rng: x.value * np.float32(1.01), faint=True),
    Fault("0.5 % scale", lambda x, rng: x.value * np.float32(1.005), faint=True),
    *(
        Fault(f"{percent} % in {what}", on(_put(pick, _scaled(percent / 100))), faint=True)
        for what, on, pick in (
            ("a channel", _on_channels, _any),
            ("a row", _on_rows, _any),
            ("an element", _on_flat, _sizeable),
        )
        for percent in (3, 2, 1)
    ),
    Fault("small offset (3 % of std)", lambda x, rng: x.value + np.float32(0.03) * x.std, faint=True),
    Fault("large offset (one std)", lambda x, rng: x.value + x.std),
    Fault("computed in fp16, asked fp32", _half_precision),
    Fault("rounded to bfloat16", _bfloat16, faint=True),
    Fault("denormals flushed", _flushed, faint=True),
)
