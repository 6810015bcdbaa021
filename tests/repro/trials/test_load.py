"""What a user names is read, checked against the model, and refused in one line where it does not fit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cases.tflite.write import write_tflite
from repro.trials.load import load_subject, read_bytes
from repro.verdicts.references import OwnOps
from runner.errors import BadInput
from tests.repro.verdicts.judging import scene


def one_line(call: Callable[[], object]) -> str:
    with pytest.raises(BadInput) as error:
        call()
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_file_that_cannot_be_read_says_what_to_give(tmp_path: Path):
    assert "no such file; give a .tflite model" in one_line(
        lambda: read_bytes(tmp_path / "m.tflite", "a .tflite model")
    )
    assert "cannot be read" in one_line(lambda: read_bytes(tmp_path, "a .tflite model"))


def test_a_model_becomes_a_subject_under_its_files_name(tmp_path: Path):
    path = tmp_path / "mine.tflite"
    path.write_bytes(write_tflite(scene().graph))
    subject = load_subject(path, seed=4, strict_shapes=True)
    assert (subject.name, subject.plan.words, subject.model) == ("mine.tflite", "gaussian, seed 4", path.read_bytes())
    assert subject.graph.outputs == ("y", "w")
    assert isinstance(subject.reference, OwnOps)
    assert subject.reference.strict_shapes


def test_what_is_no_model_is_refused_with_its_path(tmp_path: Path):
    path = tmp_path / "mine.tflite"
    path.write_bytes(b"just text")
    assert str(path) in one_line(lambda: load_subject(path))
