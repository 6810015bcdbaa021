"""A file that leaves shapes open, read at the shapes of the inputs that it is given.

Key insight: whoever gives an array has said its shape. So `--shape` is for inputs that are made, and for arrays the
headers of their files tell what it would say.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from cases.graph import Graph, Tensor
from repro.trials.given_feeds import AnyInputs
from repro.trials.given_inputs import GivenInputs
from repro.trials.part import Part
from runner.npz import UnreadableArrays, read_headers

Shape = tuple[int, ...]


def read_as_given(part: Part, data: bytes, where: str, inputs: AnyInputs | None) -> tuple[bytes, Graph]:
    """The bytes to run and their graph, as `Part.read` has them, at the shapes of given arrays where no others are
    chosen. Raises BadInput as it does.
    """
    model, graph = part.read(data, where)
    implied = {} if part.shapes or inputs is None else dict(_implied(graph, inputs))
    return replace(part, shapes=implied).read(data, where) if implied else (model, graph)


def _implied(graph: Graph, inputs: AnyInputs) -> Iterator[tuple[str, Shape]]:
    given = _shapes(inputs)
    for index, name in enumerate(graph.inputs):
        shape = next((given[key] for key in (name, f"arr_{index}", str(index)) if key in given), None)
        if shape is not None and shape != graph.tensors[name].shape and _leaves_open(graph.tensors[name], shape):
            yield name, shape


def _leaves_open(tensor: Tensor, shape: Shape) -> bool:
    signature = getattr(tensor.raw, "shape_signature", None) or tensor.shape
    return len(signature) == len(shape) and all(want in (-1, got) for want, got in zip(signature, shape, strict=True))


def _shapes(inputs: AnyInputs) -> Mapping[str, Shape]:
    """Name or place of an input -> the shape of its array, of the first file; what cannot be read is said later."""
    if isinstance(inputs, str | Path):
        return _of_file(Path(inputs))
    if isinstance(inputs, GivenInputs):
        named = (word.rpartition("=") for word in inputs.words)
        of_words = ((name, _of_file(Path(files.split(",")[0]))) for name, _, files in named)
        first = _of_file(inputs.files[0]) if inputs.files else {}
        return {**first, **{name: next(iter(shapes.values())) for name, shapes in of_words if len(shapes) == 1}}
    if isinstance(inputs, Mapping):
        return {name: np.asarray(one).shape for name, one in inputs.items() if not isinstance(one, str)}
    files = [one for one in inputs if isinstance(one, str | Path)]
    if files:
        return _of_file(Path(files[0]))
    return {f"arr_{place}": np.asarray(array).shape for place, array in enumerate(inputs)}


def _of_file(path: Path) -> Mapping[str, Shape]:
    """Of the arrays of an .npz; empty for what is none."""
    if path.suffix != ".npz" or not path.is_file() or not zipfile.is_zipfile(path):
        return {}
    try:
        return {name: tuple(header.shape) for name, header in read_headers(path).items()}
    except UnreadableArrays:
        return {}
