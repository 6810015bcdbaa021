"""The gate refuses each kind of broken layout with its own reason, and says which tensor it is about."""

from __future__ import annotations

import pytest

from cases.tflite.write import write_tflite
from repro.layouts.result import GateAnswer
from tests.repro.layouts import two_graphs
from tests.repro.layouts.gating import EXAMPLE, refusals, run_gate


@pytest.mark.gpu
def test_the_example_passes_and_its_control_fails(gpu):
    report = run_gate(EXAMPLE, gpu)
    assert report.passed, report.refusals
    assert [c.kind for c in report.checks if c.answer is GateAnswer.PASS] == [
        *["structure"] * 2,
        *["residency"] * 2,
        *["output"] * 3,
        "chain",
        "control",
    ]
    (control,) = [c for c in report.checks if c.kind == "control"]
    assert control.tensor == "features"


@pytest.mark.gpu
def test_a_hazard_is_refused_by_structure_and_by_the_output(gpu):
    report = run_gate(EXAMPLE, gpu, "naive.toml")
    assert ("structure", "encoder", "features") in refusals(report)
    assert ("output", "encoder", "features") in refusals(report)
    assert ("output", "encoder", "summary") not in refusals(report)
    assert ("output", "head", "y") not in refusals(report), "a broken encoder must not blame the head"
    assert ("chain", "chain", "y") in refusals(report)
    assert not any("every graph is right" in check.reason for check in report.checks)
    assert "hazard add-reduce" in report.refusals[0].reason


@pytest.mark.gpu
def test_an_op_that_only_the_cpu_has_is_refused(example, gpu):
    graph = two_graphs.with_op_before(two_graphs.head(), "y", "LOG_SOFTMAX")
    (example / "head.tflite").write_bytes(write_tflite(graph))
    report = run_gate(example, gpu)
    assert ("residency", "head", "") in refusals(report)
    assert "LOG_SOFTMAX" in next(c.reason for c in report.refusals if c.kind == "residency")
    assert "head did not run" in next(c.reason for c in report.refusals if c.kind == "chain")


@pytest.mark.gpu
def test_a_control_that_passes_is_refused_loudly(example, gpu):
    """The control is replaced by a healthy encoder under the naive name."""
    (example / "naive_encoder.tflite").write_bytes(write_tflite(two_graphs.encoder(factor=1.0)))
    report = run_gate(example, gpu)
    assert refusals(report) == [("control", "naive.toml", "features")]
    assert "THE CONTROL PASSES" in report.refusals[0].reason
    assert "the workaround can go" in report.refusals[0].reason


@pytest.mark.gpu
def test_a_control_that_cannot_run_is_no_control(example, gpu):
    graph = two_graphs.with_op_before(two_graphs.naive_encoder(), "features", "LOG_SOFTMAX")
    (example / "naive_encoder.tflite").write_bytes(write_tflite(graph))
    report = run_gate(example, gpu)
    assert refusals(report) == [("control", "naive.toml", "")]
    assert "could not run" in report.refusals[0].reason
