"""Evaluations of a file's own ops, kept in the cache folder by content where making them takes long.

Key insight: what is right, and what an arithmetic makes of it, depends on the file, the feed and our evaluator alone:
not on target, driver or which other feeds stand beside it. A model that is checked again, on another target or with
the most telling of the feeds that were drawn, asks for the same numbers. Small graphs are evaluated faster than a file
is read, so only long sums are kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from cases.evaluation.depth import accumulations
from cases.evaluation.evaluate import FLOAT64, Arithmetic, evaluate, evaluate_runs
from cases.evaluation.variables import is_stateful
from cases.graph import Graph
from runner.cache import cache_root, is_whole_entry, write_entry
from runner.npz import packed_groups, read_groups
from runner.run import Feed
from runner.source_version import source_version

_LONG = 1 << 24  # terms of sums: about a tenth of a second
_LARGEST = 8 << 20  # bytes of outputs after one feed


def evaluated_outputs(
    graph: Graph, model: bytes, feed: Feed, *, arithmetic: Arithmetic = FLOAT64, strict_shapes: bool = False
) -> tuple[np.ndarray, ...]:
    """The graph's outputs as float64 (integers and booleans as they are), in the file's order.

    model: the file that the graph was read from; without it nothing is kept. Raises as `evaluate` does.
    """
    if not model or not _takes_long(graph):
        return _made(graph, feed, arithmetic, strict_shapes)
    place = _place(graph, model, feed, arithmetic, strict_shapes)
    return _kept(place, lambda: _made(graph, feed, arithmetic, strict_shapes))


def evaluated_runs(
    graph: Graph,
    model: bytes,
    feeds: Sequence[Feed],
    arithmetic: Arithmetic = FLOAT64,
    *,
    strict_shapes: bool = False,
) -> tuple[tuple[np.ndarray, ...], ...]:
    """`evaluated_outputs` after each feed, one run after the other in one interpreter.

    A feed that comes again (the same object) is computed once. Where a graph keeps something from run to run, what is
    right after a feed depends on those before it, and nothing is kept here.
    """
    if is_stateful(graph):
        runs = evaluate_runs(graph, feeds, arithmetic, strict_shapes=strict_shapes)
        return tuple(tuple(values[name] for name in graph.outputs) for values in runs)
    known: dict[int, tuple[np.ndarray, ...]] = {}
    for feed in feeds:
        if id(feed) not in known:
            known[id(feed)] = evaluated_outputs(graph, model, feed, arithmetic=arithmetic, strict_shapes=strict_shapes)
    return tuple(known[id(feed)] for feed in feeds)


def _takes_long(graph: Graph) -> bool:
    try:
        return sum(accumulations(graph, op) for op in graph.ops) >= _LONG
    except (IndexError, ValueError):  # operands that do not fit an op, which the evaluation says in words
        return False


def _made(graph: Graph, feed: Feed, arithmetic: Arithmetic, strict_shapes: bool) -> tuple[np.ndarray, ...]:
    values = evaluate(graph, feed, arithmetic, strict_shapes=strict_shapes)
    return tuple(values[name] for name in graph.outputs)


def _kept(path: Path, make: Callable[[], tuple[np.ndarray, ...]]) -> tuple[np.ndarray, ...]:
    if is_whole_entry(path):
        (outputs,) = read_groups(path)
        return outputs
    outputs = make()
    if sum(array.nbytes for array in outputs) <= _LARGEST:
        write_entry(path, packed_groups([outputs]))
    return outputs


def _place(graph: Graph, model: bytes, feed: Feed, arithmetic: Arithmetic, strict_shapes: bool) -> Path:
    digest = content_digest(graph, model, (feed,))
    digest.update(f"{source_version(__name__)} {arithmetic} {strict_shapes}".encode())
    return cache_root() / "evaluations" / f"{digest.hexdigest()[:24]}.npz"


def content_digest(graph: Graph, model: bytes, feeds: Sequence[Feed]) -> hashlib._Hash:
    """Of the file, which of its graphs it is and at which shapes, and the feeds."""
    digest = hashlib.sha256(f"{graph.inputs} {graph.outputs}".encode())
    digest.update(model)
    for op in graph.ops:
        digest.update(f"{op.kind} {op.inputs} {op.outputs}".encode())
    for name, tensor in graph.tensors.items():
        digest.update(f"{name} {tensor.shape} {tensor.dtype}".encode())
    for array in (array for feed in feeds for array in feed):
        digest.update(f"{array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest
