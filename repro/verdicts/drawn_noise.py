"""The noise of one output drawn several times: its largest error after each feed when the feed is moved a little.

Key insight: an emulation is deterministic, so it shows one draw of the noise, which may be small by luck. Inputs that
are moved by less than matters make every sum round otherwise, and what is right for them is computed as well: each is
one more draw. It costs two evaluations, so it is kept by content like what is right.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np

from cases.evaluation.depth import accumulations
from cases.evaluation.evaluate import FLOAT16, FLOAT16_TRUNCATED, FLOAT32, FLOAT32_NATIVE, Arithmetic, evaluate_runs
from cases.graph import Graph
from repro.verdicts.kept_evaluations import content_digest
from runner.cache import cache_root, read_json_entry, write_json_entry
from runner.run import Feed, Precision
from runner.source_version import source_version

ARITHMETICS: Mapping[Precision, tuple[Arithmetic, Arithmetic]] = {
    Precision.FP32: (FLOAT32, FLOAT32_NATIVE),
    Precision.FP16: (FLOAT16, FLOAT16_TRUNCATED),
}
"""What rounds every term of a sum, and what leaves sums to numpy, which takes a tenth of the time."""
_DRAWS = 5  # after each feed
_NUDGE = 2.0**-9  # of an input's values: two of float16's spacings
_ROUNDED_TERMS = 1 << 31  # of sums, over all draws, up to which each term is rounded; some 3 ns each


def drawn_errors(
    graph: Graph, model: bytes, feeds: tuple[Feed, ...], output: str, precision: Precision
) -> tuple[float, ...]:
    """The largest error of an output after each feed, kept in the cache folder by content; 0 of what is not finite.

    model: the file that the graph was read from; without it nothing is kept.
    """
    if not model:
        return _made(graph, feeds, output, precision)
    digest = content_digest(graph, model, feeds)
    digest.update(f"{source_version(__name__)} {output} {precision}".encode())
    path = cache_root() / "drawn-noise" / f"{digest.hexdigest()[:24]}.json"
    known = read_json_entry(path)
    if isinstance(known, list) and len(known) == len(feeds) and all(map(_is_size, known)):
        return tuple(map(float, known))
    made = _made(graph, feeds, output, precision)
    write_json_entry(path, list(made))
    return made


def _is_size(value: object) -> bool:
    return isinstance(value, float | int) and 0 <= value < math.inf


def _made(graph: Graph, feeds: tuple[Feed, ...], output: str, precision: Precision) -> tuple[float, ...]:
    needed = dataclasses.replace(graph, outputs=(output,))
    thorough, quick = ARITHMETICS[precision]
    terms = sum(accumulations(needed, op) for op in needed.ops)
    kind = thorough if terms * len(feeds) * _DRAWS <= _ROUNDED_TERMS else quick
    drawn = [_errors(needed, feeds, output, kind, number) for number in range(_DRAWS)]
    return tuple(map(max, *drawn))


def _errors(graph: Graph, feeds: Sequence[Feed], output: str, kind: Arithmetic, number: int) -> list[float]:
    """Of one draw, after each feed."""
    moved_feeds = {id(feed): moved_feed(feed, number) for feed in feeds}
    moved = [moved_feeds[id(feed)] for feed in feeds]
    return [
        _largest_error(emulated[output], right[output])
        for emulated, right in zip(evaluate_runs(graph, moved, kind), evaluate_runs(graph, moved), strict=True)
    ]


def _largest_error(emulated: np.ndarray, right: np.ndarray) -> float:
    with np.errstate(invalid="ignore"):
        error = np.abs(emulated - right)
    return float(error.max(where=np.isfinite(error), initial=0.0))


def moved_feed(feed: Feed, number: int) -> Feed:
    """The feed of the `number`-th draw: its floats moved by less than matters, from a seed."""
    return tuple(_moved(array, number) for array in feed)


def _moved(array: np.ndarray, number: int) -> np.ndarray:
    if array.dtype.kind != "f":
        return array
    nudges = np.random.default_rng(number).uniform(-_NUDGE, _NUDGE, array.shape)
    with np.errstate(over="ignore"):
        return np.asarray(array * (1 + nudges), array.dtype)
