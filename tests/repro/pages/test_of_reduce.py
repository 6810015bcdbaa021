"""The page of a reduction: the graph drawn, the steps in order, whether more is to be had."""

from __future__ import annotations

from repro.pages.page import Drawing, Table
from repro.records.lines import Tone
from tests.repro.pages.samples import HOSTILE, of_reduce


def test_the_graph_the_steps_and_an_end_before_its_time():
    page = of_reduce()
    assert page.answers[0].text.startswith("2 ops with the same failure")
    assert page.answers[0].tone is Tone.WARN
    assert "the same command goes on" in page.answers[-1].text
    assert isinstance(page.sections[0].blocks[0], Drawing)
    steps = page.sections[2].blocks[0]
    assert isinstance(steps, Table)
    assert [cell.text for cell in steps.rows[0].cells][:2] == ["0001", "2"]
    assert steps.rows[0].cells[-1].text == HOSTILE
