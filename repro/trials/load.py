"""A model and its inputs as a user names them: read, checked, and refused in one line."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from cases.graph import Tensor
from cases.inputs import FeedPlan, GivenFeeds, StandardFeeds
from cases.tflite.read import read_tflite
from repro.verdicts.references import OpenCpu, OwnOps
from repro.verdicts.subject import Subject, model_subject
from runner import targets
from runner.errors import BadInput
from runner.run import Feed


def open_installed_cpu() -> targets.Target:
    """The cpu target in the installed runtime, not yet activated."""
    return targets.open_target("cpu")


def load_subject(
    path: Path,
    inputs_file: Path | None = None,
    seed: int = 0,
    *,
    strict_shapes: bool = False,
    open_cpu: OpenCpu = open_installed_cpu,
) -> Subject:
    """Read a model and make or read its inputs. Raises BadInput with one line for anything unreadable.

    The reference is the file's own ops. open_cpu: the cpu target that answers for ops which are foreign to the
    evaluator. strict_shapes: see `OwnOps`.
    """
    model = read_bytes(path, "a .tflite model")
    graph = read_tflite(model, str(path))
    standard = StandardFeeds(seed)
    plan: FeedPlan = standard
    if inputs_file is not None:
        declared = [graph.tensors[name] for name in graph.inputs]
        first, second = feed_from_npz(inputs_file, declared), standard.make(declared)[1]
        plan = GivenFeeds((first, second, first), f"{inputs_file.name}, then {standard.kind} seed {seed}")
    return model_subject(path.name, model, plan, OwnOps(open_cpu, strict_shapes), graph=graph)


def read_bytes(path: Path, what: str) -> bytes:
    """The bytes of a file the user named. Raises BadInput where it is missing or unreadable."""
    try:
        return path.read_bytes()
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
        with np.load(path, allow_pickle=False) as archive:
            arrays: Mapping[str, np.ndarray] = {name: archive[name] for name in archive.files}
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise BadInput(f"{path}: a damaged .npz ({error}); write it again with numpy.savez") from error
    feed = []
    for index, tensor in enumerate(declared):
        key = tensor.name if tensor.name in arrays else f"arr_{index}"
        if key not in arrays:
            have = ", ".join(sorted(arrays)) or "nothing"
            raise BadInput(f"{path}: no array for input {index} '{tensor.name}' (it holds {have}); name it so")
        array = arrays[key]
        if tuple(array.shape) != tensor.shape:
            raise BadInput(f"{path}: '{key}' has shape {array.shape}, input '{tensor.name}' wants {tensor.shape}")
        if array.dtype != np.dtype(tensor.dtype):
            if not np.can_cast(array.dtype, tensor.dtype, casting="same_kind"):
                raise BadInput(f"{path}: '{key}' is {array.dtype}, input '{tensor.name}' wants {tensor.dtype}")
            array = array.astype(tensor.dtype)
        feed.append(np.ascontiguousarray(array))
    return tuple(feed)
