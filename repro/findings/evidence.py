"""Measuring a finding into its folder, and measuring it again to say what still holds.

Every model of a finding (the minimal one, its control, what was tried) is a subject of the matrix, so
evidence is a matrix like any other. A claim holds in a cell if exactly the outputs that the finding
names for that cell are wrong there (none outside the claimed range) and the control passes in the same cell.

`repro.findings.environments` says where that is, `repro.findings.sample` keeps one run of it in numbers.
"""

from __future__ import annotations

import enum
import functools
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cases.case import Case
from cases.findings.model import Purpose
from cases.findings.registry import FINDING_MODELS
from cases.inputs import StandardFeeds
from cases.tflite.write import write_tflite
from cases.with_torch.convert import has_converter, is_converted, model_bytes
from repro.findings.environments import Plans
from repro.findings.finding import EVIDENCE, SAMPLE, WITH_ARRAYS, Finding, ModelFile
from repro.findings.sample import sample_of
from repro.findings.seal import write_seal
from repro.findings.subject import subject
from repro.matrix.document import to_document
from repro.matrix.measure import Measured, measure
from repro.matrix.record import Cell, CellRecord
from repro.matrix.rows import cell_of
from repro.records.canonical_json import canonical
from repro.records.journal import Journal
from repro.verdicts.references import float64_outputs
from repro.verdicts.subject import Subject
from repro.verdicts.verdict import Status
from runner.cache import write_atomically
from runner.errors import BadInput, TargetUnavailable
from runner.opencl.android_runtime import is_android
from runner.runtime_version import numbering, spoken, version_order


def build_models(finding: Finding) -> None:
    """Write the .tflite files of a finding whose graphs this project knows; others keep the files they have.

    So does what a torch module was converted to, where there is no converter.
    """
    known = {m.name: m for m in FINDING_MODELS.get(finding.slug, ())}
    for model in finding.models:
        source = known.get(model.name)
        if source is None:
            continue
        if source.build is not None:
            data = write_tflite(source.build())
        else:
            assert source.module is not None
            case = Case(f"findings/{finding.slug}-{model.name}", "findings", "", module=source.module)
            if finding.model_path(model).is_file() and not (has_converter() or is_converted(case)):
                continue
            data = model_bytes(case)
        write_atomically(finding.model_path(model), data)


def write_arrays(finding: Finding) -> None:
    """Raw inputs (the first standard feed) and expected outputs (float64, rounded to the file's type)."""
    for model in finding.models:
        if model.purpose in WITH_ARRAYS:
            graph = finding.graph(model)
            feed = StandardFeeds(finding.seed).make([graph.tensors[n] for n in graph.inputs])[0]
            (expected,) = float64_outputs(graph, (feed,))
            for kind, arrays, names in (("inputs", feed, graph.inputs), ("expected", expected, graph.outputs)):
                for index, (array, name) in enumerate(zip(arrays, names, strict=True)):
                    dtype = np.dtype(graph.tensors[name].dtype).newbyteorder("<")
                    write_atomically(finding.array_path(model, kind, index), np.asarray(array, dtype).tobytes())


def measure_findings(
    chosen: Sequence[Finding],
    plans: Plans,
    journal: Journal,
    *,
    again: bool = False,
    on_record: Callable[[CellRecord], None] = lambda record: None,
) -> list[Measured]:
    """Measure all models of the findings in the environments of their plans; one Measured per finding, in their order.

    Each environment is started once for all findings, since starting one costs more than a model does.
    """
    order = list(dict.fromkeys(e for finding in chosen for e in plans[finding.slug]))
    wholes: list[tuple[tuple[str, ...], Measured]] = []
    for together, group in itertools.groupby(order, key=lambda e: tuple(f.slug for f in chosen if e in plans[f.slug])):
        subjects = [_renamed(subject(f, model), f.slug) for f in chosen if f.slug in together for model in f.models]
        measured = measure(subjects, list(group), "both", journal, again=again, on_record=on_record)
        wholes.append((together, measured))
    return [
        _share([whole for together, whole in wholes if finding.slug in together], finding.slug) for finding in chosen
    ]


def _renamed(one: Subject, slug: str) -> Subject:
    """Two findings may each have a `minimal`: the slug keeps them apart while they are measured together."""
    control_of = f"{slug}/{one.control_of}" if one.control_of else ""
    return replace(one, name=f"{slug}/{one.name}", control_of=control_of)


def _share(wholes: Sequence[Measured], slug: str) -> Measured:
    """What of the measurements belongs to one finding, under the models' own names, and may enter its evidence."""
    mine = [r for whole in wholes for r in whole.records if r["case"].startswith(f"{slug}/")]
    own: list[CellRecord] = [
        {**r, "case": r["case"].removeprefix(f"{slug}/"), "control_of": r["control_of"].removeprefix(f"{slug}/")}
        for r in mine
    ]
    return Measured(
        tuple(own),
        tuple(e for whole in wholes for e in whole.environments),
        tuple(e for whole in wholes for e in whole.unavailable),
        sum(whole.cached for whole in wholes),
        tuple(one for whole in wholes for one in whole.unfit),
    ).believed()


def record_evidence(finding: Finding, measured: Measured) -> None:
    """Write evidence/, inputs/ and expected/; the report and the seal are the caller's next steps.

    Raises TargetUnavailable where nothing was measured.
    """
    _write_matrix(finding, measured)
    write_atomically(finding.folder / SAMPLE, canonical(sample_of(finding, measured)))


def add_evidence(finding: Finding, measured: Measured) -> None:
    """Write what was measured beside the evidence that is there, whose environments it replaces where it has them too.

    The sample stays, unless the finding was never measured over OpenCL before. Raises BadInput where the evidence is
    that of another file, TargetUnavailable where nothing was measured.
    """
    _write_matrix(finding, beside(measured, finding))
    if "over_opencl" not in finding.sample() and any(is_android(e["runtime"]) for e in measured.environments):
        record_sample(finding)


def beside(measured: Measured, finding: Finding) -> Measured:
    """What was measured, and what the evidence of a finding holds of other environments. Raises BadInput."""
    before = finding.evidence()
    hashes = {record["case"]: record["model_sha256"] for record in measured.records}
    new = {(e["target"], e["runtime"]) for e in measured.environments}
    kept = [r for r in finding.evidence_records() if (r["target"], r["runtime"]) not in new]
    if changed := sorted({r["case"] for r in kept if hashes.get(r["case"], r["model_sha256"]) != r["model_sha256"]}):
        raise BadInput(
            f"finding '{finding.slug}': the evidence is that of another {changed[0]}.tflite; "
            "measure it whole, without --add"
        )
    return Measured(
        (*kept, *measured.records),
        (*(e for e in before["environments"] if (e["target"], e["runtime"]) not in new), *measured.environments),
        (*(u for u in before["unavailable"] if (u["target"], u["runtime"]) not in new), *measured.unavailable),
        measured.cached,
    )


def _write_matrix(finding: Finding, measured: Measured) -> None:
    if not measured.records:
        raise TargetUnavailable(f"finding '{finding.slug}': no environment could run it; see `repro doctor`")
    document = to_document(measured.records, measured.environments, measured.unavailable)
    write_atomically(finding.folder / EVIDENCE, canonical(document))


def record_sample(finding: Finding) -> None:
    """Take the sample run anew, where the sealed evidence says that the bug shows. Raises TargetUnavailable."""
    evidence = finding.evidence()
    measured = Measured(tuple(finding.evidence_records()), tuple(evidence["environments"]), (), 0)
    write_atomically(finding.folder / SAMPLE, canonical(sample_of(finding, measured)))


# --- verifying ----------------------------------------------------------------------------------------


class ClaimState(enum.StrEnum):
    """What measuring a claim again has shown."""

    HOLDS = "holds"
    FIXED = "fixed"
    """The bug is gone."""
    CHANGED = "changed"
    """Something else shows than what is claimed."""
    UNCLEAR = "unclear"
    """A control fails in the same cell, so that the cell says nothing."""


@dataclass(frozen=True)
class Claim:
    """One claim in one cell, measured again. said: what was seen, in one line."""

    model: str
    what: str
    runtime: str
    target: str
    precision: str
    state: ClaimState
    said: str

    @property
    def cell(self) -> Cell:
        return {"runtime": self.runtime, "target": self.target, "precision": self.precision}


@dataclass(frozen=True)
class Verified:
    """The claims of one finding measured again, and the lines saying what could not be measured."""

    claims: tuple[Claim, ...]
    missing: tuple[str, ...]


def verify(
    chosen: Sequence[Finding],
    plans: Plans,
    scratch: Path,
    on_record: Callable[[CellRecord], None] = lambda record: None,
) -> list[Verified]:
    """Measure everything again, with an empty journal, and hold each cell against the claims and the evidence.

    One Verified a finding. scratch: folder for the throw-away journal. Raises TargetUnavailable where nothing
    can run here.
    """
    with Journal(scratch / "verify.sqlite") as journal:
        measured = measure_findings(chosen, plans, journal, on_record=on_record)
    for one in measured:
        if not one.records:
            raise TargetUnavailable(f"nothing can be verified here: {one.unavailable[0]['reason']}")
    return [
        Verified(
            tuple(claims(finding, one.records, finding.evidence_records())),
            tuple(f"{spoken(u['runtime'])} on {u['target']}: {u['reason']}" for u in one.unavailable),
        )
        for finding, one in zip(chosen, measured, strict=True)
    ]


def claims(finding: Finding, records: Sequence[CellRecord], sealed: Sequence[CellRecord]) -> list[Claim]:
    """Compare records with what the finding claims and what its evidence says. Pure."""
    models = {m.name: m for m in finding.models}
    sick = {cell_of(r) for r in records if models[r["case"]].purpose is Purpose.CONTROL and wrong_outputs(r)}
    before = {(r["case"], *cell_of(r)): r for r in sealed}
    newest = _newest(records)
    taken = {(r["case"], r["target"]) for r in records if r["runtime"] in newest and not _is_refused(r)}
    return [
        _claim(
            finding,
            models[r["case"]],
            r,
            before.get((r["case"], *cell_of(r))),
            sick,
            taken_later=r["runtime"] not in newest and (r["case"], r["target"]) in taken,
        )
        for r in records
    ]


def _newest(records: Sequence[CellRecord]) -> set[str]:
    """The newest runtime of each numbering that was measured."""
    versions = {r["runtime"] for r in records}
    numberings = {numbering(version) for version in versions}
    return {max((v for v in versions if numbering(v) is one), key=version_order) for one in numberings}


def _is_refused(record: CellRecord) -> bool:
    return record["outputs"][0]["verdict"] == Status.REFUSED


def wrong_outputs(record: CellRecord) -> tuple[int, ...]:
    """Indices of the outputs that are not PASS; (-1,) where the model did not run."""
    return tuple(o["output"] for o in record["outputs"] if o["verdict"] != Status.PASS)


def _claim(
    finding: Finding,
    model: ModelFile,
    record: CellRecord,
    sealed: CellRecord | None,
    sick: set[tuple[str, str, str]],
    taken_later: bool,
) -> Claim:
    """taken_later: whether the newest release measured there takes the model, and this is an older one."""
    wrong, claimed = wrong_outputs(record), model.claimed(record)
    make = functools.partial(Claim, model.name, model.what, record["runtime"], record["target"], record["precision"])
    failures = "; ".join(
        f"{o['name']} {o['verdict']} {o['signature']}".strip() for o in record["outputs"] if o["verdict"] != Status.PASS
    )
    if cell_of(record) in sick:
        return make(ClaimState.UNCLEAR, "the control fails in this cell too: the environment is broken, not the claim")
    if model.races(record) and set(wrong) <= set(model.wrong):
        return make(ClaimState.HOLDS, failures or f"right here; two accesses race {_outside(model, record)}")
    ends = model.ends(record)
    if wrong == claimed and not (ends and record["outputs"][0]["verdict"] != ends):
        if sealed is not None and _signatures(sealed) != _signatures(record):
            other = ", ".join(_signatures(sealed))
            return make(ClaimState.HOLDS, f"{failures} (the evidence says {other}: what it holds may vary)")
        return make(ClaimState.HOLDS, failures or _passes(model, record))
    if _is_refused(record) and taken_later:
        return make(ClaimState.HOLDS, f"{failures}: this release takes no such graph yet")
    if _is_refused(record) and model.shows and not model.where.covers(record):
        return make(ClaimState.HOLDS, f"{failures}: refused aloud {_outside(model, record)}")
    if not wrong:
        return make(
            ClaimState.FIXED, f"passes in {spoken(record['runtime'])}; the finding can be closed if every cell agrees"
        )
    if model.shows and not claimed:
        return make(ClaimState.CHANGED, f"claimed to pass {_outside(model, record)}, found: {failures}")
    wanted = ends or f"wrong: {list(claimed)}"
    return make(ClaimState.CHANGED, f"claimed {wanted}, found: {failures}")


def _passes(model: ModelFile, record: CellRecord) -> str:
    return f"passes, as claimed {_outside(model, record)}" if model.shows else "passes, as claimed"


def _outside(model: ModelFile, record: CellRecord) -> str:
    if not model.where.covers(record):
        return f"outside {model.where}"
    return numbering(record["runtime"]).where


def _signatures(record: CellRecord) -> list[str]:
    return [o["signature"] or o["verdict"] for o in record["outputs"] if o["verdict"] != Status.PASS]


def seal(finding: Finding, report: str) -> None:
    """Write the rendered report and seal the folder: the last step of measuring."""
    write_atomically(finding.folder / "report.md", report.encode())
    write_seal(finding.folder)
