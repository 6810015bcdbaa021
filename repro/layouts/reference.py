"""The right outputs of each graph, for the very feed it got, and of the whole chain; with their noise floors.

All of it is computed once and cached by content (model, feed, the reference's own key), so that a daily gate runs no
torch and emulates nothing. A layout whose reference has no key is computed each time: staleness is worse than slowness.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from cases.evaluation.depth import accumulation_depth
from cases.evaluation.evaluate import FLOAT16, FLOAT32, evaluate, unsupported
from cases.tflite.read import read_tflite
from repro.layouts.layout import HostPart, Layout
from repro.layouts.models import PartModel, Values, as_passed, sized
from repro.layouts.named_functions import call, home
from repro.verdicts.emulation import floor_between
from repro.verdicts.noise_floor import Floor, floor_from_json
from repro.verdicts.references import NoReference, float64_outputs
from runner import memory, targets
from runner.cache import cache_root, is_whole_entry, write_entry
from runner.errors import BadInput
from runner.npz import packed, read_arrays
from runner.run import Job, Outcome, Precision
from runner.source_version import source_version

Arrays = tuple[np.ndarray, ...]


class ReferenceSource:
    """The references of one layout at one size."""

    def __init__(self, layout: Layout, size: int | None) -> None:
        self._layout = layout
        self._size = size

    @cached_property
    def _key(self) -> str | None:
        """What the reference's results depend on besides model and feed; None: unknown, do not cache."""
        references = self._layout.references
        if references.graphs == "float64" and (references.whole is not None or not references.chain):
            return f"float64 {_sources()}"
        if not references.key:
            return None
        key = call(self._layout.path, references.key, **sized(self._size), **self._layout.parameters)
        # Two layouts may each have a `reference.py` of their own, with one key for both.
        named = (name for name in (references.graphs, references.chain, references.key) if ":" in name)
        homes = "".join(f" {folder}" for name in named if (folder := home(self._layout.path, name)))
        return f"{references} {key} {self._size}{homes}"

    def graph(self, model: PartModel, feed: Arrays) -> Arrays:
        """Outputs of one graph for one feed: float64, or the file's own type where that is no float.

        Raises BadInput where they do not fit the file's outputs.
        """
        how = self._layout.references.graphs
        name = model.sha256 if how in ("float64", "cpu") else model.part.name
        outputs = self._cached("graph", (name, how), feed, lambda: self._graph(model, feed))
        for tensor, array, wanted in zip(model.part.outputs, outputs, model.graph.outputs, strict=False):
            shape = tuple(model.graph.tensors[wanted].shape)
            if tuple(array.shape) != shape:
                raise BadInput(
                    f"layout '{self._layout.path}': '{tensor}' of graph {model.part.name} is {list(shape)} in the file"
                    f" and {list(array.shape)} in the reference; are its outputs in the file's order?"
                )
        if len(outputs) != len(model.part.outputs):
            raise BadInput(
                f"layout '{self._layout.path}': the reference of {model.part.name} gives {len(outputs)} outputs,"
                f" the layout names {len(model.part.outputs)}"
            )
        passed = as_passed(model, outputs)
        return tuple(a if b.dtype.kind == "f" else b for a, b in zip(outputs, passed, strict=True))

    def _graph(self, model: PartModel, feed: Arrays) -> Arrays:
        how = self._layout.references.graphs
        if how == "float64":
            return _float64(model.data, model.part.name, feed)
        if how == "cpu":
            return _on_cpu(model.data, model.part.name, feed)
        found = call(self._layout.path, how, model.part.name, feed, **sized(self._size), **self._layout.parameters)
        return tuple(np.asarray(array, dtype=np.float64) for array in found)

    def chain(self, values: Values, stepwise: Callable[[], Values]) -> Values:
        """What the whole layout should give for one set of inputs.

        stepwise: the chain of the graphs' own references; used where the layout names no other reference.
        """
        references = self._layout.references
        if references.whole is not None:
            return self._whole(references.whole, values)
        if not references.chain:
            return stepwise()

        def compute() -> Values:
            found = call(self._layout.path, references.chain, values, **sized(self._size), **self._layout.parameters)
            return {name: np.asarray(array) for name, array in found.items()}

        names = tuple(sorted(values))
        key = ("chain", references.chain, *names)
        return self._cached_values(key, tuple(values[name] for name in names), compute)

    def _whole(self, file: Path, values: Values) -> Values:
        """The unsplit model, evaluated in float64. Its tensors carry the layout's names, or are taken in order."""
        data = memory.read_file(file)
        graph = read_tflite(data, where=str(file))
        wanted = self._layout.final_outputs
        names = list(values)
        inputs = graph.inputs if set(graph.inputs) <= set(names) else tuple(names)
        if len(inputs) != len(graph.inputs) or len(graph.outputs) != len(wanted):
            raise BadInput(
                f"layout '{self._layout.path}': the whole model '{file}' has {len(graph.inputs)} inputs and"
                f" {len(graph.outputs)} outputs; the layout has {len(names)} and ends in {', '.join(wanted)}"
            )
        feed = tuple(values[name] for name in inputs)
        for name, array, tensor in zip(inputs, feed, graph.inputs, strict=True):
            shape = tuple(graph.tensors[tensor].shape)
            if array.shape != shape:
                raise BadInput(
                    f"layout '{self._layout.path}': the whole model '{file}' reads {list(shape)} as '{tensor}', and the"
                    f" layout's '{name}' is {list(array.shape)}; is it the model of these graphs, and are the inputs in"
                    " its order?"
                )
        sha = hashlib.sha256(data).hexdigest()
        outputs = self._cached("whole", (sha, _sources()), feed, lambda: _float64(data, file.name, feed))
        order = graph.outputs if set(graph.outputs) == set(wanted) else wanted
        return dict(zip(order, outputs, strict=True))

    def residual_floor(
        self, model: PartModel, feed: Arrays, index: int, constant: np.ndarray, precision: Precision
    ) -> Floor | None:
        """The noise floor of one output without its constant; None where no emulation gives one.

        Not the output's own floor: the rows that are left out may have been the noisiest, by far.
        """

        def compute() -> Values:
            reference = self.graph(model, feed)[index]
            floor = _residual_floor(model, feed, index, reference, constant, precision)
            text = json.dumps(None if floor is None else asdict(floor))
            return {"floor": np.frombuffer(text.encode(), dtype=np.uint8)}

        key = ("residual floor", model.sha256, str(index), str(precision), _sources())
        record = json.loads(_cached_arrays(key, (*feed, constant), compute)["floor"].tobytes())
        return None if record is None else floor_from_json(record)

    def _cached(self, kind: str, names: tuple[str, ...], feed: Arrays, compute: Callable[[], Arrays]) -> Arrays:
        found = self._cached_values((kind, *names), feed, lambda: {str(i): a for i, a in enumerate(compute())})
        return tuple(found[str(i)] for i in range(len(found)))

    def _cached_values(self, key: tuple[str, ...], feed: Arrays, compute: Callable[[], Values]) -> Values:
        if self._key is None and key[0] != "whole":
            return compute()
        return _cached_arrays((*key, self._key or ""), feed, compute)


def _residual_floor(
    model: PartModel, feed: Arrays, index: int, reference: np.ndarray, constant: np.ndarray, precision: Precision
) -> Floor | None:
    graph, output = model.graph, model.graph.outputs[index]
    if unsupported(graph):
        return None
    kind = FLOAT16 if precision is Precision.FP16 else FLOAT32
    emulated = evaluate(graph, feed, kind)[output]
    depth = accumulation_depth(graph, output)
    return floor_between(minus_constant(reference, constant), minus_constant(emulated, constant), depth, precision)


def minus_constant(array: np.ndarray, constant: np.ndarray) -> np.ndarray:
    """array - constant over the rows (last axis) in which the constant is finite, as [rows, last axis]."""
    full = np.broadcast_to(constant, array.shape)
    rows = np.isfinite(full).all(axis=-1)
    return np.ascontiguousarray((array[rows] - full[rows]).astype(array.dtype))


def _cached_arrays(key: tuple[str, ...], arrays: Arrays, compute: Callable[[], Values]) -> Values:
    digest = hashlib.sha256(json.dumps(key).encode())
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    path = cache_root() / "gate" / f"{digest.hexdigest()}.npz"
    if is_whole_entry(path):
        return read_arrays(path)
    values = compute()
    write_entry(path, packed(values))
    return values


def _sources() -> str:
    """What evaluation and floors gave must not outlive their sources."""
    return source_version("repro.verdicts.emulation")


def _float64(data: bytes, name: str, feed: Arrays) -> Arrays:
    graph = read_tflite(data, where=name)
    foreign = unsupported(graph)
    if foreign:
        raise BadInput(
            f"graph {name}: no float64 reference for {', '.join(sorted(set(foreign)))};"
            " set [reference] graphs = 'cpu' or name a function"
        )
    try:
        (outputs,) = float64_outputs(graph, (feed,))
    except NoReference as error:
        raise BadInput(f"graph {name}: {error}") from error
    return tuple(np.asarray(output, dtype=np.float64) for output in outputs)


def _on_cpu(data: bytes, name: str, feed: Arrays) -> Arrays:
    with targets.open_target("cpu") as cpu:
        run = cpu.run(Job(data, (feed,), name=f"{name} reference"))
    if run.outcome is not Outcome.OK:
        raise BadInput(f"graph {name}: the cpu reference did not run: {run.message}")
    return tuple(array.astype(np.float64) for array in run.outputs[0])


def host_outputs(layout: Layout, part: HostPart, values: Mapping[str, Any], size: int | None) -> Values:
    """Run one host step on the values it reads. Raises BadInput where it fails or gives not what the layout says."""
    inputs = {name: values[name] for name in part.inputs}
    found = call(layout.path, part.function, **inputs, **sized(size), **layout.parameters)
    if not isinstance(found, Mapping) or any(name not in found for name in part.outputs):
        got = ", ".join(found) if isinstance(found, Mapping) else type(found).__name__
        raise BadInput(
            f"layout '{layout.path}': host step {part.name} must return a mapping with {', '.join(part.outputs)};"
            f" it returned {got}"
        )
    return {name: np.asarray(found[name]) for name in part.outputs}
