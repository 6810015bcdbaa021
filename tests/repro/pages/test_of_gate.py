"""The page of a gate: refused or passed on top, refusals first, numbers and maps beside them."""

from __future__ import annotations

import dataclasses

from repro.layouts.result import GateAnswer, GateCheck, Report
from repro.pages.of_gate import gate_page
from repro.pages.page import Facts, HeatMap, Table, Text
from repro.records.lines import Tone
from tests.repro.pages.samples import ON, heat

CHECKS = (
    GateCheck("structure", "encoder", "", GateAnswer.PASS, "4 ops"),
    GateCheck("output", "head", "y", GateAnswer.REFUSED, "FAIL stale", {"rmse": 0.5}, heat()),
)
REPORT = Report("split", "gpu:a", "fp16", 640, ON, CHECKS, 12.3, 5.0)


def test_refusals_come_first_with_their_numbers_and_their_map():
    page = gate_page([REPORT], "repro gate split.toml")
    assert page.answers[0] == Text("REFUSED: split", Tone.BAD)
    table = page.sections[0].blocks[0]
    assert isinstance(table, Table)
    assert [row.tags[1] for row in table.rows] == ["REFUSED", "PASS"]
    assert [type(block) for block in table.rows[0].details] == [HeatMap, Facts]
    assert table.rows[0].details[1] == Facts((("rmse", "0.5"),))
    assert table.rows[0].tags[3] == "gpu:a fp16 at 640"


def test_a_gate_that_passed_says_so_and_one_that_ran_nothing_has_a_page():
    passed = dataclasses.replace(REPORT, checks=CHECKS[:1], fingerprint=None, size=None)
    page = gate_page([passed], "repro gate split.toml")
    assert page.answers[0] == Text("PASSED: split", Tone.GOOD)
    assert page.sections[1].blocks == ()
