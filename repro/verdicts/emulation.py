"""Noise floors of a graph's outputs: what each precision may legally do to them.

The graph is evaluated with rounding after every op and accumulation in order (in fp16 also with fp32
accumulation and rounding toward zero, which a delegate and its driver may choose as well); s is the larger
RMSE against the float64 reference. A graph that the evaluator cannot read, or an emulation that overflows,
falls to the rule without an emulation, and the floor says why.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cases.evaluation.depth import accumulation_depth
from cases.evaluation.evaluate import FLOAT16, FLOAT16_TRUNCATED, FLOAT32, evaluate, unsupported
from cases.graph import Graph
from repro.verdicts.noise_floor import Floor, floor_from_json
from runner.cache import cache_root, read_json_entry, write_json_entry
from runner.run import FP16_MAX, Feed, Precision
from runner.source_version import source_version

_ARITHMETICS = {Precision.FP32: (FLOAT32,), Precision.FP16: (FLOAT16, FLOAT16_TRUNCATED)}
_SMALL = 1 << 19  # elements of all tensors: up to here every distinct feed is emulated, above only the first
_LEVEL_SPREAD = 32.0  # floors of different magnitudes further apart than this are kept apart
_LEVEL_MEMBERS = 64  # elements that a magnitude needs to have a floor of its own


def floors_for(
    graph: Graph, feeds: Sequence[Feed], references: Sequence[Sequence[np.ndarray]], precision: Precision
) -> tuple[Floor, ...]:
    """Floors of the graph's outputs in file order, kept in the cache folder by content.

    references[k][i]: float64 output i after feed k. Emulation is deterministic, so a floor is too.
    """
    path = cache_root() / "floors" / f"{_key(graph, feeds, references, precision)}.json"
    known = _kept(path)
    if known is not None and len(known) == len(graph.outputs):
        return known
    floors = emulated_floors(graph, feeds, references, precision)
    write_json_entry(path, [dataclasses.asdict(f) for f in floors])
    return floors


def _kept(path: Path) -> tuple[Floor, ...] | None:
    try:
        return tuple(floor_from_json(record) for record in read_json_entry(path))
    except (TypeError, ValueError, AttributeError):  # none, or of another version
        return None


def emulated_floors(
    graph: Graph, feeds: Sequence[Feed], references: Sequence[Sequence[np.ndarray]], precision: Precision
) -> tuple[Floor, ...]:
    """`floors_for` without the cache. Pure."""
    foreign = unsupported(graph)
    if foreign:
        why = f"the evaluator does not know {', '.join(foreign[:3])}"
        return tuple(_rule(graph, name, why) for name in graph.outputs)
    elements = sum(math.prod(t.shape) for n, t in graph.tensors.items() if n in graph.producers)
    distinct: list[int] = []
    for k in range(len(feeds)):
        if any(all(map(np.array_equal, feeds[k], feeds[j])) for j in distinct):
            continue
        distinct.append(k)
        if elements > _SMALL:
            break
    by_output: list[list[Floor | None]] = [[] for _ in graph.outputs]
    for k in distinct:
        for kind in _ARITHMETICS[precision]:
            values = evaluate(graph, feeds[k], kind)
            for i, name in enumerate(graph.outputs):
                depth = accumulation_depth(graph, name)
                by_output[i].append(floor_between(references[k][i], values[name], depth))
    return tuple(
        _of_feeds(_larger(floors), [r[i] for r in references], distinct, floors)
        or _rule(graph, name, f"the {precision} emulation of this output is not finite")
        for i, (name, floors) in enumerate(zip(graph.outputs, by_output, strict=True))
    )


def floor_between(reference: np.ndarray, emulated: np.ndarray, depth: int) -> Floor | None:
    """The floor that one emulated output gives; None where it is not finite though the reference is.

    Elements beyond float16's range may overflow: they are left to the judge, which leaves them out.
    """
    r, e = np.asarray(reference, dtype=np.float64).ravel(), np.asarray(emulated, dtype=np.float64).ravel()
    usable = np.isfinite(r) & np.isfinite(e)
    if (~usable & (np.abs(r) <= FP16_MAX)).any() or not usable.any():
        return None
    r, d = r[usable], e[usable] - r[usable]
    spread = float(np.std(r))
    gain = float(np.mean(d * ((r - r.mean()) / spread))) / spread if spread > 0 and r.size > 1 else 0.0
    levels = _levels(r, d)
    return Floor(_rms(d), "emulation", depth, abs(gain), abs(float(d.mean())), levels)


def _levels(reference: np.ndarray, error: np.ndarray) -> tuple[tuple[float, float], ...]:
    """(magnitude, s) where large values have much larger errors than the rest; empty where one s serves all.

    The lower half of the magnitudes is one level, the octaves above it are the others; an octave with few
    members joins the next larger one. Exact zeros that stay zero (what a RELU cut off) say nothing of the
    noise of the small values beside them.
    """
    telling = (reference != 0) | (error != 0)
    magnitude = np.abs(reference)
    peak, typical = float(magnitude.max(initial=0.0)), float(np.median(magnitude))
    if reference.size < 4 * _LEVEL_MEMBERS or peak <= _LEVEL_SPREAD * typical or typical == 0:
        return ()
    octave = np.floor(np.log2(np.maximum(magnitude, typical))).astype(int)
    levels: list[tuple[float, float]] = []
    start, members = float(octave.min()), np.zeros(reference.shape, dtype=bool)
    for number in np.unique(octave):
        if not members.any():
            start = float(number)
        members |= octave == number
        if members.sum() >= _LEVEL_MEMBERS or number == octave.max():
            levels.append((2.0**start, _rms(error[members & telling])))
            members[:] = False
    # A larger value may not have a smaller floor by luck.
    floors = np.maximum.accumulate([s for _, s in levels])
    if floors[-1] <= _LEVEL_SPREAD * floors[0]:
        return ()
    return tuple((0.0 if i == 0 else m, float(s)) for i, ((m, _), s) in enumerate(zip(levels, floors, strict=True)))


def _rms(values: np.ndarray) -> float:
    peak = float(np.abs(values).max(initial=0.0))
    return peak * math.sqrt(float(np.mean((values / peak) ** 2))) if peak > 0 else 0.0


def _larger(emulated: Sequence[Floor | None]) -> Floor | None:
    """The floor that allows everything that each of them allows; None where one of them is not finite."""
    floors = [f for f in emulated if f is not None]
    if len(floors) < len(emulated) or not floors:
        return None
    largest = max(floors, key=lambda f: f.rmse)
    if any(not f.levels for f in floors):
        largest = dataclasses.replace(largest, levels=())
    return dataclasses.replace(largest, gain=max(f.gain for f in floors), offset=max(f.offset for f in floors))


def _of_feeds(
    pooled: Floor | None, references: Sequence[np.ndarray], emulated: Sequence[int], floors: Sequence[Floor | None]
) -> Floor | None:
    """Where an output's size differs between feeds, each feed gets the largest relative floor at its own size."""
    if pooled is None or pooled.levels or any(f is None for f in floors):
        return pooled
    with np.errstate(over="ignore", invalid="ignore"):
        sizes = [_rms(np.asarray(r, dtype=np.float64)) for r in references]
    if not all(0 < size < math.inf for size in sizes) or max(sizes) < 2 * min(sizes):
        return pooled
    kinds = len(floors) // len(emulated)
    relative = max(f.rmse / sizes[emulated[n // kinds]] for n, f in enumerate(floors) if f is not None)
    return dataclasses.replace(pooled, by_feed=tuple(relative * size for size in sizes))


def _rule(graph: Graph, output: str, why: str) -> Floor:
    return Floor(0.0, "rule", accumulation_depth(graph, output), why=why)


def _key(graph: Graph, feeds: Sequence[Feed], references: Sequence[Sequence[np.ndarray]], precision: Precision) -> str:
    """Content key: the graph's structure and constants, the feeds, what is right, and the source of the emulation."""
    digest = hashlib.sha256(f"{precision} {graph.inputs} {graph.outputs}".encode())
    for op in graph.ops:
        digest.update(f"{op.kind} {op.inputs} {op.outputs} {sorted(op.attrs.items())!r}".encode())
    for name, tensor in graph.tensors.items():
        digest.update(f"{name} {tensor.shape} {tensor.dtype}".encode())
        if tensor.data is not None:
            digest.update(np.ascontiguousarray(tensor.data).data)
    for arrays in (*feeds, *references):
        for array in arrays:
            digest.update(np.ascontiguousarray(array).data)
    digest.update(source_version(__name__).encode())
    return digest.hexdigest()[:24]
