"""Measuring a finding into its folder, and measuring it again to say what still holds.

Every model of a finding (the minimal one, its control, what was tried) is a subject of the matrix, so
evidence is a matrix like any other. A claim holds in a cell if exactly the outputs that the finding
names are wrong there and the control passes in the same cell.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from cases import inputs
from cases.case import Case
from cases.convert import model_bytes
from cases.finding_models import FINDING_MODELS, Purpose
from cases.tflite_read import read_tflite
from cases.tflite_write import write_tflite
from repro import matrix, matrix_rows, matrix_subjects
from repro.canonical import canonical
from repro.check import float64_references
from repro.finding import EVIDENCE, SAMPLE, WITH_ARRAYS, Finding, Model, Status, write_seal
from repro.journal import Journal
from repro.json_lines import finite_or_none
from repro.matrix_document import to_document
from repro.verdict import Status as Judged
from runner import targets
from runner.cache import write_atomically
from runner.errors import TargetUnavailable
from runner.run import Feed, Job, Outcome, Precision, unwritten_mask
from runner.run import Run as RunRecord

COMPUTES_FP16_IN_FP32 = ("gpu:swiftshader",)
SHOWN_VALUES = 6


def build_models(finding: Finding) -> None:
    """Write the .tflite files of a finding whose graphs this project knows; others keep the files they have."""
    known = {m.name: m for m in FINDING_MODELS[finding.slug]()} if finding.slug in FINDING_MODELS else {}
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
            feed = inputs.standard_feeds([graph.tensors[n] for n in graph.inputs], finding.seed, "gaussian")[0]
            (expected,) = float64_references(graph, (feed,))
            for kind, arrays, names in (("inputs", feed, graph.inputs), ("expected", expected, graph.outputs)):
                for index, (array, name) in enumerate(zip(arrays, names, strict=True)):
                    dtype = np.dtype(graph.tensors[name].dtype).newbyteorder("<")
                    write_atomically(finding.array_path(model, kind, index), np.asarray(array, dtype).tobytes())


def subject(finding: Finding, model: Model) -> matrix_subjects.Subject:
    """A model of the finding as a subject of the matrix; the kept arrays are its first and third feed."""
    data = finding.model_bytes(model)
    graph = read_tflite(data, model.name)
    declared = [graph.tensors[n] for n in graph.inputs]
    plan: tuple[Feed, ...] = inputs.standard_feeds(declared, finding.seed, "gaussian")
    if model.purpose in WITH_ARRAYS:
        first = finding.arrays(model, "inputs")
        plan = (first, plan[1], first)
    healthy = model.purpose is Purpose.CONTROL
    return matrix_subjects.model_subject(
        model.name, data, feeds=plan, control_of=finding.minimal.name if healthy else ""
    )


def measure(
    chosen: Sequence[Finding],
    environments: Sequence[matrix.Environment],
    journal: Journal,
    *,
    again: bool = False,
    on_record: Callable[[matrix.Record], None] = lambda record: None,
) -> list[matrix.Measured]:
    """Measure all models of the findings in all environments; one Measured a finding, in their order.

    Each environment is started once for all findings, since starting one costs more than a model does.
    """
    together = [_renamed(subject(finding, model), finding.slug) for finding in chosen for model in finding.models]
    whole = matrix.measure(together, environments, "both", journal, again=again, on_record=on_record)
    return [_share(whole, finding.slug) for finding in chosen]


def _renamed(one: matrix_subjects.Subject, slug: str) -> matrix_subjects.Subject:
    """Two findings may each have a `minimal`: the slug keeps them apart while they are measured together."""
    control_of = f"{slug}/{one.control_of}" if one.control_of else ""
    return replace(one, name=f"{slug}/{one.name}", control_of=control_of)


def _share(whole: matrix.Measured, slug: str) -> matrix.Measured:
    """What of a measurement belongs to one finding, under the models' own names."""
    mine = [r for r in whole.records if r["case"].startswith(f"{slug}/")]
    own = [{**r, **{k: r[k].removeprefix(f"{slug}/") for k in ("case", "control_of")}} for r in mine]
    return replace(whole, records=tuple(own))


def record_evidence(finding: Finding, measured: matrix.Measured) -> None:
    """Write evidence/, inputs/ and expected/; the report and the seal are the caller's next steps.

    Raises TargetUnavailable where nothing was measured.
    """
    if not measured.records:
        raise TargetUnavailable(f"finding '{finding.slug}': no environment could run it; see `repro doctor`")
    document = to_document(measured.records, measured.environments, measured.unavailable)
    write_atomically(finding.folder / EVIDENCE, canonical(document))
    write_atomically(finding.folder / SAMPLE, canonical(_sample(finding, measured)))


def _sample(finding: Finding, measured: matrix.Measured) -> dict[str, Any]:
    """One fp32 run of the minimal model in numbers: what people quote, and what a maintainer compares first."""
    environment = next(e for e in measured.environments if e["target"].startswith("gpu"))
    graph = finding.graph(finding.minimal)
    chosen = subject(finding, finding.minimal)
    with targets.open_target(environment["target"], runtime=environment["runtime"]) as target:
        run = target.run(Job(chosen.model, chosen.feeds(), Precision.FP32, finding.slug))
    with targets.open_target("cpu", runtime=environment["runtime"]) as cpu:
        healthy = cpu.run(Job(chosen.model, chosen.feeds(), Precision.FP32, finding.slug))
    expected = finding.arrays(finding.minimal, "expected")
    verdicts = {v.output: v for v in chosen.judge(run)}
    outputs = [
        _sample_output(index, name, expected[index], run, healthy, verdicts[index])
        for index, name in enumerate(graph.outputs)
        if run.outcome is Outcome.OK
    ]
    return {
        "target": environment["target"],
        "runtime": environment["runtime"],
        "driver": environment["driver"],
        "precision": "fp32",
        "outcome": str(run.outcome),
        "message": run.message,
        "outputs": outputs,
    }


def _sample_output(
    index: int, name: str, expected: np.ndarray, run: RunRecord, healthy: RunRecord, verdict: Any
) -> dict[str, Any]:
    actual = run.outputs[0][index]
    unwritten = int(unwritten_mask(actual).sum())
    return {
        "output": index,
        "name": name,
        "shape": list(actual.shape),
        "verdict": str(verdict.status),
        "signature": verdict.signature,
        "holds": verdict.holds,
        "expected": _first(expected),
        "actual": _first(actual),
        "cpu": _first(healthy.outputs[0][index]) if healthy.outcome is Outcome.OK else None,
        "elements": int(actual.size),
        "unwritten": unwritten,
        "pearson": finite_or_none(verdict.metrics.get("pearson")),
        "max_abs": finite_or_none(verdict.metrics.get("max_abs")) if not unwritten else None,
    }


def _first(array: np.ndarray) -> list[float | None]:
    return [finite_or_none(float(v)) for v in array.ravel()[:SHOWN_VALUES]]


# --- verifying ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Claim:
    """One claim in one cell, measured again. state: `holds`, `fixed`, `changed` or `unclear`; said: one line."""

    model: str
    what: str
    runtime: str
    target: str
    precision: str
    state: str
    said: str


def verify(
    chosen: Sequence[Finding],
    environments: Sequence[matrix.Environment],
    scratch: Path,
    on_record: Callable[[matrix.Record], None] = lambda record: None,
) -> list[list[Claim]]:
    """Measure everything again, with an empty journal, and hold each cell against the claims and the evidence.

    One list a finding. scratch: folder for the throw-away journal. Raises TargetUnavailable where nothing
    can run here.
    """
    with Journal(scratch / "verify.jsonl") as journal:
        measured = measure(chosen, environments, journal, on_record=on_record)
    for one in measured:
        if not one.records:
            raise TargetUnavailable(f"nothing can be verified here: {one.unavailable[0]['reason']}")
    return [
        claims(finding, one.records, finding.evidence_records()) for finding, one in zip(chosen, measured, strict=True)
    ]


def claims(finding: Finding, records: Sequence[matrix.Record], sealed: Sequence[Mapping[str, Any]]) -> list[Claim]:
    """Compare records with what the finding claims and what its evidence says. Pure."""
    models = {m.name: m for m in finding.models}
    sick = {
        matrix_rows.cell_of(r) for r in records if models[r["case"]].purpose is Purpose.CONTROL and wrong_outputs(r)
    }
    before = {(r["case"], *matrix_rows.cell_of(r)): r for r in sealed}
    return [
        _claim(finding, models[r["case"]], r, before.get((r["case"], *matrix_rows.cell_of(r))), sick) for r in records
    ]


def wrong_outputs(record: Mapping[str, Any]) -> tuple[int, ...]:
    """Indices of the outputs that are not PASS; (-1,) where the model did not run."""
    return tuple(o["output"] for o in record["outputs"] if o["verdict"] != Judged.PASS)


def _claim(
    finding: Finding,
    model: Model,
    record: Mapping[str, Any],
    sealed: Mapping[str, Any] | None,
    sick: set[tuple[str, str, str]],
) -> Claim:
    found = wrong_outputs(record)
    make = functools.partial(Claim, model.name, model.what, record["runtime"], record["target"], record["precision"])
    said = "; ".join(
        f"{o['name']} {o['verdict']} {o['signature']}".strip() for o in record["outputs"] if o["verdict"] != Judged.PASS
    )
    if matrix_rows.cell_of(record) in sick:
        return make("unclear", "the control fails in this cell too: the environment is broken, not the claim")
    if found == model.wrong:
        if sealed is not None and _signatures(sealed) != _signatures(record):
            return make("holds", f"{said} (the evidence says {', '.join(_signatures(sealed))}: what it holds may vary)")
        return make("holds", said or "passes, as claimed")
    if not found and finding.status is Status.CONFIRMED:
        return make("fixed", f"passes in LiteRT {record['runtime']}; the finding can be closed if every cell agrees")
    if sealed is not None and wrong_outputs(sealed) == found:
        return make("holds", f"{said or 'passes'}, as the evidence says of this cell")
    return make("changed", f"claimed wrong: {list(model.wrong)}, found: {said or 'all outputs pass'}")


def _signatures(record: Mapping[str, Any]) -> list[str]:
    return [o["signature"] or o["verdict"] for o in record["outputs"] if o["verdict"] != Judged.PASS]


def seal(finding: Finding, report: str) -> None:
    """Write the rendered report and seal the folder: the last step of measuring."""
    write_atomically(finding.folder / "report.md", report.encode())
    write_seal(finding.folder)
