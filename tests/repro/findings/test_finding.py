"""Findings: what is shipped is sealed and renders to its report; claims are held against measurements."""

from __future__ import annotations

import pytest

from cases.findings.model import FindingModel
from cases.findings.registry import FINDING_MODELS
from cases.tflite.write import write_tflite
from repro.findings.finding import FindingStatus, ModelFile
from repro.findings.reader import load, slugs
from repro.findings.report import render_report
from repro.findings.seal import check_seal
from repro.findings.where import Range

SHIPPED = slugs()
REQUIRED = {
    "add-output-feeds-reduction",
    "conv-output-feeds-constant",
    "scaled-output-feeds-conv",
    "dfine-naive-enc-coord",
    "card-token-fanout",
    "same-operand-aborts",
    "output-before-elementwise",
}


def test_the_findings_that_were_promised_are_shipped():
    assert set(SHIPPED) >= REQUIRED


@pytest.mark.parametrize("slug", SHIPPED)
def test_a_shipped_finding_is_sealed_and_its_report_is_what_renders(slug):
    finding = load(slug)
    check_seal(finding)
    assert (finding.folder / "report.md").read_text(encoding="utf-8") == render_report(finding)


@pytest.mark.parametrize("slug", SHIPPED)
def test_the_cause_of_what_was_measured_here_is_traced_to_a_place_in_public_source(slug):
    finding = load(slug)
    assert finding.sources or finding.status is FindingStatus.REPORTED
    assert "not read" not in finding.cause_known


def claimed(model: ModelFile | FindingModel) -> tuple[object, ...]:
    return (model.purpose, model.what, model.wrong, model.outcome, model.over_opencl, model.in_browser, model.elsewhere)


def where(limits: Range | FindingModel) -> tuple[object, ...]:
    return (limits.runtimes, limits.litert_lm, limits.litert_js, limits.targets, limits.precisions)


@pytest.mark.parametrize("slug", SHIPPED)
def test_shipped_models_are_the_graphs_this_project_builds_and_claim_the_same(slug):
    finding = load(slug)
    known = {m.name: m for m in FINDING_MODELS[slug]}
    assert {m.name: (*claimed(m), *where(m.where)) for m in finding.models} == {
        m.name: (*claimed(m), *where(m)) for m in known.values()
    }
    for model in finding.models:
        build = known[model.name].build
        if build is not None:
            assert finding.model_bytes(model) == write_tflite(build())
