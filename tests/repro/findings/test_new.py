"""A new finding is a folder with models and a finding.toml that is refused until its claims are written."""

from __future__ import annotations

import pytest

from cases.findings.add_output_feeds_reduction import add_reduce
from cases.tflite.write import write_tflite
from repro.findings import evidence
from repro.findings.new import new_finding
from repro.findings.reader import load
from runner.errors import BadInput
from tests.repro.findings.shipped import ONE


def test_a_new_finding_starts_with_models_and_a_finding_toml_that_is_not_accepted_yet(tmp_path):
    bad, good = write_tflite(add_reduce()), write_tflite(add_reduce(first="SUB"))
    path = new_finding("my-bug", bad, good, (0,), 3, tmp_path)
    assert (path.parent / "models" / "minimal.tflite").read_bytes() == bad
    with pytest.raises(BadInput, match="says nothing yet"):
        load("my-bug", tmp_path)
    path.write_text(path.read_text(encoding="utf-8").replace("TODO: ", ""), encoding="utf-8")
    finding = load("my-bug", tmp_path)
    assert (finding.seed, finding.minimal.wrong) == (3, (0,))
    evidence.write_arrays(finding)
    assert [a.shape for a in finding.arrays(finding.minimal, "inputs")] == [(1, 16, 32), (1, 16, 32)]


@pytest.mark.parametrize(
    ("slug", "wrong", "said"),
    [("My Bug", (0,), "no slug"), ("my-bug", (2,), "there is no 2"), ("same", (0,), "the same file")],
)
def test_a_new_finding_refuses_what_cannot_be_one(tmp_path, slug, wrong, said):
    model = write_tflite(add_reduce())
    control = model if slug == "same" else write_tflite(add_reduce(first="SUB"))
    with pytest.raises(BadInput, match=said):
        new_finding(slug, model, control, wrong, 0, tmp_path)


def test_a_new_finding_does_not_overwrite_one(copy):
    with pytest.raises(BadInput, match="already"):
        new_finding(ONE, write_tflite(add_reduce()), write_tflite(add_reduce(first="SUB")), (0,), 0, copy)
