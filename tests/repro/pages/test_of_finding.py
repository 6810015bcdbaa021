"""The page of a finding: every shipped one has one, with all that its report has."""

from __future__ import annotations

import pytest

from repro.findings import reader
from repro.pages.of_finding import finding_page
from repro.pages.page import Drawing, Table
from repro.pages.render import render
from runner.runtime_version import Numbering, numbering


@pytest.mark.parametrize("slug", reader.slugs())
def test_every_shipped_finding_has_a_page(slug: str):
    finding = reader.load(slug)
    page = finding_page(finding)
    assert page.answers[0].text == finding.title
    drawing, *samples = page.sections[0].blocks
    assert isinstance(drawing, Drawing)
    assert all(isinstance(sample, Table) for sample in samples)
    there = [kind for kind in Numbering if any(numbering(r["runtime"]) is kind for r in finding.evidence_records())]
    last = "LiteRT-LM" if Numbering.LITERT_LM in there else "LiteRT"
    assert [sample.caption.split(", ")[-1].split(" ")[0] for sample in samples][-1] == last
    assert len(samples) == 1 + ("over_opencl" in finding.sample())
    shown = next(section for section in page.sections if section.heading == "Where it shows").blocks
    assert [{numbering(heading) for heading in table.columns[2:]} for table in shown] == [{kind} for kind in there]
    tried = next(section for section in page.sections if section.heading == "Tried").blocks[0]
    assert isinstance(tried, Table)
    assert {row.cells[2].text for row in tried.rows} == {f"models/{model.name}.tflite" for model in finding.models}
    assert len(render(page).encode()) < 200_000
