"""The documentation's examples: their files are what the code writes, each passes the gate, and its control fails."""

from __future__ import annotations

from types import ModuleType

import pytest

from repro.layouts.gate import gate
from repro.layouts.reader import read_layout
from repro.layouts.result import GateAnswer
from repro.layouts.structure import BANNED
from runner.run import Precision
from tests.repro.layouts import detector, encoder_decoder, two_graphs
from tests.repro.layouts.gating import EXAMPLE, refusals, run_gate

EXAMPLES = {"two_graphs": two_graphs, "detector": detector, "encoder_decoder": encoder_decoder}
CONTROLS = {"two_graphs": "features", "detector": "memory"}


@pytest.mark.parametrize(("name", "source"), EXAMPLES.items())
def test_the_committed_files_are_what_the_code_writes(name: str, source: ModuleType):
    folder = EXAMPLE.parent / name
    files = source.files()
    assert {path.name for path in folder.glob("*.tflite")} == set(files)
    for file, data in files.items():
        assert (folder / file).read_bytes() == data, file


def test_every_example_is_known_here():
    assert {path.name for path in EXAMPLE.parent.iterdir()} == set(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_passes_without_a_delegate(name: str, cpu):
    report = run_gate(EXAMPLE.parent / name, cpu)
    assert report.passed, report.refusals
    assert {check.answer for check in report.checks if check.kind == "chain"} == {GateAnswer.PASS}


def test_the_detector_cannot_be_run_whole_and_that_is_why_it_is_split():
    assert {op.kind for op in detector.whole().ops} & set(BANNED) == {"TOPK_V2", "GATHER"}


@pytest.mark.slow
@pytest.mark.gpu
@pytest.mark.parametrize("precision", list(Precision))
@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_passes_on_the_delegate_and_its_control_fails_there(name: str, precision: Precision, gpu):
    report = gate(read_layout(EXAMPLE.parent / name / "split.toml"), gpu, precision, None, lambda text: None)
    assert report.passed, report.refusals
    (control,) = [check for check in report.checks if check.kind == "control"]
    assert control.answer is (GateAnswer.PASS if name in CONTROLS else GateAnswer.NOTE)
    assert control.tensor == CONTROLS.get(name, "")


@pytest.mark.slow
@pytest.mark.gpu
def test_the_naive_detector_is_refused_for_the_memory_and_for_lost_detections(gpu):
    report = run_gate(EXAMPLE.parent / "detector", gpu, "naive.toml")
    assert ("output", "encoder", "memory") in refusals(report)
    assert ("structure", "encoder", "memory") in refusals(report)
    assert any(check.kind == "chain" for check in report.refusals)
