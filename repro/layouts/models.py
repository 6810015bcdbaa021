"""The graphs of a layout as files that were read, checked against the names the layout gives their tensors."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from cases.evaluation.quantised import HOLDING_DTYPES, grid_of
from cases.graph import Graph, Tensor
from cases.tflite.read import read_tflite
from repro.layouts.layout import GraphPart, Inputs, Layout
from repro.layouts.named_functions import call
from runner import memory
from runner.errors import BadInput
from runner.npz import UnreadableArrays, read_arrays
from runner.run import Precision

Values = dict[str, np.ndarray]
"""Tensors of a layout by name."""
DRAWN_INDICES = (0, 7)
"""Of integers without a scale, which are indices or counts: small enough for any table."""


@dataclass(frozen=True, eq=False)
class PartModel:
    """One graph of the layout: its bytes and what was read from them."""

    part: GraphPart
    data: bytes
    graph: Graph

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


def load_model(layout: Path, part: GraphPart, size: int | None, precision: Precision, parameters: Any) -> PartModel:
    """Build or read one graph. Raises BadInput where it does not fit what the layout says of it."""
    path = part.file
    if path is None:
        path = Path(call(layout, part.builder, precision=str(precision), **sized(size), **parameters))
    data = memory.read_file(path)
    graph = read_tflite(data, where=str(path))
    for what, names, found in (("inputs", part.inputs, graph.inputs), ("outputs", part.outputs, graph.outputs)):
        if len(names) != len(found):
            raise BadInput(
                f"layout '{layout}': graph {part.name} has {len(found)} {what} ({', '.join(found)}),"
                f" the layout names {len(names)} ({', '.join(names) or 'none'})"
            )
    return PartModel(part, data, graph)


def sized(size: int | None) -> dict[str, int]:
    """The size argument for a layout's functions: absent where the layout has no sizes."""
    return {} if size is None else {"size": size}


def load_inputs(layout: Layout, size: int | None, models: Iterable[PartModel]) -> list[Values]:
    """The input sets of a layout, by tensor name. models: tell the type of what is drawn.

    Raises BadInput for unreadable ones.
    """
    inputs = layout.inputs
    if not inputs.files:
        return _drawn(inputs, models)
    sets = []
    for file in inputs.files:
        values = call(layout.path, inputs.loader, file, **sized(size)) if inputs.loader else _npz(layout.path, file)
        sets.append({name: np.asarray(array, order="C") for name, array in values.items()})
    needed = {name for part in layout.parts for name in part.inputs}
    given = {name for part in layout.parts for name in part.outputs}
    for file, values in zip(inputs.files, sets, strict=True):
        for name in sorted(needed - given - set(values)):
            raise BadInput(
                f"layout '{layout.path}': input file '{file}' gives no '{name}' (it has {', '.join(values)})"
            )
    return sets


def _drawn(inputs: Inputs, models: Iterable[PartModel]) -> list[Values]:
    readers = {
        name: model.graph.tensors[tensor]
        for model in models
        for name, tensor in zip(model.part.inputs, model.graph.inputs, strict=True)
    }
    drawn = sum(math.prod(shape) for shape in inputs.shapes.values()) * np.dtype(np.float32).itemsize
    memory.require(inputs.count * drawn, "drawing the inputs of the layout")
    sets = []
    for index in range(inputs.count):
        generator = np.random.default_rng([inputs.seed, index])
        sets.append({name: _draw(readers.get(name), shape, generator) for name, shape in inputs.shapes.items()})
    return sets


def _draw(reader: Tensor | None, shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
    """Numbers of N(0, 1), or what the type of the tensor that reads them can hold: its whole grid, indices, a coin."""
    if reader is None or reader.dtype.startswith("float"):
        return generator.standard_normal(shape, dtype=np.float32)
    if reader.dtype == "bool":
        return generator.random(shape) < 0.5
    grid = grid_of(reader)
    lowest, highest = (grid.lowest, grid.highest) if grid else DRAWN_INDICES
    return generator.integers(lowest, highest, shape, endpoint=True).astype(_held(reader))


def _held(tensor: Tensor) -> str:
    """The numpy dtype in which a tensor's values are held."""
    return HOLDING_DTYPES.get(tensor.dtype, tensor.dtype)


def as_passed(model: PartModel, outputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Outputs of a graph in the types of the file: whole numbers where it gives integers."""
    passed = []
    for name, array in zip(model.graph.outputs, outputs, strict=True):
        dtype = np.dtype(_held(model.graph.tensors[name]))
        with np.errstate(over="ignore", invalid="ignore"):  # what the type cannot hold passes on as infinite
            passed.append(array.astype(dtype) if dtype.kind == "f" else np.rint(array).astype(dtype))
    return passed


def _npz(layout: Path, file: Path) -> Values:
    try:
        return read_arrays(file)
    except UnreadableArrays as error:
        raise BadInput(f"layout '{layout}': input file '{file}' is no .npz ({error}); or name a loader") from None


def feed_of(model: PartModel, values: Mapping[str, np.ndarray], layout: Path) -> tuple[np.ndarray, ...]:
    """The model's inputs out of the values, in its order and dtype. Raises BadInput where a shape does not fit."""
    feed = []
    for name, tensor_name in zip(model.part.inputs, model.graph.inputs, strict=True):
        tensor = model.graph.tensors[tensor_name]
        array = values[name]
        if tuple(array.shape) != tuple(tensor.shape):
            raise BadInput(
                f"layout '{layout}': '{name}' has shape {list(array.shape)}, but graph {model.part.name} reads"
                f" {list(tensor.shape)} there ('{tensor_name}'); are its inputs in the file's order?"
            )
        with np.errstate(invalid="ignore", over="ignore"):
            fed = np.asarray(array, dtype=_held(tensor), order="C")
        if fed.dtype.kind != "f" and not np.array_equal(fed, array):
            raise BadInput(
                f"layout '{layout}': '{name}' holds {array.dtype} values that {tensor.dtype} cannot hold, and graph"
                f" {model.part.name} reads {tensor.dtype} there ('{tensor_name}'); quantise it in a [[host]] step"
            )
        feed.append(fed)
    return tuple(feed)
