"""Any .tflite on any target, without expectations: is each output what the file's own ops compute?

Two references stand beside each other: the file's ops evaluated in float64 by us, and the cpu target
(XNNPACK). Where our evaluator knows every op, float64 is the truth and the cpu must agree with it;
where it does not, the cpu is the reference and the verdict says so.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cases import inputs
from cases.evaluation.evaluate import FLOAT64, evaluate, unsupported
from cases.graph import Graph, GraphError, Tensor
from cases.tflite.read import read_tflite
from repro.verdicts.emulation import floors_for
from repro.verdicts.judge import judge_run
from repro.verdicts.noise_floor import Floor
from repro.verdicts.verdict import Status, Verdict
from runner.errors import BadInput
from runner.run import Feed, Job, Outcome, Precision, Run
from runner.target import Target

References = tuple[tuple[np.ndarray, ...], ...]


@dataclass(frozen=True)
class Subject:
    """A model to check: its bytes, its graph, the feeds, and how the feeds came to be."""

    name: str
    model: bytes
    graph: Graph
    feeds: tuple[Feed, ...]
    feeds_from: str


@dataclass(frozen=True)
class Checked:
    """What a check found. `reference_from` says which reference was used and why.

    cpu_note is empty when the cpu target agrees with the reference, else one line.
    """

    subject: Subject
    run: Run
    references: References
    floors: tuple[Floor, ...]
    verdicts: tuple[Verdict, ...]
    reference_from: str
    cpu_note: str

    @property
    def is_clean(self) -> bool:
        return all(v.status is Status.PASS for v in self.verdicts)


def load_subject(path: Path, inputs_file: Path | None = None, seed: int = 0, kind: str = "gaussian") -> Subject:
    """Read a model and make or read its inputs. Raises BadInput with one line for anything unreadable."""
    model = read_bytes(path, "a .tflite model")
    graph = read_tflite(model, str(path))
    declared = [graph.tensors[name] for name in graph.inputs]
    if inputs_file is None:
        return Subject(path.name, model, graph, inputs.standard_feeds(declared, seed, kind), f"{kind}, seed {seed}")
    feed = feed_from_npz(inputs_file, declared)
    second = inputs.standard_feeds(declared, seed, kind)[1]
    return Subject(path.name, model, graph, (feed, second, feed), f"{inputs_file.name}, then {kind} seed {seed}")


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
        raise BadInput(f"{path}: no such file; give an .npz with one array an input")
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


def float64_references(graph: Graph, feeds: Sequence[Feed]) -> References:
    """The file's ops in float64, per feed and output. Repeated feeds are evaluated once.

    Raises BadInput where the file's own ops and shapes contradict each other.
    """
    known: dict[int, tuple[np.ndarray, ...]] = {}
    for feed in feeds:
        if id(feed) not in known:
            try:
                values = evaluate(graph, feed, FLOAT64)
            except GraphError as error:
                raise BadInput(f"the model's ops do not fit together: {error}; give a model that is whole") from error
            known[id(feed)] = tuple(values[name] for name in graph.outputs)
    return tuple(known[id(feed)] for feed in feeds)


def check(
    subject: Subject, target: Target, cpu: Target, precision: Precision, deadline_s: float | None = None
) -> Checked:
    """Run the subject on cpu and on the target, and judge the target's outputs.

    Raises TargetUnavailable or DeviceFailed; what the model does to a target is a verdict.
    """
    graph, feeds = subject.graph, subject.feeds
    foreign = unsupported(graph)
    cpu_run = cpu.run(Job(subject.model, feeds, Precision.FP32, subject.name, deadline_s))
    cpu_note = ""
    references: References
    if not foreign:
        references = float64_references(graph, feeds)
        reference_from = "float64 evaluation of the file's own ops"
        cpu_verdicts = judge_run(
            cpu_run, feeds, references, floors_for(graph, feeds, references, Precision.FP32), graph=graph
        )
        wrong = [v for v in cpu_verdicts if v.status not in (Status.PASS, Status.INVALID)]
        if wrong:
            first = wrong[0]
            cpu_note = f"cpu disagrees with float64 on output {first.output} '{first.name}': {first.reason}"
    elif cpu_run.outcome is Outcome.OK:
        references = tuple(tuple(np.asarray(o, dtype=_wide(o)) for o in outputs) for outputs in cpu_run.outputs)
        reference_from = f"cpu (XNNPACK), since float64 evaluation does not know {', '.join(foreign[:3])}"
    else:
        raise BadInput(
            f"{subject.name}: no reference: cpu says {cpu_run.outcome} ({cpu_run.message}) and float64 evaluation "
            f"does not know {', '.join(foreign[:3])}; give a model that the cpu runs"
        )
    run = cpu_run if target is cpu else target.run(Job(subject.model, feeds, precision, subject.name, deadline_s))
    floors = floors_for(graph, feeds, references, precision)
    verdicts = judge_run(run, feeds, references, floors, graph=graph)
    return Checked(subject, run, references, tuple(floors), verdicts, reference_from, cpu_note)


def _wide(array: np.ndarray) -> np.dtype:
    return np.dtype(np.float64) if array.dtype.kind == "f" else array.dtype
