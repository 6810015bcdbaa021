"""A model and its inputs as a user names them: read, checked, and refused in one line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cases.graph import Graph
from cases.tflite.read import read_signatures
from repro.trials.given_feeds import AnyInputs, feed_plan
from repro.trials.given_shapes import read_as_given
from repro.trials.part import WHOLE, Part
from repro.verdicts.references import OpenTarget, OwnOps
from repro.verdicts.subject import Subject, model_subject
from runner import memory, targets
from runner.encoding import path_label
from runner.errors import BadInput, NothingRan


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
    evaluator. strict_shapes: see `OwnOps`. part: which graph of the file is meant; shapes that it leaves open are
    those of the given inputs.
    """
    model, graph = read_as_given(part, read_bytes(path, "a .tflite model"), str(path), inputs)
    reference = OwnOps(open_cpu, strict_shapes)
    return fed_subject(path_label(path) + part.label(graph), model, graph, inputs, seed, reference)


def models_in(paths: Sequence[Path]) -> tuple[Path, ...]:
    """The files that are meant: a folder stands for every .tflite below it, in the order of names.

    Each file once. Links to folders are not followed. Raises NothingRan where nothing was named or a folder holds no
    model.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if not path.is_dir():
            found[path] = None
            continue
        below = sorted(one for one in path.rglob("*.tflite") if one.is_file())
        if not below:
            raise NothingRan(f"{path}: no .tflite below this folder; name one that holds models")
        found |= dict.fromkeys(below)
    if not found:
        raise NothingRan("no model was given, so none was read; name .tflite files or folders of them")
    return tuple(found)


def signatures_of(path: Path) -> tuple[str, ...]:
    """The keys of all signatures of a file. Raises BadInput for what cannot be read."""
    return read_signatures(read_bytes(path, "a .tflite model"), str(path))


def fed_subject(
    name: str, model: bytes, graph: Graph, inputs: AnyInputs | None, seed: int, reference: OwnOps
) -> Subject:
    """A model that was read, fed as `feed_plan` says. Raises BadInput for inputs that do not fit."""
    plan = feed_plan(graph, inputs, seed)
    return model_subject(name, model, plan, reference, graph=graph)


def read_bytes(path: Path, what: str) -> bytes:
    """The bytes of a file the user named. Raises BadInput where it is missing or unreadable."""
    try:
        return memory.read_file(path)
    except FileNotFoundError as error:
        raise BadInput(f"{path}: no such file; give {what}") from error
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror}); give {what}") from error
