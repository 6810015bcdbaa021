"""A finding on disk: its schema, reading it, and the seal that tells whether it is still what was measured.

    findings/<slug>/finding.toml      what is claimed, by people
                    models/*.tflite   the minimal model, its control, what was tried
                    inputs/ expected/ raw little-endian arrays of the minimal model and the control
                    evidence/         canonical JSON, by machines
                    report.md         rendered, never by hand
                    SHA256SUMS        seals models, inputs, expected, evidence and report

Key insight: the claims and the measurements are different files with different authors. People may
reword a claim; nobody may reword a measurement, and a model that was exchanged makes every
measurement of it void. `sha256sum -c SHA256SUMS` checks the seal without this project.
"""

from __future__ import annotations

import enum
import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cases.findings.model import HEALTHY, Purpose
from cases.graph import Graph
from cases.tflite.read import read_tflite
from repro.findings.where import EVERYWHERE, Range, read_range
from repro.matrix.document import from_document
from repro.matrix.record import Cell, CellRecord
from repro.matrix.rows import version_order
from repro.records.canonical_json import is_canonical, sha256
from repro.records.strict_toml import Table
from runner.errors import BadInput

FINDINGS_DIR = Path(__file__).resolve().parents[2] / "findings"
SEAL = "SHA256SUMS"
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


class Scope(enum.StrEnum):
    """Where it shows: on the host's delegate, or, as far as is known, on a device only."""

    HOST = "host"
    DEVICE = "device"


@dataclass(frozen=True)
class Source:
    """One place in public source that the cause rests on."""

    repo: str
    commit: str
    file: str
    where: str
    says: str

    @property
    def url(self) -> str:
        return f"https://github.com/{self.repo}/blob/{self.commit}/{self.file}"


@dataclass(frozen=True)
class Link:
    """An upstream issue and what it has to do with this finding."""

    url: str
    relation: str


ABORTS = "CRASH"
"""The one outcome that a finding may claim instead of wrong outputs: the process ends itself."""


@dataclass(frozen=True)
class ModelFile:
    """One model of a finding: the claim it carries, and where it shows.

    wrong: indices of the outputs that are wrong on the host. outcome: ABORTS where the process ends
    instead, or empty. where: the cells in which it shows; in all others it must pass.
    """

    name: str
    purpose: Purpose
    what: str
    wrong: tuple[int, ...]
    outcome: str = ""
    where: Range = EVERYWHERE

    @property
    def shows(self) -> bool:
        """Whether anything is claimed to go wrong, somewhere."""
        return bool(self.wrong or self.outcome)

    def claimed(self, record: Cell) -> tuple[int, ...]:
        """Indices of the outputs that must be wrong in the cell of a matrix record; (-1,) for an outcome."""
        if not self.shows or not self.where.covers(record):
            return ()
        return (-1,) if self.outcome else self.wrong


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
        """Whether it is claimed under presented adapter names only: no adapter under its own name shows it."""
        return bool(self.minimal.where.targets) and all("@" in pattern for pattern in self.minimal.where.targets)

    @property
    def adapter_names(self) -> str:
        """The presented names of which it needs one, `Mali-G57 or Mali-G610`; empty where it needs none."""
        return " or ".join(p.partition("@")[2] for p in self.minimal.where.targets) if self.needs_name else ""

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
        return _bytes(self.model_path(model), f"restore it from git, or `repro finding measure {self.slug}`")

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
            data = _bytes(path, f"`repro finding measure {self.slug}` writes it")
            array = np.frombuffer(data, dtype=np.dtype(tensor.dtype).newbyteorder("<"))
            if array.size != int(np.prod(tensor.shape)):
                raise BadInput(f"{self.slug}: {path.name} holds {array.size} values, '{name}' is {tensor.shape}")
            found.append(array.astype(tensor.dtype).reshape(tensor.shape))
        return tuple(found)

    def array_path(self, model: ModelFile, kind: str, index: int) -> Path:
        return self.folder / kind / f"{model.name}-{index}.bin"

    def evidence(self) -> Mapping[str, Any]:
        """The sealed measurements. Raises BadInput where there are none."""
        data = _bytes(self.folder / EVIDENCE, f"`repro finding measure {self.slug}` writes it")
        try:
            return json.loads(data)
        except ValueError as error:
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
        return json.loads(_bytes(self.folder / SAMPLE, f"`repro finding measure {self.slug}` writes it"))


def slugs(folder: Path = FINDINGS_DIR) -> list[str]:
    return sorted(p.parent.name for p in folder.glob(f"*/{MANIFEST}"))


def load(slug: str, folder: Path = FINDINGS_DIR) -> Finding:
    """Read a finding. Raises BadInput for an unknown slug, an unknown key, a missing one, or an empty claim."""
    path = folder / slug / MANIFEST
    if not path.is_file():
        raise BadInput(f"there is no finding '{slug}'; there are: {', '.join(slugs(folder)) or 'none'}")
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"finding '{slug}': {MANIFEST} is not readable TOML ({error})") from error
    table = Table(slug, "", content, "finding")
    cause = table.table("cause")
    where = read_range(table)
    models = tuple(_model(entry, where) for entry in table.tables("model"))
    finding = Finding(
        folder / slug,
        title=_said(table, "title"),
        status=_one_of(table, "status", FindingStatus),
        scope=_one_of(table, "scope", Scope),
        claim=_said(table, "claim"),
        silent=_said(table, "silent", ""),
        instead=_said(table, "instead", ""),
        where=where,
        rule=_said(table, "rule"),
        seed=table.integer("seed", 0),
        not_claimed=table.texts("not_claimed"),
        cause=_said(cause, "summary"),
        cause_known=_said(cause, "known"),
        sources=tuple(_source(entry) for entry in cause.tables("source")),
        models=models,
        upstream=tuple(_link(entry) for entry in table.tables("upstream")),
        siblings=table.texts("siblings", ()),
        reported=table.text("reported", ""),
    )
    cause.close()
    table.close()
    _check(finding)
    return finding


def showing_models(folder: Path = FINDINGS_DIR) -> Iterator[tuple[str, Graph]]:
    """(slug, graph) of every model that shows a finding's bug in its outputs: no control, and none that helps."""
    for slug in slugs(folder):
        finding = load(slug, folder)
        for model in finding.models:
            if model.wrong and finding.model_path(model).exists():
                yield slug, finding.graph(model)


def _check(finding: Finding) -> None:
    for purpose in (Purpose.MINIMAL, Purpose.CONTROL):
        if len(finding.of(purpose)) != 1:
            raise BadInput(f"finding '{finding.slug}': needs exactly one [[model]] with purpose '{purpose}'")
    names = [m.name for m in finding.models]
    if len(set(names)) != len(names):
        raise BadInput(f"finding '{finding.slug}': two models have one name; rename one")
    for model in finding.models:
        healthy = model.purpose in HEALTHY
        host_clean = finding.status is FindingStatus.REPORTED
        if healthy and model.shows:
            raise BadInput(f"finding '{finding.slug}': model '{model.name}' is '{model.purpose}' and yet wrong")
        if not healthy and not model.shows and not host_clean:
            raise BadInput(f"finding '{finding.slug}': model '{model.name}' ('{model.purpose}') names no wrong output")
    if finding.aborts and not finding.instead:
        raise BadInput(f"finding '{finding.slug}': the minimal model ends in {ABORTS}: say in `instead` what happens")
    if not finding.aborts and not finding.silent:
        raise BadInput(f"finding '{finding.slug}': silent: is missing; say why nobody notices")
    if finding.aborts and finding.silent:
        raise BadInput(f"finding '{finding.slug}': silent: a process that ends is noticed; say `instead` what happens")
    if finding.status is FindingStatus.REPORTED and not finding.reported:
        raise BadInput(f"finding '{finding.slug}': status is '{finding.status}': say in `reported` who saw what where")
    if finding.status is FindingStatus.FIXED and not finding.minimal.where.runtimes:
        raise BadInput(
            f"finding '{finding.slug}': status is 'fixed': say in `runtimes` which show it, for example '<2.2'"
        )


def _said(table: Table, key: str, default: str | None = None) -> str:
    text = (table.text(key) if default is None else table.text(key, default)).strip()
    if (not text and text != default) or text.startswith("TODO"):
        raise table.error(key, "says nothing yet; write it")
    return text


def _one_of(table: Table, key: str, kind: type[enum.StrEnum]) -> Any:
    text = table.text(key)
    try:
        return kind(text)
    except ValueError as error:
        raise table.error(key, f"'{text}' is none of: {'; '.join(kind)}") from error


def _model(table: Table, where: Range) -> ModelFile:
    """A model that passes has no range; one that shows inherits the finding's, key by key."""
    name, purpose, what = table.text("name"), _one_of(table, "purpose", Purpose), _said(table, "what")
    outcome = table.text("outcome", "")
    wrong = table.integers("wrong", ()) if outcome else table.integers("wrong")
    if outcome not in ("", ABORTS):
        raise table.error("outcome", f"'{outcome}' is not {ABORTS}, the only outcome that is no wrong output")
    if outcome and wrong:
        raise table.error("outcome", f"a run that ends in {outcome} has no outputs; remove `wrong` or `outcome`")
    own = read_range(table)
    if own and not (wrong or outcome):
        raise table.error("runtimes", "a model that passes has no range; write one where `wrong` or `outcome` is")
    model = ModelFile(name, purpose, what, wrong, outcome, read_range(table, where) if wrong or outcome else EVERYWHERE)
    table.close()
    return model


def _source(table: Table) -> Source:
    source = Source(*(_said(table, key) for key in ("repo", "commit", "file", "where", "says")))
    table.close()
    return source


def _link(table: Table) -> Link:
    link = Link(_said(table, "url"), _said(table, "relation"))
    table.close()
    return link


# --- the seal ---------------------------------------------------------------------------------------


def sealed_files(folder: Path) -> list[Path]:
    """What the seal covers: everything in the folder but the manifest and the seal itself."""
    return sorted(
        p for p in folder.rglob("*") if p.is_file() and p.relative_to(folder).as_posix() not in (MANIFEST, SEAL)
    )


def write_seal(folder: Path) -> None:
    lines = [f"{sha256(p.read_bytes())}  {p.relative_to(folder).as_posix()}\n" for p in sealed_files(folder)]
    (folder / SEAL).write_text("".join(lines), encoding="utf-8")


def check_seal(finding: Finding) -> None:
    """Raise BadInput naming the first file that is not what was sealed, or evidence that is of another model."""
    folder = finding.folder
    restore = f"restore it from git, or measure anew with `repro finding measure {finding.slug}`"
    sealed: dict[str, str] = {}
    for line in _bytes(folder / SEAL, restore).decode().splitlines():
        digest, _, name = line.partition("  ")
        sealed[name] = digest
    present = {p.relative_to(folder).as_posix(): p for p in sealed_files(folder)}
    for name, digest in sealed.items():
        if name not in present:
            raise BadInput(f"finding '{finding.slug}' is refused: {name} is missing; {restore}")
        if sha256(present[name].read_bytes()) != digest:
            raise BadInput(f"finding '{finding.slug}' is refused: {name} is not the file that was sealed; {restore}")
    for name in present:
        if name not in sealed:
            raise BadInput(f"finding '{finding.slug}' is refused: {name} is not sealed; remove it or measure anew")
    _check_evidence(finding, restore)


def _check_evidence(finding: Finding, restore: str) -> None:
    """The evidence is canonical and is about these very models: a seal made anew does not launder an edit."""
    for name in (EVIDENCE, SAMPLE):
        if not is_canonical(_bytes(finding.folder / name, restore)):
            raise BadInput(f"finding '{finding.slug}' is refused: {name} was written by hand; {restore}")
    known = {m.name: sha256(finding.model_bytes(m)) for m in finding.models}
    records = finding.evidence_records()
    for model in finding.models:
        measured = [r for r in records if r["case"] == model.name]
        if model.shows and measured and not any(model.where.covers(r) for r in measured):
            raise BadInput(
                f"finding '{finding.slug}' is refused: '{model.name}' is claimed to show in {model.where} and the "
                f"evidence has no such cell; correct the range, or measure there"
            )
    for record in records:
        if known.get(record["case"]) != record["model_sha256"]:
            raise BadInput(
                f"finding '{finding.slug}' is refused: the evidence is about another '{record['case']}' than "
                f"models/{record['case']}.tflite; {restore}"
            )
    unmeasured = set(known) - {record["case"] for record in records}
    if unmeasured:
        raise BadInput(f"finding '{finding.slug}' is refused: no evidence about '{sorted(unmeasured)[0]}'; {restore}")


def _bytes(path: Path, remedy: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path.parent.name}/{path.name} cannot be read ({error.strerror}); {remedy}") from error
