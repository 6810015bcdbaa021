"""Measuring a finding into its folder, and measuring it again to say what still holds.

Every model of a finding (the minimal one, its control, what was tried) is a subject of the matrix, so
evidence is a matrix like any other. A claim holds in a cell if exactly the outputs that the finding
names for that cell are wrong there (none outside the claimed range) and the control passes in the same cell.

An adapter presented under a Mali's name takes the delegate's Mali paths. One runtime of it is evidence
enough (the newest release that shows the bug), and its cells keep the full name, so that nobody reads
them as a Mali's.
"""

from __future__ import annotations

import enum
import functools
import itertools
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from cases.case import Case
from cases.findings.model import Purpose
from cases.findings.registry import FINDING_MODELS
from cases.inputs import FeedPlan, GivenFeeds, StandardFeeds
from cases.tflite.write import write_tflite
from cases.with_torch.convert import model_bytes
from repro.findings.finding import EVIDENCE, SAMPLE, WITH_ARRAYS, Finding, ModelFile
from repro.findings.seal import write_seal
from repro.matrix.document import to_document
from repro.matrix.measure import Environment, Measured, measure
from repro.matrix.record import Cell, CellRecord, EnvironmentRecord
from repro.matrix.rows import cell_of
from repro.records.canonical_json import canonical, finite_or_none
from repro.records.journal import Journal
from repro.trials.load import open_installed_cpu
from repro.verdicts.judge import judge
from repro.verdicts.references import OwnOps, float64_outputs
from repro.verdicts.subject import Subject, model_subject
from repro.verdicts.verdict import Status
from runner import targets
from runner.cache import write_atomically
from runner.errors import TargetUnavailable
from runner.run import Outcome, Precision, unwritten_mask
from runner.run import Run as RunRecord
from runner.runtime_version import is_release, version_order

COMPUTES_FP16_IN_FP32 = ("gpu:swiftshader",)
PRESENTED_AS = "Mali-G610"
SHOWN_VALUES = 6


def build_models(finding: Finding) -> None:
    """Write the .tflite files of a finding whose graphs this project knows; others keep the files they have."""
    known = {m.name: m for m in FINDING_MODELS.get(finding.slug, ())}
    for model in finding.models:
        source = known.get(model.name)
        if source is None:
            continue
        if source.build is not None:
            data = write_tflite(source.build())
        else:
            assert source.module is not None
            data = model_bytes(Case(f"findings/{finding.slug}-{model.name}", "findings", "", module=source.module))
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


def subject(finding: Finding, model: ModelFile) -> Subject:
    """A model of the finding as a subject of the matrix; the kept arrays are its first and third feed."""
    graph, plan = finding.graph(model), StandardFeeds(finding.seed)
    feeds: FeedPlan = plan
    if model.purpose in WITH_ARRAYS:
        first = finding.arrays(model, "inputs")
        second = plan.make([graph.tensors[name] for name in graph.inputs])[1]
        feeds = GivenFeeds((first, second, first), "kept with the finding")
    return model_subject(
        model.name,
        finding.model_bytes(model),
        feeds,
        OwnOps(open_installed_cpu),
        control_of=finding.minimal.name if model.purpose is Purpose.CONTROL else "",
        graph=graph,
    )


def measure_findings(
    chosen: Sequence[Finding],
    environments: Sequence[Environment],
    journal: Journal,
    *,
    named: Sequence[str] = (),
    again: bool = False,
    on_record: Callable[[CellRecord], None] = lambda record: None,
) -> list[Measured]:
    """Measure all models of the findings in all environments; one Measured per finding, in their order.

    named: targets that present another adapter name; each is measured in one runtime per finding
    (`named_runtime`). Each environment is started once for all findings, since starting one costs more
    than a model does.
    """
    plans = {finding.slug: list(environments) for finding in chosen}
    for finding in chosen:
        version = named_runtime(finding, [e.runtime for e in environments])
        plans[finding.slug] += [Environment(version, target) for target in named if version]
    order = list(dict.fromkeys(e for plan in plans.values() for e in plan))
    wholes: list[tuple[tuple[str, ...], Measured]] = []
    for together, group in itertools.groupby(order, key=lambda e: tuple(f.slug for f in chosen if e in plans[f.slug])):
        subjects = [_renamed(subject(f, model), f.slug) for f in chosen if f.slug in together for model in f.models]
        measured = measure(subjects, list(group), "both", journal, again=again, on_record=on_record)
        wholes.append((together, measured))
    return [
        _share([whole for together, whole in wholes if finding.slug in together], finding.slug) for finding in chosen
    ]


def named_runtime(finding: Finding, versions: Sequence[str]) -> str:
    """The newest release of `versions` in which the finding shows (of all, where it claims to show nowhere)."""
    candidates = [v for v in (finding.showing(versions) or versions) if is_release(v)]
    return max(candidates, key=version_order, default="")


def default_named() -> list[str]:
    """The best Vulkan adapter here presented as a Mali; none where there is no adapter."""
    usable = [info.name for info in targets.available() if info.usable and info.name.startswith("gpu:")]
    return [f"{usable[0]}@{PRESENTED_AS}"] if usable else []


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
    if not measured.records:
        raise TargetUnavailable(f"finding '{finding.slug}': no environment could run it; see `repro doctor`")
    document = to_document(measured.records, measured.environments, measured.unavailable)
    write_atomically(finding.folder / EVIDENCE, canonical(document))
    write_atomically(finding.folder / SAMPLE, canonical(_sample(finding, measured)))


def record_sample(finding: Finding) -> None:
    """Take the sample run anew, where the sealed evidence says that the bug shows. Raises TargetUnavailable."""
    evidence = finding.evidence()
    measured = Measured(tuple(finding.evidence_records()), tuple(evidence["environments"]), (), 0)
    write_atomically(finding.folder / SAMPLE, canonical(_sample(finding, measured)))


def host_line() -> str:
    """What a report may say of the machine: kind of system, processor and Python; nothing that tells machines apart."""
    try:
        system = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        system = platform.system()
    return f"{system}, {platform.machine()}, Python {platform.python_version()}"


def _sample(finding: Finding, measured: Measured) -> dict[str, Any]:
    """One run of the minimal model in numbers: what people quote, and what a maintainer compares first.

    In fp32 unless the bug is claimed for fp16 only.
    """
    environment = _shown_in(finding, measured)
    graph = finding.graph(finding.minimal)
    chosen = subject(finding, finding.minimal)
    precision = Precision(finding.precision)
    with targets.open_target(environment["target"], runtime=environment["runtime"]) as target:
        run = target.run(chosen.job(precision))
    with targets.open_target("cpu", runtime=environment["runtime"]) as cpu:
        healthy = cpu.run(chosen.job(Precision.FP32))
    expected = finding.arrays(finding.minimal, "expected")
    verdicts = {v.output: v for v in judge(run, chosen)}
    outputs = [
        _sample_output(index, name, expected[index], run, healthy, verdicts.get(index, verdicts.get(-1)))
        for index, name in enumerate(graph.outputs)
    ]
    return {
        "target": environment["target"],
        "runtime": environment["runtime"],
        "driver": environment["driver"],
        "precision": finding.precision,
        "host": host_line(),
        "outcome": str(run.outcome),
        "message": run.message,
        "outputs": outputs,
    }


def _shown_in(finding: Finding, measured: Measured) -> EnvironmentRecord:
    """The first target on which the minimal model is claimed to show, with the newest release in which it does.

    A nightly only where no release shows it, since a reader installs a release.
    """
    on_gpu = [e for e in measured.environments if e["target"].startswith("gpu")]
    cells = {
        (r["target"], r["runtime"])
        for r in measured.records
        if r["case"] == finding.minimal.name and finding.minimal.claimed(r)
    }
    showing = [e for e in on_gpu if (e["target"], e["runtime"]) in cells] or on_gpu
    return max(
        (e for e in showing if e["target"] == showing[0]["target"]),
        key=lambda e: (is_release(e["runtime"]), version_order(e["runtime"])),
    )


def _sample_output(
    index: int, name: str, expected: np.ndarray, run: RunRecord, healthy: RunRecord, verdict: Any
) -> dict[str, Any]:
    """One output in numbers; `actual` is None where the run ended without outputs."""
    actual = run.outputs[0][index] if run.outcome is Outcome.OK else None
    unwritten = int(unwritten_mask(actual).sum()) if actual is not None else 0
    return {
        "output": index,
        "name": name,
        "shape": list(expected.shape),
        "verdict": str(verdict.status),
        "signature": verdict.signature,
        "holds": verdict.holds,
        "expected": _first(expected),
        "actual": _first(actual) if actual is not None else None,
        "cpu": _first(healthy.outputs[0][index]) if healthy.outcome is Outcome.OK else None,
        "elements": int(expected.size),
        "unwritten": unwritten,
        "pearson": finite_or_none(verdict.metrics.get("pearson")),
        "max_abs": finite_or_none(verdict.metrics.get("max_abs")) if not unwritten else None,
    }


def _first(array: np.ndarray) -> list[float | None]:
    return [finite_or_none(float(v)) for v in array.ravel()[:SHOWN_VALUES]]


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
    environments: Sequence[Environment],
    scratch: Path,
    on_record: Callable[[CellRecord], None] = lambda record: None,
    named: Sequence[str] = (),
) -> list[Verified]:
    """Measure everything again, with an empty journal, and hold each cell against the claims and the evidence.

    One Verified a finding. scratch: folder for the throw-away journal. Raises TargetUnavailable where nothing
    can run here.
    """
    with Journal(scratch / "verify.sqlite") as journal:
        measured = measure_findings(chosen, environments, journal, named=named, on_record=on_record)
    for one in measured:
        if not one.records:
            raise TargetUnavailable(f"nothing can be verified here: {one.unavailable[0]['reason']}")
    return [
        Verified(
            tuple(claims(finding, one.records, finding.evidence_records())),
            tuple(f"LiteRT {u['runtime']} on {u['target']}: {u['reason']}" for u in one.unavailable),
        )
        for finding, one in zip(chosen, measured, strict=True)
    ]


def runtimes_to_verify(finding: Finding, installed: str) -> tuple[str, ...]:
    """The installed runtime, and where the bug is not claimed to show in it, the newest measured one that shows it.

    Without the second a finding of older runtimes would be confirmed by passing everywhere.
    """
    if not finding.minimal.shows or finding.minimal.where.has_runtime(installed):
        return (installed,)
    showing = finding.showing(r["runtime"] for r in finding.evidence_records())
    return (installed, *showing[-1:])


def claims(finding: Finding, records: Sequence[CellRecord], sealed: Sequence[CellRecord]) -> list[Claim]:
    """Compare records with what the finding claims and what its evidence says. Pure."""
    models = {m.name: m for m in finding.models}
    sick = {cell_of(r) for r in records if models[r["case"]].purpose is Purpose.CONTROL and wrong_outputs(r)}
    before = {(r["case"], *cell_of(r)): r for r in sealed}
    return [_claim(finding, models[r["case"]], r, before.get((r["case"], *cell_of(r))), sick) for r in records]


def wrong_outputs(record: CellRecord) -> tuple[int, ...]:
    """Indices of the outputs that are not PASS; (-1,) where the model did not run."""
    return tuple(o["output"] for o in record["outputs"] if o["verdict"] != Status.PASS)


def _claim(
    finding: Finding,
    model: ModelFile,
    record: CellRecord,
    sealed: CellRecord | None,
    sick: set[tuple[str, str, str]],
) -> Claim:
    wrong, claimed = wrong_outputs(record), model.claimed(record)
    make = functools.partial(Claim, model.name, model.what, record["runtime"], record["target"], record["precision"])
    failures = "; ".join(
        f"{o['name']} {o['verdict']} {o['signature']}".strip() for o in record["outputs"] if o["verdict"] != Status.PASS
    )
    if cell_of(record) in sick:
        return make(ClaimState.UNCLEAR, "the control fails in this cell too: the environment is broken, not the claim")
    if wrong == claimed and not (model.outcome and claimed and record["outputs"][0]["verdict"] != model.outcome):
        if sealed is not None and _signatures(sealed) != _signatures(record):
            other = ", ".join(_signatures(sealed))
            return make(ClaimState.HOLDS, f"{failures} (the evidence says {other}: what it holds may vary)")
        return make(ClaimState.HOLDS, failures or _passes(model))
    if not wrong:
        return make(
            ClaimState.FIXED, f"passes in LiteRT {record['runtime']}; the finding can be closed if every cell agrees"
        )
    if model.shows and not claimed:
        return make(ClaimState.CHANGED, f"claimed to pass outside {model.where}, found: {failures}")
    wanted = model.outcome or f"wrong: {list(model.wrong)}"
    return make(ClaimState.CHANGED, f"claimed {wanted}, found: {failures}")


def _passes(model: ModelFile) -> str:
    return f"passes, as claimed outside {model.where}" if model.shows else "passes, as claimed"


def _signatures(record: CellRecord) -> list[str]:
    return [o["signature"] or o["verdict"] for o in record["outputs"] if o["verdict"] != Status.PASS]


def seal(finding: Finding, report: str) -> None:
    """Write the rendered report and seal the folder: the last step of measuring."""
    write_atomically(finding.folder / "report.md", report.encode())
    write_seal(finding.folder)
