"""Where an output is wrong, small enough to keep: expected, actual and error as a grid of at most 24 x 24 cells.

Key insight: whole arrays are megabytes and a picture of them has some hundred cells. A cell stands for a block of rows
x channels and shows the one element of it whose error is largest, in all three grids, so that a single wrong element
of thousands is a cell that can be seen. What is kept is what is drawn: sixteen levels, one character per cell.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from runner.run import unwritten_mask

VERSION = 1
MOST = 24
"""Rows, and columns, of a grid at most."""
LEVELS = "0123456789abcdef"
BELOW, ABOVE, UNWRITTEN, NOT_FINITE = "<>un"
"""A value outside the range of the expected ones, one that nothing wrote, and a NaN or an infinity."""
DECADES = 8
"""The error is shown over so many powers of ten at most; what is smaller has level 0."""


@dataclass(frozen=True)
class ErrorMap:
    """Three grids of one output after one feed.

    shape: of the output. of: its rows (all dimensions but the last) and channels. rows, columns: of the grids.
    low, high: the values of levels 0 and f of `expected` and `actual`; those of `expected` span them.
    smallest, largest: the powers of ten of levels 1 and f of `error`, of what was written.
    expected, actual, error: a character per cell, row by row: one of LEVELS, or BELOW, ABOVE, UNWRITTEN, NOT_FINITE.
    """

    shape: tuple[int, ...]
    of: tuple[int, int]
    rows: int
    columns: int
    low: float
    high: float
    smallest: int
    largest: int
    expected: str
    actual: str
    error: str
    version: int = VERSION

    def __post_init__(self) -> None:
        if self.version != VERSION:
            raise ValueError(f"version: this map is of version {self.version}, and {VERSION} can be drawn")


def error_map(reference: np.ndarray, actual: np.ndarray) -> ErrorMap | None:
    """The map of one output, of any type and rank. None where shapes differ or there is no element."""
    reference, actual = np.asarray(reference), np.asarray(actual)
    if reference.shape != actual.shape or not reference.size:
        return None
    channels = reference.shape[-1] if reference.ndim else 1
    of = (reference.size // channels, channels)
    expected = reference.reshape(of).astype(np.float64)
    unwritten = unwritten_mask(actual).reshape(of)
    with np.errstate(invalid="ignore", over="ignore"):
        got = actual.reshape(of).astype(np.float64)
        error = np.abs(got - expected)
    rows, columns = (min(MOST, size) for size in of)
    places = tuple(np.array(list(_worst(np.where(np.isfinite(error), error, np.inf), rows, columns))).T)
    expected, got, error, unwritten = expected[places], got[places], error[places], unwritten[places]
    finite = expected[np.isfinite(expected)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    # What nothing wrote holds a number of ours, which says nothing of how wrong the rest is.
    sizes = error[np.isfinite(error) & (error > 0) & ~unwritten]
    largest = math.ceil(math.log10(sizes.max())) if sizes.size else 0
    smallest = max(math.floor(math.log10(sizes.min())), largest - DECADES) if sizes.size else 0
    return ErrorMap(
        shape=tuple(map(int, reference.shape)),
        of=of,
        rows=rows,
        columns=columns,
        low=low,
        high=high,
        smallest=smallest,
        largest=largest,
        expected=_values(expected, low, high, np.zeros(expected.shape, bool)),
        actual=_values(got, low, high, unwritten),
        error=_errors(error, smallest, largest, unwritten),
    )


def _worst(error: np.ndarray, rows: int, columns: int) -> Iterator[tuple[int, int]]:
    """Of each block, row by row, the place of its largest error."""
    row_edges = np.linspace(0, error.shape[0], rows + 1).astype(int)
    column_edges = np.linspace(0, error.shape[1], columns + 1).astype(int)
    for top, bottom in itertools.pairwise(row_edges):
        for left, right in itertools.pairwise(column_edges):
            row, column = np.unravel_index(error[top:bottom, left:right].argmax(), (bottom - top, right - left))
            yield int(top + row), int(left + column)


def _values(values: np.ndarray, low: float, high: float, unwritten: np.ndarray) -> str:
    # Halves, because the span of two finite numbers may be no finite number.
    span = high / 2 - low / 2
    marks = []
    for value, is_unwritten in zip(values.tolist(), unwritten.tolist(), strict=True):
        if is_unwritten:
            marks.append(UNWRITTEN)
        elif not math.isfinite(value):
            marks.append(NOT_FINITE)
        elif value < low or value > high:
            marks.append(BELOW if value < low else ABOVE)
        else:
            marks.append(LEVELS[round(15 * ((value / 2 - low / 2) / span))] if span > 0 else LEVELS[8])
    return "".join(marks)


def _errors(values: np.ndarray, smallest: int, largest: int, unwritten: np.ndarray) -> str:
    marks = []
    for value, is_unwritten in zip(values.tolist(), unwritten.tolist(), strict=True):
        if is_unwritten:
            marks.append(UNWRITTEN)
        elif not math.isfinite(value):
            marks.append(NOT_FINITE)
        elif value <= 0 or math.log10(value) < smallest:
            marks.append(LEVELS[0])
        else:
            part = (math.log10(value) - smallest) / max(1, largest - smallest)
            marks.append(LEVELS[1 + round(14 * min(1.0, part))])
    return "".join(marks)
