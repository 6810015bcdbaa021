"""A .tflite with a .toml beside it is a case; half of the two is one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from cases.with_torch.convert import model_bytes
from repro.own_cases.model_files import model_cases
from repro.verdicts.subject import case_subject
from runner.errors import BadInput
from tests.repro.own_cases.projects import LOST, RIGHT, project

WHY = 'reason = "it was wrong once"\n'


def test_a_model_is_a_case_named_by_its_place_with_what_its_document_says(tmp_path: Path):
    about = f'{WHY}control_of = "mine/a"\nlink = "https://example.com/1"\ninputs = "watermark"\nseed = 3\n'
    files = {"a.tflite": LOST, "a.toml": WHY, "deep/b.tflite": RIGHT, "deep/b.toml": about}
    plain, full = model_cases(project(tmp_path, files))
    assert (plain.name, plain.family, plain.reason) == ("mine/a", "mine", "it was wrong once")
    assert (plain.control_of, plain.inputs, plain.seed) == ("", "gaussian", 0)
    assert (full.name, full.control_of, full.link) == ("mine/deep/b", "mine/a", "https://example.com/1")
    assert (full.inputs, full.seed) == ("watermark", 3)


def test_what_runs_are_the_files_own_bytes_judged_by_its_own_ops(tmp_path: Path):
    (case,) = model_cases(project(tmp_path, {"a.tflite": LOST, "a.toml": WHY}))
    assert model_bytes(case) == LOST
    subject = case_subject(case)
    assert subject.model == LOST
    assert subject.reference.words(subject.graph) == "float64 evaluation of the file's own ops"


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"a.tflite": LOST}, r"an own case needs a\.toml beside it, with at least: reason = "),
        ({"a.toml": WHY}, r"there is no a\.tflite beside it"),
        ({"a.tflite": LOST, "a.toml": ""}, "reason: is missing"),
        ({"a.tflite": LOST, "a.toml": 'reason = "TODO"'}, "reason: says nothing yet"),
        ({"a.tflite": LOST, "a.toml": f"{WHY}sed = 1"}, "sed: "),
        ({"a.tflite": LOST, "a.toml": f'{WHY}inputs = "ones"'}, "inputs: "),
    ],
)
def test_what_does_not_fit_is_one_line(files: dict[str, str | bytes], said: str, tmp_path: Path):
    with pytest.raises(BadInput, match=said) as refused:
        model_cases(project(tmp_path, files))
    assert "\n" not in str(refused.value)
