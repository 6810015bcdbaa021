"""A model and its inputs as a user names them: read, checked, and refused in one line."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from cases.graph import Graph, Tensor
from cases.inputs import FeedPlan, GivenFeeds, StandardFeeds
from cases.tflite.read import read_signatures
from repro.records.strict import near_one
from repro.trials.part import WHOLE, Part
from repro.verdicts.references import OpenTarget, OwnOps
from repro.verdicts.subject import Subject, model_subject
from runner import memory, targets
from runner.encoding import path_label
from runner.errors import BadInput
from runner.npz import Header, UnreadableArrays, read_arrays, read_headers
from runner.run import Feed

AnyInputs = str | Path | Mapping[str, np.ndarray] | Sequence[np.ndarray]
"""An .npz, arrays by input name, or arrays in the inputs' order."""


def open_installed_cpu() -> targets.Target:
    """The cpu target in the installed runtime, not yet activated."""
    return targets.open_target("cpu")


def load_subject(
    path: Path,
    inputs: AnyInputs | None = None,
    seed: int = 0,
    *,
    strict_shapes: bool = False,
    open_cpu: OpenTarget = open_installed_cpu,
    part: Part = WHOLE,
) -> Subject:
    """Read a model and make or read its inputs. Raises BadInput with one line for anything unreadable.

    The reference is the file's own ops. open_cpu: the cpu target that answers for ops which are foreign to the
    evaluator. strict_shapes: see `OwnOps`. part: which graph of the file is meant.
    """
    model, graph = part.read(read_bytes(path, "a .tflite model"), str(path))
    reference = OwnOps(open_cpu, strict_shapes)
    return fed_subject(path_label(path) + part.label(graph), model, graph, inputs, seed, reference)


def signatures_of(path: Path) -> tuple[str, ...]:
    """The keys of all signatures of a file. Raises BadInput for what cannot be read."""
    return read_signatures(read_bytes(path, "a .tflite model"), str(path))


def fed_subject(
    name: str, model: bytes, graph: Graph, inputs: AnyInputs | None, seed: int, reference: OwnOps
) -> Subject:
    """A model that was read, fed as `feed_plan` says. Raises BadInput for inputs that do not fit."""
    plan = feed_plan([graph.tensors[tensor] for tensor in graph.inputs], inputs, seed)
    return model_subject(name, model, plan, reference, graph=graph)


def feed_plan(declared: Sequence[Tensor], given: AnyInputs | None, seed: int) -> FeedPlan:
    """What a model is fed: what was given, two made feeds of `seed`, what was given again; or only made ones.

    given: an .npz, arrays by input name, or arrays in the inputs' order. Raises BadInput for what does not fit.
    """
    standard = StandardFeeds(seed, again=True)
    if given is None:
        return standard
    if isinstance(given, str | Path):
        first, source = feed_from_npz(Path(given), declared), path_label(Path(given))
    else:
        if not isinstance(given, Mapping) and len(given) > len(declared):
            raise BadInput(f"inputs: {len(given)} arrays are given and the model has {len(declared)} inputs")
        by_name = given if isinstance(given, Mapping) else {f"arr_{i}": array for i, array in enumerate(given)}
        first, source = feed_from_arrays(by_name, declared, "inputs"), "given arrays"
    _, second, third, _ = standard.make(declared)
    return GivenFeeds((first, second, third, first), f"{source}, then {standard.kind} seed {seed}")


def read_bytes(path: Path, what: str) -> bytes:
    """The bytes of a file the user named. Raises BadInput where it is missing or unreadable."""
    try:
        return memory.read_file(path)
    except FileNotFoundError as error:
        raise BadInput(f"{path}: no such file; give {what}") from error
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror}); give {what}") from error


def feed_from_npz(path: Path, declared: Sequence[Tensor]) -> Feed:
    """One feed from an .npz whose keys are input names (or arr_0, arr_1, ... in order).

    Raises BadInput for a file that is no .npz, a missing key, a wrong shape or a wrong dtype.
    """
    if not path.exists():
        raise BadInput(f"{path}: no such file; give an .npz with one array per input")
    if not zipfile.is_zipfile(path):
        raise BadInput(f"{path}: not an .npz file; write it with numpy.savez")
    try:
        keys = _fitting(read_headers(path), declared, str(path))
        arrays = read_arrays(path, names=keys)
    except UnreadableArrays as error:
        raise BadInput(f"{path}: a damaged .npz ({error}); write it again with numpy.savez") from error
    return _feed([arrays[key] for key in keys], declared)


def feed_from_arrays(arrays: Mapping[str, np.ndarray], declared: Sequence[Tensor], where: str) -> Feed:
    """One feed from arrays by input name (or arr_0, arr_1, ... in order). Raises BadInput as `feed_from_npz` does."""
    given = {name: np.asarray(array) for name, array in arrays.items()}
    return _feed([given[key] for key in _fitting(given, declared, where)], declared)


def _fitting(given: Mapping[str, np.ndarray | Header], declared: Sequence[Tensor], where: str) -> list[str]:
    """The key of each input's array. Raises BadInput where one is missing or does not fit, by what is said of it."""
    keys = []
    for index, tensor in enumerate(declared):
        key = tensor.name if tensor.name in given else f"arr_{index}"
        if key not in given:
            have = ", ".join(sorted(given)) or "nothing"
            near = near_one(tensor.name, given)
            raise BadInput(f"{where}: no array for input {index} '{tensor.name}' (it holds {have}); name it so{near}")
        shape, dtype = given[key].shape, given[key].dtype
        if tuple(shape) != tensor.shape:
            raise BadInput(f"{where}: '{key}' has shape {shape}, input '{tensor.name}' wants {tensor.shape}")
        if dtype != np.dtype(tensor.dtype) and not np.can_cast(dtype, tensor.dtype, casting="same_kind"):
            raise BadInput(f"{where}: '{key}' is {dtype}, input '{tensor.name}' wants {tensor.dtype}")
        keys.append(key)
    return keys


def _feed(arrays: Sequence[np.ndarray], declared: Sequence[Tensor]) -> Feed:
    # ascontiguousarray would turn a scalar into a vector
    return tuple(np.asarray(array, tensor.dtype, order="C") for array, tensor in zip(arrays, declared, strict=True))
