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

from cases.evaluation.bodies import evaluable_part
from cases.evaluation.depth import accumulation_depth
from cases.evaluation.evaluate import FLOAT16, FLOAT16_TRUNCATED, FLOAT32, evaluate, unsupported
from cases.graph import Graph
from repro.verdicts.floor_fit import fitted_floor, relative_sizes
from repro.verdicts.noise_floor import Floor, floor_from_json
from runner.cache import cache_root, read_json_entry, write_json_entry
from runner.run import Feed, Precision
from runner.source_version import source_version

_ARITHMETICS = {Precision.FP32: (FLOAT32,), Precision.FP16: (FLOAT16, FLOAT16_TRUNCATED)}
_SMALL = 1 << 19  # elements of all tensors: up to here two distinct feeds are emulated, above only the first


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
        return _floors_in_parts(
            graph, feeds, references, precision, f"the evaluator does not know {', '.join(foreign[:3])}"
        )
    elements = sum(math.prod(t.shape) for n, t in graph.tensors.items() if n in graph.producers)
    distinct: list[int] = []
    for k in range(len(feeds)):
        if any(all(map(np.array_equal, feeds[k], feeds[j])) for j in distinct):
            continue
        distinct.append(k)
        if elements > _SMALL or len(distinct) == 2:
            break
    emulated = [[evaluate(graph, feeds[k], kind) for k in distinct] for kind in _ARITHMETICS[precision]]
    floors = []
    for i, name in enumerate(graph.outputs):
        wanted, depth = [r[i] for r in references], accumulation_depth(graph, name)
        values = [[outputs[name] for outputs in of_kind] for of_kind in emulated]
        floor = fitted_floor([wanted[k] for k in distinct], values, depth, precision)
        if floor is None:
            floors.append(_rule(graph, name, f"the {precision} emulation of this output is not finite"))
        else:
            floors.append(dataclasses.replace(floor, by_feed=relative_sizes(wanted)))
    return tuple(floors)


def _floors_in_parts(
    graph: Graph, feeds: Sequence[Feed], references: Sequence[Sequence[np.ndarray]], precision: Precision, why: str
) -> tuple[Floor, ...]:
    """By emulation where no op stands before an output that cannot be evaluated, by the rule elsewhere."""
    floors = {name: _rule(graph, name, why) for name in graph.outputs}
    part = evaluable_part(graph, unsupported)
    if part is not None:
        wanted = [[arrays[graph.outputs.index(name)] for name in part.outputs] for arrays in references]
        floors |= dict(zip(part.outputs, emulated_floors(part, feeds, wanted, precision), strict=True))
    return tuple(floors[name] for name in graph.outputs)


def floor_between(reference: np.ndarray, emulated: np.ndarray, depth: int, precision: Precision) -> Floor | None:
    """The floor that one emulated output gives; None where it is not finite though the reference is."""
    return fitted_floor([reference], [[emulated]], depth, precision)


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
