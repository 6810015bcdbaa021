"""The page of a finding: every shipped one has one, with all that its report has."""

from __future__ import annotations

import pytest

from repro.findings import reader
from repro.pages.of_finding import finding_page
from repro.pages.page import Drawing, Table
from repro.pages.render import render


@pytest.mark.parametrize("slug", reader.slugs())
def test_every_shipped_finding_has_a_page(slug: str):
    finding = reader.load(slug)
    page = finding_page(finding)
    assert page.answers[0].text == finding.title
    drawing, sample = page.sections[0].blocks
    assert isinstance(drawing, Drawing)
    assert isinstance(sample, Table)
    tried = next(section for section in page.sections if section.heading == "Tried").blocks[0]
    assert isinstance(tried, Table)
    assert {row.cells[2].text for row in tried.rows} == {f"models/{model.name}.tflite" for model in finding.models}
    assert len(render(page).encode()) < 200_000
