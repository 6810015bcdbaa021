"""A finding on disk: what is in its folder, and what it claims.

    findings/<slug>/finding.toml      what is claimed, by people
                    models/*.tflite   the minimal model, its control, what was tried
                    inputs/ expected/ raw little-endian arrays of the minimal model and the control
                    evidence/         canonical JSON, by machines
                    report.md         rendered, never by hand
                    SHA256SUMS        seals models, inputs, expected, evidence and report

Key insight: the claims and the measurements are different files with different authors. People may
reword a claim; nobody may reword a measurement, and a model that was exchanged makes every
measurement of it void. `repro.findings.reader` reads the claims, `repro.findings.seal` seals the rest.
"""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from cases.findings.model import Purpose
from cases.graph import Graph
from cases.tflite.read import read_tflite
from repro.findings.where import EVERYWHERE, Range
from repro.matrix.document import from_document
from repro.matrix.record import Cell, CellRecord
from repro.records.strict import Said
from repro.verdicts.verdict import Status
from runner.errors import BadInput
from runner.host.gpu import is_hardware
from runner.opencl.drivers import is_opencl
from runner.runtime_version import Numbering, numbering, version_order

MANIFEST = "finding.toml"
EVIDENCE = "evidence/matrix.json"
SAMPLE = "evidence/sample.json"
REPORT = "report.md"
WITH_ARRAYS = (Purpose.MINIMAL, Purpose.CONTROL)
"""Models whose inputs and expected outputs are kept as raw arrays."""


class FindingStatus(enum.StrEnum):
    """How far a finding is proven. `REPORTED` was observed by others and is not confirmed here."""

    CONFIRMED = "confirmed"
    REPORTED = "reported, not confirmed here"
    FIXED = "fixed"

    @property
    def word(self) -> str:
        """In one word."""
        return self.value.partition(",")[0]


class Scope(enum.StrEnum):
    """Where it shows: on the host's delegate, or, as far as is known, on a device only."""

    HOST = "host"
    DEVICE = "device"


@dataclass(frozen=True)
class Source:
    """One place in public source that the cause rests on."""

    repo: Said
    commit: Said
    file: Said
    where: Said
    says: Said

    @property
    def url(self) -> str:
        return f"https://github.com/{self.repo}/blob/{self.commit}/{self.file}"


@dataclass(frozen=True)
class Link:
    """An upstream issue and what it has to do with this finding."""

    url: Said
    relation: Said


ABORTS = "CRASH"
"""The one outcome that a finding may claim instead of wrong outputs: the process ends itself."""
RACES = "RACES"
OverOpencl = Literal["", "REFUSED", "PASS", "RACES"]
"""What a model may claim for runs over OpenCL alone: that it is refused, or right, or that two accesses race there, so
that it may be right or wrong; empty: what it claims anywhere."""
InBrowser = Literal["", "REFUSED", "NOT_RESIDENT", "PASS", "CRASH", "FAIL"]
"""What a model may claim for runs in a browser alone: how the run ends, that it is right, or that its first output is
wrong; empty: what it claims anywhere."""


@dataclass(frozen=True)
class ModelFile:
    """One model of a finding: the claim it carries, and where it shows.

    wrong: indices of the outputs that are wrong on the host. outcome: ABORTS where the process ends
    instead, or empty. where: the cells in which it shows; in all others it must pass, but for the outputs `elsewhere`,
    which another finding's bug makes wrong there. over_opencl, in_browser: what it does instead in cells that run
    over OpenCL, or in a browser.
    """

    name: str
    purpose: Purpose
    what: str
    wrong: tuple[int, ...]
    outcome: str = ""
    where: Range = EVERYWHERE
    over_opencl: OverOpencl = ""
    in_browser: InBrowser = ""
    elsewhere: tuple[int, ...] = ()

    @property
    def shows(self) -> bool:
        """Whether anything is claimed to go wrong, somewhere."""
        return bool(self.wrong or self.outcome)

    def claimed(self, record: Cell) -> tuple[int, ...]:
        """Indices of the outputs that must be wrong in the cell of a matrix record; (-1,) for an outcome."""
        if numbering(record["runtime"]) is Numbering.LITERT_JS and self.in_browser:
            # A part that is left to WebAssembly is said of each output, as what is wrong; other ends are the run's.
            return {"PASS": (), "FAIL": (0,), "NOT_RESIDENT": (0,)}.get(self.in_browser, (-1,))
        inside = self.where.covers(record)
        anywhere = inside or (bool(self.elsewhere) and not record["target"].startswith("cpu"))
        if not self.shows or not anywhere or self._answer(record) in (Status.PASS, RACES):
            return ()
        return (-1,) if self._answer(record) else self.wrong if inside else self.elsewhere

    def races(self, record: Cell) -> bool:
        """Whether two accesses race in the cell of a matrix record, so that it may be right or wrong there."""
        return self._answer(record) == RACES and self.where.covers(record)

    def ends(self, record: Cell) -> str:
        """How the run must end in the cell of a matrix record, `CRASH` or `REFUSED`; empty where it has outputs."""
        answer = self._answer(record)
        return answer if self.claimed(record) == (-1,) or answer == Status.NOT_RESIDENT else ""

    def _answer(self, record: Cell) -> str:
        """What is claimed instead of wrong outputs; empty where it is wrong outputs."""
        own = numbering(record["runtime"])
        if own is Numbering.LITERT_JS and self.in_browser:
            return self.in_browser
        if own is Numbering.LITERT_LM and self.over_opencl:
            return self.over_opencl
        return self.outcome if self.where.covers(record) else ""


def _names_hardware(pattern: str) -> bool:
    """Whether a pattern of targets names GPUs by their own name, as `gpu:nvidia-*` does."""
    kind, _, driver = pattern.partition(":")
    return kind == "gpu" and is_hardware(driver.partition("+")[0].rstrip("*"))


@dataclass(frozen=True)
class Finding:
    """One bug, documented. `folder` is where it lies; everything else is finding.toml's, in its words.

    silent: why nobody notices; instead: what happens where there are no outputs. One of them is empty.
    """

    folder: Path
    title: str
    status: FindingStatus
    scope: Scope
    claim: str
    silent: str
    instead: str
    where: Range
    rule: str
    seed: int
    not_claimed: tuple[str, ...]
    cause: str
    cause_known: str
    sources: tuple[Source, ...]
    models: tuple[ModelFile, ...]
    upstream: tuple[Link, ...]
    siblings: tuple[str, ...]
    reported: str

    @property
    def slug(self) -> str:
        return self.folder.name

    @property
    def short_title(self) -> str:
        """The title without what all of them begin with."""
        return shortened(self.title)

    def of(self, *purposes: Purpose) -> tuple[ModelFile, ...]:
        return tuple(m for m in self.models if m.purpose in purposes)

    @property
    def minimal(self) -> ModelFile:
        return self.of(Purpose.MINIMAL)[0]

    @property
    def control(self) -> ModelFile:
        return self.of(Purpose.CONTROL)[0]

    @property
    def aborts(self) -> bool:
        """Whether the bug ends the process instead of giving wrong outputs."""
        return bool(self.minimal.outcome)

    @property
    def needs_name(self) -> bool:
        """Whether it is claimed under adapter names only, presented or a GPU's own: no driver of a cpu shows it."""
        patterns = self.minimal.where.targets
        return any("@" in p for p in patterns) and all("@" in p or _names_hardware(p) for p in patterns)

    @property
    def needs_opencl(self) -> bool:
        """Whether it is claimed over OpenCL only: the delegate in LiteRT's own wheels does not show it."""
        drivers = [pattern.partition("@")[0].partition(":")[2] for pattern in self.minimal.where.targets]
        return bool(drivers) and all(is_opencl(driver.partition("+")[0]) for driver in drivers)

    @property
    def adapter_names(self) -> str:
        """The presented names of which it needs one, `Mali-G57 or Mali-G610`; empty where it needs none."""
        if not self.needs_name:
            return ""
        presented = (name for p in self.minimal.where.targets if (name := p.partition("@")[2]))
        names = " or ".join(dict.fromkeys(presented))
        return f"{names}, over OpenCL" if self.needs_opencl else names

    @property
    def settings(self) -> str:
        """The settings of the delegate with which alone it is claimed, `precision=3`; empty where it needs none."""
        needed = {p.partition("@")[0].partition("+")[2].rstrip("*") for p in self.minimal.where.targets}
        return needed.pop() if len(needed) == 1 else ""

    @property
    def shows_only(self) -> str:
        """What it needs beside a driver: `where the adapter is named Mali-G57`, `with the setting precision=3`."""
        if self.settings:
            return f"with the delegate's setting {self.settings}"
        return f"where the adapter is named {self.adapter_names}" if self.needs_name else ""

    @property
    def precision(self) -> str:
        """The precision to show it in: fp32 unless it is claimed for fp16 only."""
        return "fp16" if self.minimal.where.precisions == ("fp16",) else "fp32"

    def showing(self, versions: Iterable[str]) -> list[str]:
        """The versions, oldest first, in which the minimal model is claimed to show the bug."""
        if not self.minimal.shows:
            return []
        return sorted({v for v in versions if self.minimal.where.has_runtime(v)}, key=version_order)

    def model_path(self, model: ModelFile) -> Path:
        return self.folder / "models" / f"{model.name}.tflite"

    def model_bytes(self, model: ModelFile) -> bytes:
        return file_bytes(self.model_path(model), f"restore it from git, or `repro finding measure {self.slug}`")

    def graph(self, model: ModelFile) -> Graph:
        return read_tflite(self.model_bytes(model), f"{self.slug}/{model.name}")

    def arrays(self, model: ModelFile, kind: str) -> tuple[np.ndarray, ...]:
        """The raw `inputs` or `expected` of a model, shaped by its file. Raises BadInput for a wrong size."""
        graph = self.graph(model)
        names = graph.inputs if kind == "inputs" else graph.outputs
        found = []
        for index, name in enumerate(names):
            path = self.array_path(model, kind, index)
            tensor = graph.tensors[name]
            data = file_bytes(path, f"`repro finding measure {self.slug}` writes it")
            array = np.frombuffer(data, dtype=np.dtype(tensor.dtype).newbyteorder("<"))
            if array.size != int(np.prod(tensor.shape)):
                raise BadInput(f"{self.slug}: {path.name} holds {array.size} values, '{name}' is {tensor.shape}")
            found.append(array.astype(tensor.dtype).reshape(tensor.shape))
        return tuple(found)

    def array_path(self, model: ModelFile, kind: str, index: int) -> Path:
        return self.folder / kind / f"{model.name}-{index}.bin"

    def evidence(self) -> Mapping[str, Any]:
        """The sealed measurements. Raises BadInput where there are none."""
        data = file_bytes(self.folder / EVIDENCE, f"`repro finding measure {self.slug}` writes it")
        try:
            return json.loads(data)
        except (ValueError, RecursionError) as error:
            raise BadInput(f"finding '{self.slug}': {EVIDENCE} is damaged ({error}); restore it from git") from error

    def evidence_records(self) -> list[CellRecord]:
        """The sealed measurements, one record per model and cell. Raises BadInput where there are none."""
        try:
            return from_document(self.evidence())
        except (KeyError, TypeError, AttributeError) as error:
            raise BadInput(
                f"finding '{self.slug}': {EVIDENCE} is damaged ({type(error).__name__} {error}); restore it from git"
            ) from error

    def sample(self) -> Mapping[str, Any]:
        """What one run of the minimal model gave, in numbers."""
        return json.loads(file_bytes(self.folder / SAMPLE, f"`repro finding measure {self.slug}` writes it"))


def file_bytes(path: Path, remedy: str) -> bytes:
    """What a file of a finding holds. Raises BadInput with what mends a file that is not there."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path.parent.name}/{path.name} cannot be read ({error.strerror}); {remedy}") from error


def shortened(title: str) -> str:
    """A title without what all of them begin with."""
    return re.sub(r"^GPU delegate( \(WebGPU\))?: ", "", title)
