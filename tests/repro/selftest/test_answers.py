"""What the delegate answers, cell by cell: one answer from several, and the reason inside a refusal."""

from __future__ import annotations

import json

import pytest

from repro.selftest.answers import FILE, Answer, answer_of, computes, known_answers, refusal
from runner.run import Fingerprint, Outcome, Run

PRINT = Fingerprint("test", "0", {}, "", "", "fp32", "")


def run(outcome: Outcome, message: str = "") -> Run:
    return Run("r", outcome, PRINT, message=message)


def test_a_cell_is_taken_if_any_of_its_graphs_ran():
    refused = run(Outcome.REFUSED, "not compiled: X returned status 504: ADD: no")
    assert answer_of([refused, run(Outcome.OK)]) == Answer(True)
    assert answer_of([refused, run(Outcome.CRASH, "by SIGSEGV")]) == Answer(False, "ADD: no")
    assert answer_of([run(Outcome.CRASH, "by SIGSEGV")]) == Answer(False, "ends the process: by SIGSEGV")


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (
            "not compiled: LiteRtCreateCompiledModel returned status 504: RELU: Tensor type(INT16) is not good. in0",
            "RELU: Tensor type(INT16) is not good",
        ),
        (
            "not loaded: LiteRtCreateModelFromBuffer returned status 5: [model_load.cc:316] Variable tensors not yet",
            "Variable tensors not yet",
        ),
        (
            "not compiled: LiteRtCreateCompiledModel returned status 3: tflite/kernels/floor.cc:47 x was wrong.; Node",
            "tflite/kernels/floor.cc: x was wrong",
        ),
        (
            "not compiled: X returned status 3: tflite/kernels/l2norm.cc:9 scale != (1. / 128.) (-907634384 != -48348)",
            "tflite/kernels/l2norm.cc: scale != (1. / 128.)",
        ),
    ],
)
def test_a_refusal_is_told_without_the_call_the_tensor_and_the_line(message: str, reason: str):
    assert refusal(message) == reason


@pytest.mark.parametrize(
    ("were_right", "is_computed"),
    [([True], True), ([True, True, False], True), ([True, False], False), ([False], False), ([], False)],
)
def test_a_kernel_that_is_right_once_by_what_lay_in_memory_computes_nothing(were_right: list[bool], is_computed: bool):
    assert computes(were_right) is is_computed


def test_the_answers_are_kept_as_they_are_written():
    answers = known_answers()
    assert answers.as_json() == FILE.read_text(encoding="utf-8")
    assert len(answers.taken) == sum(
        not said for of in json.loads(answers.as_json())["cells"].values() for said in of.values()
    )
    assert len(answers.taken) > 300
