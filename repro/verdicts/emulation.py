"""Noise floors of a graph's outputs: what each precision may legally do to them.

The graph is evaluated with rounding after every op and accumulation in order, and once more as another delegate or
driver may compute it: in fp32 with another order of sums, in fp16 with fp32 accumulation and rounding toward zero. s
is the larger RMSE against the float64 reference. Where the cpu ran the model too and is healthy, it is one more draw
of fp32's noise. A graph that the evaluator cannot read, or an emulation that overflows, falls to the rule without an
emulation, and the floor says why.

Every distinct feed is emulated, since a floor that was learnt from one feed fits it too well; where sums are so many
that this would take minutes, those that round every term see the first feeds only.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cases.evaluation.bodies import evaluable_part
from cases.evaluation.depth import accumulation_depth, accumulations
from cases.evaluation.evaluate import (
    FLOAT32_NATIVE,
    INTEGER_KERNELS,
    evaluate_runs,
    quantised_activations,
    unsupported,
)
from cases.evaluation.variables import is_stateful
from cases.graph import Graph
from repro.verdicts.drawn_noise import ARITHMETICS
from repro.verdicts.floor_fit import fitted_floor, relative_sizes
from repro.verdicts.kept_evaluations import evaluated_runs
from repro.verdicts.noise_floor import Floor, floor_from_json
from repro.verdicts.numeric_rule import judge_numbers
from repro.verdicts.steps import step_floor
from repro.verdicts.thresholds import DEFAULT
from repro.verdicts.verdict import Status
from runner.cache import cache_root, read_json_entry, write_json_entry
from runner.run import Feed, Outputs, Precision
from runner.source_version import source_version

_ROUNDED_TERMS = 1 << 32  # of sums whose every term is rounded, over all feeds; some 3 ns each
_HEALTHY = 16  # floors: 4 bits of float32 are what XNNPACK's approximations and long sums may lose


def floors_for(
    graph: Graph,
    feeds: Sequence[Feed],
    references: Outputs,
    precision: Precision,
    cpu: Outputs | None = None,
    model: bytes = b"",
    *,
    quick: bool = False,
) -> tuple[Floor, ...]:
    """Floors of the graph's outputs in file order, kept in the cache folder by content.

    references[k][i]: float64 output i after feed k. cpu[k][i]: what the cpu computed, where that is known. model: the
    file that the graph was read from, where it was: then each emulation is kept too, for floors of other feeds that
    share some with these. quick: by the emulation alone that leaves sums to numpy, a tenth of the time; such a floor is
    the narrower one. Emulation is deterministic, so a floor is too.
    """
    path = cache_root() / "floors" / f"{_key(graph, feeds, references, precision, cpu, quick)}.json"
    known = _kept(path)
    if known is not None and len(known) == len(graph.outputs):
        return known
    floors = emulated_floors(graph, feeds, references, precision, cpu, model, quick=quick)
    write_json_entry(path, [dataclasses.asdict(f) for f in floors])
    return floors


def _kept(path: Path) -> tuple[Floor, ...] | None:
    try:
        return tuple(floor_from_json(record) for record in read_json_entry(path))
    except (TypeError, ValueError, AttributeError):  # none, or of another version
        return None


def emulated_floors(
    graph: Graph,
    feeds: Sequence[Feed],
    references: Outputs,
    precision: Precision,
    cpu: Outputs | None = None,
    model: bytes = b"",
    *,
    quick: bool = False,
) -> tuple[Floor, ...]:
    """`floors_for`, made anew."""
    foreign = unsupported(graph)
    if foreign:
        why = f"the evaluator does not know {', '.join(foreign[:3])}"
        return _floors_in_parts(graph, feeds, references, precision, cpu, why)
    distinct = list(range(len(feeds))) if is_stateful(graph) else _distinct(feeds)
    terms = sum(accumulations(graph, op) for op in graph.ops)
    in_order, at_once = ARITHMETICS[precision]
    afforded = distinct[: max(1, _ROUNDED_TERMS // max(1, terms))]
    kinds = [(at_once, distinct)] if quick else [(in_order, afforded), (at_once, distinct)]
    on_grids = quantised_activations(graph)
    if on_grids:
        kinds.append((INTEGER_KERNELS, distinct))
    emulated = [evaluated_runs(graph, model, [feeds[k] for k in of_kind], kind) for kind, of_kind in kinds]
    floors = []
    for i, name in enumerate(graph.outputs):
        wanted, depth = [r[i] for r in references], accumulation_depth(graph, name)
        right = [wanted[k] for k in distinct]
        values = [[outputs[i] for outputs in of_kind] for of_kind in emulated]
        if name in on_grids:
            floors.append(step_floor(right, values, depth))
            continue
        floor = fitted_floor(right, values, depth, precision)
        if floor is not None and cpu is not None and precision is Precision.FP32:
            witness = [cpu[k][i] for k in distinct]
            if all(_is_healthy(r, w, floor) for r, w in zip(right, witness, strict=True)):
                floor = fitted_floor(right, [*values, witness], depth, precision)
        if floor is None:
            why = f"the {precision} emulation of this output is not finite"
            leaves = precision is Precision.FP32 or not _stays_finite(graph, [feeds[k] for k in distinct], name, right)
            floors.append(dataclasses.replace(_rule(graph, name, why), leaves_float32=leaves))
        else:
            floors.append(dataclasses.replace(floor, by_feed=relative_sizes(wanted, precision)))
    return tuple(floors)


def _stays_finite(graph: Graph, feeds: Sequence[Feed], output: str, references: Sequence[np.ndarray]) -> bool:
    """Whether float32 can compute an output wherever float64 can."""
    needed = dataclasses.replace(graph, outputs=(output,))
    values = [run[output] for run in evaluate_runs(needed, feeds, FLOAT32_NATIVE)]
    return all(bool((np.isfinite(v) | ~np.isfinite(r)).all()) for v, r in zip(values, references, strict=True))


def _distinct(feeds: Sequence[Feed]) -> list[int]:
    """The feeds that no earlier one equals."""
    found: list[int] = []
    for k, feed in enumerate(feeds):
        if not any(all(map(np.array_equal, feed, feeds[j])) for j in found):
            found.append(k)
    return found


def _is_healthy(reference: np.ndarray, cpu: np.ndarray, floor: Floor) -> bool:
    """Whether rounding in float32 explains how far the cpu is from what is right.

    It does not where the cpu quantises activations, or is wrong: then it says nothing of fp32's noise.
    """
    if cpu.shape != reference.shape or cpu.dtype.kind != "f":
        return False
    return judge_numbers(reference, cpu, floor.widened(_HEALTHY), Precision.FP32, DEFAULT).status is Status.PASS


def _floors_in_parts(
    graph: Graph,
    feeds: Sequence[Feed],
    references: Outputs,
    precision: Precision,
    cpu: Outputs | None,
    why: str,
) -> tuple[Floor, ...]:
    """By emulation where no op stands before an output that cannot be evaluated, by the rule elsewhere."""
    floors = {name: _rule(graph, name, why) for name in graph.outputs}
    part = evaluable_part(graph, unsupported)
    if part is not None:
        places = [graph.outputs.index(name) for name in part.outputs]
        witness = _at(places, cpu) if cpu is not None else None
        made = emulated_floors(part, feeds, _at(places, references), precision, witness)
        floors |= dict(zip(part.outputs, made, strict=True))
    return tuple(floors[name] for name in graph.outputs)


def _at(places: Sequence[int], outputs: Outputs) -> Outputs:
    return tuple(tuple(arrays[i] for i in places) for arrays in outputs)


def floor_between(reference: np.ndarray, emulated: np.ndarray, depth: int, precision: Precision) -> Floor | None:
    """The floor that one emulated output gives; None where it is not finite though the reference is."""
    return fitted_floor([reference], [[emulated]], depth, precision)


def _rule(graph: Graph, output: str, why: str) -> Floor:
    return Floor(0.0, "rule", accumulation_depth(graph, output), why=why)


def _key(
    graph: Graph,
    feeds: Sequence[Feed],
    references: Outputs,
    precision: Precision,
    cpu: Outputs | None,
    quick: bool,
) -> str:
    """Content key: the graph's structure and constants, the feeds, what is right, and the source of the emulation."""
    digest = hashlib.sha256(f"{precision} {quick} {graph.inputs} {graph.outputs}".encode())
    for op in graph.ops:
        digest.update(f"{op.kind} {op.inputs} {op.outputs} {sorted(op.attrs.items())!r}".encode())
    for name, tensor in graph.tensors.items():
        digest.update(f"{name} {tensor.shape} {tensor.dtype}".encode())
        if tensor.data is not None:
            digest.update(np.ascontiguousarray(tensor.data).data)
    for arrays in (*feeds, *references, *(cpu or ())):
        for array in arrays:
            digest.update(np.ascontiguousarray(array).data)
    digest.update(source_version(__name__).encode())
    return digest.hexdigest()[:24]
