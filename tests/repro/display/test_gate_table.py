"""A gate's report for people, programs and CI: the same checks in each."""

from __future__ import annotations

import io
import math

import pytest

from repro.display.console import Screen
from repro.display.gate_table import json_objects, junit_rows, missing_json, missing_row, show
from repro.layouts.result import GateAnswer, GateCheck, Report
from runner.run import Fingerprint

ON = Fingerprint("gpu:a", "2.3.0", {}, "driver 1", "adapter", "fp16", "")
CHECKS = (
    GateCheck("structure", "encoder", "", GateAnswer.PASS, "4 ops", detail="1 of [red]them[/] fused"),
    GateCheck("output", "head", "y[0]", GateAnswer.REFUSED, "FAIL [red]stale[/]", {"rmse": math.inf, "n": 2.0}),
    GateCheck("baseline", "", "", GateAnswer.NOTE, "none recorded"),
)


def report(fingerprint: Fingerprint | None = ON, size: int | None = 640) -> Report:
    return Report("split", "gpu:a", "fp16", size, fingerprint, CHECKS, 12.3456, 5.0, "weights seed:7")


def test_a_table_shows_every_check_between_what_was_gated_and_the_answer():
    console = Screen(file=io.StringIO(), width=160, color_system=None)
    show(console, report())
    assert isinstance(console.file, io.StringIO)
    head, titles, *rows, end = console.file.getvalue().splitlines()
    assert head == report().head().text
    assert titles.split() == ["check", "part", "tensor", "answer", "reason"]
    assert [row.split() for row in rows] == [
        ["structure", "encoder", "PASS", "4", "ops"],
        ["output", "head", "y[0]", "REFUSED", "FAIL", "[red]stale[/]"],
        ["baseline", "NOTE", "none", "recorded"],
    ]
    assert end == report().conclusion().text


def test_a_table_has_the_precise_numbers_only_where_they_are_asked_for():
    shown = {}
    for verbose in (False, True):
        console = Screen(file=io.StringIO(), width=160, color_system=None)
        show(console, report(), verbose)
        assert isinstance(console.file, io.StringIO)
        shown[verbose] = console.file.getvalue()
    assert "1 of [red]them[/] fused" not in shown[False]
    assert "4 ops [1 of [red]them[/] fused]" in shown[True]


def test_a_target_that_is_not_there_is_an_error_and_no_pass():
    row = missing_row("split", "adb", "no device")
    assert (row.suite, row.error, row.failure, row.skipped) == ("gate split adb", "no device", "", "")
    found = missing_json("split", "adb", "no device")
    assert (found["check"], found["passed"], found["missing"]) == ("summary", False, "no device")


def test_json_has_an_object_for_each_check_and_a_summary():
    *checks, summary = json_objects(report())
    assert [(c["check"], c["part"], c["tensor"], c["answer"]) for c in checks] == [
        ("structure", "encoder", "", "PASS"),
        ("output", "head", "y[0]", "REFUSED"),
        ("baseline", "", "", "NOTE"),
    ]
    assert checks[1]["numbers"] == {"rmse": None, "n": 2.0}, "JSON has no infinity"
    assert (summary["check"], summary["passed"], summary["refusals"]) == ("summary", False, 1)
    assert (summary["seconds"], summary["target_seconds"], summary["used"]) == (12.346, 5.0, "weights seed:7")
    for one in (*checks, summary):
        assert (one["layout"], one["size"], one["target"], one["precision"]) == ("split", 640, "gpu:a", "fp16")
        assert (one["adapter"], one["driver"], one["runtime"]) == ("adapter", "driver 1", "2.3.0")


def test_what_did_not_run_has_no_fingerprint_and_is_shown_all_the_same():
    (*_, summary) = json_objects(report(fingerprint=None))
    assert (summary["adapter"], summary["driver"], summary["runtime"]) == ("", "", "")


@pytest.mark.parametrize(("size", "suite"), [(640, "gate split gpu:a fp16 640"), (None, "gate split gpu:a fp16")])
def test_junit_fails_what_is_refused_and_skips_notes(size: int | None, suite: str):
    rows = list(junit_rows(report(size=size)))
    assert {row.suite for row in rows} == {suite}
    assert [row.name for row in rows] == ["structure encoder", "output head y[0] rmse n", "baseline"]
    assert [row.failure for row in rows] == ["", "FAIL [red]stale[/]", ""]
    assert [row.skipped for row in rows] == ["", "", "none recorded"]
