"""The numbers of a sparse constant, as DENSIFY puts them into a whole tensor.

Key insight: the format is a tree with one level per dimension, in the order in which the file says they are walked: a
dense level has a child for each index, a compressed one for the indices that it lists. So the coordinates of all leaves
come from one pass over the levels. Blocks are dimensions of their own behind the tensor's.

Source: TFLite's `tools/optimize/sparsity/format_converter.cc` and the schema's `SparsityParameters`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from cases.graph import GraphError, Tensor
from cases.tflite.schema import NUMPY_DTYPES

_DENSE = 0


def dense_of(tensor: Tensor) -> np.ndarray:
    """The whole tensor, zero where nothing is stored. Raises GraphError where the record and the bytes do not fit."""
    if tensor.dtype not in NUMPY_DTYPES:
        raise GraphError(f"sparse tensors of {tensor.dtype}")
    values = np.frombuffer(tensor.raw.data or b"", tensor.dtype)
    try:
        places, numbers = _leaves(tensor.raw.sparsity, tensor.shape)
        dense = np.zeros(tensor.shape, tensor.dtype)
        dense[tuple(places.T)] = values[numbers]
    except (IndexError, ValueError, TypeError) as error:
        raise GraphError(f"the sparse '{tensor.name}' is damaged: {error}") from error
    return dense


def _leaves(record: Any, shape: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """[leaf, dimension]: where each stored value belongs; [leaf]: which of them it is."""
    order, rank = [int(d) for d in record.traversalOrder], len(shape)
    blocked = [] if record.blockMap is None else [int(d) for d in record.blockMap]
    levels = list(record.dimMetadata)
    if sorted(order) != list(range(rank + len(blocked))) or len(levels) != len(order):
        raise ValueError("its levels are not its dimensions and blocks")
    # The levels of blocks are dense.
    sizes = [int(levels[order.index(rank + number)].denseSize) for number in range(len(blocked))]
    parents, walked = np.zeros(1, np.int64), np.zeros((1, 0), np.int64)
    limit = math.prod(shape)
    for level in levels:
        children, indices = _children(level, parents, limit)
        walked = np.concatenate([np.repeat(walked, children, axis=0), indices[:, None]], axis=1)
        parents = _numbered(level, parents)
    coordinates = np.empty_like(walked)
    coordinates[:, order] = walked
    whole = coordinates[:, :rank].copy()
    for number, (dim, size) in enumerate(zip(blocked, sizes, strict=True)):
        whole[:, dim] = whole[:, dim] * size + coordinates[:, rank + number]
    if len(whole) and (whole.min() < 0 or (whole >= np.asarray(shape)).any()):
        raise IndexError("it names a place outside of its shape")
    return whole, parents


def _children(level: Any, parents: np.ndarray, limit: int) -> tuple[np.ndarray, np.ndarray]:
    """How many children each node has, and along this level's dimension where each of them lies."""
    if level.format == _DENSE:
        counts = np.full(len(parents), int(level.denseSize))
        _require(int(counts.sum()), limit)
        return counts, np.tile(np.arange(int(level.denseSize)), len(parents))
    segments, indices = _vector(level.arraySegments), _vector(level.arrayIndices)
    counts = segments[parents + 1] - segments[parents]
    if (counts < 0).any():
        raise ValueError("its segments go backwards")
    _require(int(counts.sum()), limit)
    return counts, indices[_within(segments[parents], counts)]


def _numbered(level: Any, parents: np.ndarray) -> np.ndarray:
    """By which number the next level knows each child."""
    if level.format == _DENSE:
        size = int(level.denseSize)
        return np.asarray(np.repeat(parents * size, size) + np.tile(np.arange(size), len(parents)))
    segments = _vector(level.arraySegments)
    return _within(segments[parents], segments[parents + 1] - segments[parents])


def _within(first: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """first, first + 1, ... for each count, one after the other."""
    before = np.repeat(np.cumsum(counts) - counts, counts)
    return np.asarray(np.repeat(first, counts) + np.arange(int(counts.sum())) - before)


def _vector(record: Any) -> np.ndarray:
    return np.asarray([] if record is None or record.values is None else record.values, np.int64)


def _require(nodes: int, limit: int) -> None:
    if nodes > limit:
        raise ValueError("it has more places than its shape")
