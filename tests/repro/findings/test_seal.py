"""The seal of a finding refuses every edit and exchange of what was measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cases.findings.add_output_feeds_reduction import add_reduce
from cases.tflite.write import write_tflite
from repro.findings.finding import EVIDENCE
from repro.findings.reader import load
from repro.findings.seal import check_seal, write_seal
from repro.records.canonical_json import canonical
from runner.errors import BadInput
from tests.repro.findings.shipped import ONE, bounded


def refused(folder: Path, slug: str = ONE) -> str:
    with pytest.raises(BadInput) as caught:
        check_seal(load(slug, folder))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_an_untouched_copy_is_accepted(copy):
    check_seal(load(ONE, copy))


def test_evidence_edited_by_hand_is_refused(copy):
    path = copy / ONE / EVIDENCE
    path.write_bytes(path.read_bytes().replace(b'"2.3.0"', b'"2.9.9"', 1))
    assert "evidence/matrix.json is not the file that was sealed" in refused(copy)


def test_an_exchanged_model_is_refused(copy):
    (copy / ONE / "models" / "minimal.tflite").write_bytes(write_tflite(add_reduce(first="SUB")))
    assert "models/minimal.tflite is not the file that was sealed" in refused(copy)


def test_a_model_exchanged_together_with_the_seal_is_still_refused(copy):
    (copy / ONE / "models" / "minimal.tflite").write_bytes(write_tflite(add_reduce(first="SUB")))
    write_seal(copy / ONE)
    assert "the evidence is about another 'minimal'" in refused(copy)


def test_evidence_that_was_rewritten_by_hand_and_sealed_anew_is_refused_if_not_canonical(copy):
    path = copy / ONE / EVIDENCE
    path.write_text(json.dumps(json.loads(path.read_bytes())), encoding="utf-8")
    write_seal(copy / ONE)
    assert "was written by hand" in refused(copy)


def test_missing_and_additional_files_are_refused(copy):
    (copy / ONE / "evidence" / "more.json").write_bytes(b"{}")
    assert "is not sealed" in refused(copy)
    (copy / ONE / "evidence" / "more.json").unlink()
    (copy / ONE / "inputs" / "minimal-0.bin").unlink()
    assert "inputs/minimal-0.bin is missing" in refused(copy)


def test_a_model_without_evidence_is_refused(copy):
    path = copy / ONE / EVIDENCE
    document = json.loads(path.read_bytes())
    document["cells"] = [c for c in document["cells"] if c["case"] != "swapped"]
    path.write_bytes(canonical(document))
    write_seal(copy / ONE)
    assert "no evidence about 'swapped'" in refused(copy)


def test_a_range_in_which_nothing_was_measured_is_refused(copy):
    bounded(copy, 'runtimes = "<2.1"')
    assert "the evidence has no such cell" in refused(copy)
