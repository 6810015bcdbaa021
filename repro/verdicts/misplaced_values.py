"""The right values in the wrong place or altered: permuted, transposed, shifted, one row for all, clipped, negated."""

from __future__ import annotations

import numpy as np

from repro.verdicts.deviations import as_rows
from runner.run import Precision

SHARE = 0.95  # of the tensor that an arrangement must explain


def misplacement_of(actual: np.ndarray, reference: np.ndarray, precision: Precision) -> tuple[str, float] | None:
    """(words, share explained) if `actual` is a rearrangement of `reference` (same shape), else None.

    Most specific first. An arrangement that is also the identity on this reference explains nothing.
    """
    if actual.dtype.kind != "f" or actual.size < 4 or not np.isfinite(actual).all() or not np.isfinite(reference).all():
        return None
    a, r = actual.astype(np.float64), np.asarray(reference, dtype=np.float64)
    spread = float(np.std(r))
    if spread == 0:
        return None
    tolerance = spread * (2.0**-7 if precision is Precision.FP16 else 2.0**-14)

    for words, candidate in _candidates(a, r, tolerance):
        if candidate is None:
            continue
        share = float(np.mean(np.abs(a - candidate) <= tolerance))
        same = float(np.mean(np.abs(r - candidate) <= tolerance))
        if share >= SHARE and same < share:
            return f"{words} ({round(share * a.size)}/{a.size})", share
    return None


def _candidates(a: np.ndarray, r: np.ndarray, tolerance: float):  # type: ignore[no-untyped-def]
    rows, wanted = as_rows(a), as_rows(r)
    yield "the right values, negated", -r
    yield "the right values without the sign", np.abs(r)
    for axis, what in ((0, "row"), (1, "channel")):
        if rows.shape[axis] > 1:
            yield from (
                (f"{words}", c.reshape(a.shape)) for words, c in _broadcast(rows, wanted, axis, what, tolerance)
            )
    yield from _transposed(a, r)
    for axis in range(a.ndim):
        if a.shape[axis] > 1:
            shift = _shift(a, r, axis)
            if shift:
                yield f"the right values shifted by {shift} along axis {axis}", np.roll(r, shift, axis)
    flat = _shift(a.ravel(), r.ravel(), 0)
    if flat:
        yield f"the right values shifted by {flat} elements", np.roll(r.ravel(), flat).reshape(a.shape)
    for axis, what in ((0, "rows"), (1, "channels")):
        if rows.shape[axis] > 1:
            permuted = _permuted(rows, wanted, axis)
            yield f"the right values with {what} permuted", permuted.reshape(a.shape)
    low, high = float(a.min()), float(a.max())
    if low > r.min() or high < r.max():
        yield f"the right values clipped to [{low:.4g}, {high:.4g}]", np.clip(r, low, high)


def _broadcast(rows: np.ndarray, wanted: np.ndarray, axis: int, what: str, tolerance: float):  # type: ignore[no-untyped-def]
    """One row (or channel) of the reference in the place of all."""
    spread = rows.max(axis=axis) - rows.min(axis=axis)
    if float(np.mean(spread <= tolerance)) < SHARE:
        return
    first = rows.take([0], axis=axis)
    nearest = int(np.abs(wanted - first).mean(axis=1 - axis).argmin())
    yield f"{what} {nearest} in the place of all", np.broadcast_to(wanted.take([nearest], axis=axis), rows.shape)


def _transposed(a: np.ndarray, r: np.ndarray):  # type: ignore[no-untyped-def]
    for first in range(a.ndim):
        for second in range(first + 1, a.ndim):
            if a.shape[first] > 1 and a.shape[second] > 1:
                swapped = np.swapaxes(r, first, second)
                yield f"the right values with axes {first} and {second} transposed", swapped.reshape(a.shape)


def _shift(a: np.ndarray, r: np.ndarray, axis: int) -> int:
    """The circular shift along an axis with the highest correlation, in (-n/2, n/2]; 0 for none."""
    n = a.shape[axis]
    product = np.fft.rfft(a - a.mean(), axis=axis) * np.conj(np.fft.rfft(r - r.mean(), axis=axis))
    others = tuple(i for i in range(a.ndim) if i != axis)
    best = int(np.fft.irfft(product.sum(axis=others), n).argmax())
    return best if best <= n // 2 else best - n


def _permuted(rows: np.ndarray, wanted: np.ndarray, axis: int) -> np.ndarray:
    """The reference with its rows in the order that fits best: both sides sorted along a fixed random direction."""
    direction = np.random.default_rng(0).standard_normal(rows.shape[1 - axis])
    along = (lambda m: m @ direction) if axis == 0 else (lambda m: direction @ m)
    order = np.empty(rows.shape[axis], dtype=int)
    order[np.argsort(along(rows), kind="stable")] = np.argsort(along(wanted), kind="stable")
    return wanted.take(order, axis=axis)
