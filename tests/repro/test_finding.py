"""Findings: strict manifests, a seal that refuses edits and exchanges, claims held against measurements."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from cases.finding_graphs import add_reduce
from cases.finding_models import FINDING_MODELS, Purpose
from cases.tflite_write import write_tflite
from repro import finding as findings
from repro import finding_evidence
from repro.canonical import canonical
from repro.check import float64_references
from repro.cli import main
from repro.finding_draft import draft
from repro.report import render_report
from runner.errors import BadInput, TargetUnavailable

SHIPPED = findings.slugs()
REQUIRED = {
    "add-output-feeds-reduction",
    "conv-output-feeds-constant",
    "scaled-output-feeds-conv",
    "dfine-naive-enc-coord",
    "card-token-fanout",
}
ONE = "add-output-feeds-reduction"


@pytest.fixture
def copy(tmp_path) -> Path:
    """A folder of findings with one shipped finding in it, free to be spoiled."""
    for slug in (ONE, *findings.load(ONE).siblings):
        shutil.copytree(findings.FINDINGS_DIR / slug, tmp_path / slug)
    return tmp_path


def test_the_findings_that_were_promised_are_shipped():
    assert set(SHIPPED) >= REQUIRED


@pytest.mark.parametrize("slug", SHIPPED)
def test_a_shipped_finding_is_sealed_and_its_report_is_what_renders(slug):
    finding = findings.load(slug)
    findings.check_seal(finding)
    assert (finding.folder / "report.md").read_text(encoding="utf-8") == render_report(finding)


@pytest.mark.parametrize("slug", SHIPPED)
def test_shipped_models_are_the_graphs_this_project_builds_and_claim_the_same(slug):
    finding = findings.load(slug)
    known = {m.name: m for m in FINDING_MODELS[slug]()}
    assert {m.name: (m.purpose, m.what, m.wrong) for m in finding.models} == {
        m.name: (m.purpose, m.what, m.wrong) for m in known.values()
    }
    for model in finding.models:
        build = known[model.name].build
        if build is not None:
            assert finding.model_bytes(model) == write_tflite(build())


@pytest.mark.parametrize("slug", SHIPPED)
def test_kept_expected_outputs_are_what_the_files_own_ops_compute(slug):
    finding = findings.load(slug)
    for model in (finding.minimal, finding.control):
        (computed,) = float64_references(finding.graph(model), (finding.arrays(model, "inputs"),))
        for kept, value in zip(finding.arrays(model, "expected"), computed, strict=True):
            np.testing.assert_array_equal(kept, value.astype(kept.dtype))


@pytest.mark.parametrize("slug", SHIPPED)
def test_the_evidence_supports_every_claim_in_every_gpu_cell(slug):
    finding = findings.load(slug)
    on_gpu = [r for r in finding.evidence_records() if not r["target"].startswith("cpu")]
    bad = [c for c in finding_evidence.claims(finding, on_gpu, []) if c.state != "holds"]
    assert bad == []
    assert {r["precision"] for r in on_gpu} == {"fp32", "fp16"}
    assert len({r["target"] for r in on_gpu}) >= 2
    assert len({r["runtime"] for r in on_gpu}) >= 5


@pytest.mark.parametrize("slug", SHIPPED)
def test_the_cpu_computes_every_model_right(slug):
    """A claim about the delegate is void if the CPU is wrong too."""
    on_cpu = [r for r in findings.load(slug).evidence_records() if r["target"] == "cpu"]
    assert on_cpu
    assert [r["case"] for r in on_cpu if finding_evidence.wrong_outputs(r)] == []


def refused(folder: Path, slug: str = ONE) -> str:
    with pytest.raises(BadInput) as caught:
        findings.check_seal(findings.load(slug, folder))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_an_untouched_copy_is_accepted(copy):
    findings.check_seal(findings.load(ONE, copy))


def test_evidence_edited_by_hand_is_refused(copy):
    path = copy / ONE / findings.EVIDENCE
    path.write_bytes(path.read_bytes().replace(b'"2.3.0"', b'"2.9.9"', 1))
    assert "evidence/matrix.json is not the file that was sealed" in refused(copy)


def test_an_exchanged_model_is_refused(copy):
    (copy / ONE / "models" / "minimal.tflite").write_bytes(write_tflite(add_reduce(first="SUB")))
    assert "models/minimal.tflite is not the file that was sealed" in refused(copy)


def test_a_model_exchanged_together_with_the_seal_is_still_refused(copy):
    (copy / ONE / "models" / "minimal.tflite").write_bytes(write_tflite(add_reduce(first="SUB")))
    findings.write_seal(copy / ONE)
    assert "the evidence is about another 'minimal'" in refused(copy)


def test_evidence_that_was_rewritten_by_hand_and_sealed_anew_is_refused_if_not_canonical(copy):
    path = copy / ONE / findings.EVIDENCE
    path.write_text(json.dumps(json.loads(path.read_bytes())))
    findings.write_seal(copy / ONE)
    assert "was written by hand" in refused(copy)


def test_missing_and_additional_files_are_refused(copy):
    (copy / ONE / "evidence" / "more.json").write_bytes(b"{}")
    assert "is not sealed" in refused(copy)
    (copy / ONE / "evidence" / "more.json").unlink()
    (copy / ONE / "inputs" / "minimal-0.bin").unlink()
    assert "inputs/minimal-0.bin is missing" in refused(copy)


def test_a_model_without_evidence_is_refused(copy):
    path = copy / ONE / findings.EVIDENCE
    document = json.loads(path.read_bytes())
    document["cells"] = [c for c in document["cells"] if c["case"] != "swapped"]
    path.write_bytes(canonical(document))
    findings.write_seal(copy / ONE)
    assert "no evidence about 'swapped'" in refused(copy)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('status = "confirmed"', 'status = "sure"', "'sure' is none of"),
        ('title = "', 'titel = "', "title"),
        ("seed = 0", "seed = 0\nbug = 1", "unknown key"),
        ('purpose = "control"', 'purpose = "minimal"', "exactly one"),
        ('name = "rank-4"', 'name = "swapped"', "two models have one name"),
        ('claim = "If', 'claim = "TODO', "says nothing yet"),
        ("wrong = [0]", "wrong = []", "names no wrong output"),
        ("title =", "title", "not readable TOML"),
    ],
)
def test_a_manifest_with_a_mistake_is_refused_in_one_line(copy, old, new, said):
    path = copy / ONE / findings.MANIFEST
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(BadInput, match=said) as caught:
        findings.load(ONE, copy)
    assert "\n" not in str(caught.value)


def test_an_unknown_finding_is_refused_with_the_known_ones():
    with pytest.raises(BadInput, match=ONE):
        findings.load("no-such-finding")


def record(model: str, wrong: tuple[int, ...], outputs: int = 2) -> dict:
    made = [
        {"output": i, "name": f"o{i}", "verdict": "FAIL" if i in wrong else "PASS", "signature": "stale" * (i in wrong)}
        for i in range(outputs)
    ]
    return {"case": model, "runtime": "9.9.9", "target": "gpu:x", "precision": "fp32", "outputs": made}


def states(records: list[dict]) -> dict[str, str]:
    return {c.model: c.state for c in finding_evidence.claims(findings.load(ONE), records, [])}


def test_a_claim_that_still_shows_holds_and_one_that_passes_is_fixed():
    assert states([record("minimal", (0,)), record("control", ())]) == {"minimal": "holds", "control": "holds"}
    assert states([record("minimal", ()), record("control", ())])["minimal"] == "fixed"


def test_another_wrong_output_or_a_broken_workaround_is_changed():
    found = states([record("minimal", (0, 1)), record("emit-mul", (0,)), record("control", ())])
    assert found == {"minimal": "changed", "emit-mul": "changed", "control": "holds"}


def test_a_cell_whose_control_fails_proves_nothing():
    assert states([record("minimal", (0,)), record("control", (0, 1))]) == {"minimal": "unclear", "control": "unclear"}


def test_a_new_finding_starts_with_models_and_a_manifest_that_is_not_accepted_yet(tmp_path):
    bad, good = write_tflite(add_reduce()), write_tflite(add_reduce(first="SUB"))
    path = draft("my-bug", bad, good, (0,), 3, tmp_path)
    assert (path.parent / "models" / "minimal.tflite").read_bytes() == bad
    with pytest.raises(BadInput, match="says nothing yet"):
        findings.load("my-bug", tmp_path)
    path.write_text(path.read_text().replace("TODO: ", ""), encoding="utf-8")
    finding = findings.load("my-bug", tmp_path)
    assert (finding.seed, finding.minimal.wrong) == (3, (0,))
    finding_evidence.write_arrays(finding)
    assert [a.shape for a in finding.arrays(finding.minimal, "inputs")] == [(1, 16, 32), (1, 16, 32)]


@pytest.mark.parametrize(
    ("slug", "wrong", "said"),
    [("My Bug", (0,), "no slug"), ("my-bug", (2,), "there is no 2"), ("same", (0,), "the same file")],
)
def test_a_new_finding_refuses_what_cannot_be_one(tmp_path, slug, wrong, said):
    model = write_tflite(add_reduce())
    control = model if slug == "same" else write_tflite(add_reduce(first="SUB"))
    with pytest.raises(BadInput, match=said):
        draft(slug, model, control, wrong, 0, tmp_path)


def test_a_new_finding_does_not_overwrite_one(copy):
    with pytest.raises(BadInput, match="already"):
        draft(ONE, write_tflite(add_reduce()), write_tflite(add_reduce(first="SUB")), (0,), 0, copy)


def test_verify_without_names_and_without_all_is_refused():
    result = CliRunner().invoke(main, ["finding", "verify"])
    assert isinstance(result.exception, BadInput)


def test_verify_refuses_a_report_that_was_written_by_hand(copy, monkeypatch):
    monkeypatch.setattr(findings, "FINDINGS_DIR", copy)
    monkeypatch.setattr(findings.load, "__defaults__", (copy,))
    path = copy / ONE / "report.md"
    path.write_text(path.read_text().replace("stale memory", "fresh memory"))
    findings.write_seal(copy / ONE)
    result = CliRunner().invoke(main, ["finding", "verify", ONE])
    assert isinstance(result.exception, BadInput)
    assert "report.md is not what" in str(result.exception)


def test_verify_on_a_target_that_is_not_here_is_3():
    result = CliRunner().invoke(main, ["finding", "verify", ONE, "--target", "gpu:no-such-adapter"])
    assert isinstance(result.exception, TargetUnavailable)
    assert result.exception.exit_code == 3


@pytest.mark.gpu
def test_verify_measures_again_and_confirms():
    options = ["--target", "gpu:lavapipe", "--json"]
    result = CliRunner().invoke(main, ["finding", "verify", "dfine-naive-enc-coord", *options])
    assert result.exit_code == 0, result.output
    claims = [json.loads(line) for line in result.stdout.splitlines()]
    assert {c["state"] for c in claims} == {"holds"}
    assert {c["model"] for c in claims} == {m.name for m in findings.load("dfine-naive-enc-coord").models}


@pytest.mark.gpu
@pytest.mark.slow
def test_verify_all_confirms_every_host_claim():
    result = CliRunner().invoke(main, ["finding", "verify", "--all"])
    assert result.exit_code == 0, result.output


def test_list_names_every_finding():
    result = CliRunner().invoke(main, ["finding", "list", "--json"])
    assert result.exit_code == 0, result.output
    listed = {json.loads(line)["slug"]: json.loads(line) for line in result.stdout.splitlines()}
    assert set(listed) == set(SHIPPED)
    assert listed[ONE]["since"] == "2.1.3"


def test_purposes_that_must_pass_are_those_that_claim_nothing_wrong():
    for slug, models in FINDING_MODELS.items():
        for model in models():
            must_pass = model.purpose in (Purpose.CONTROL, Purpose.CLEAN, Purpose.HELPS)
            assert not (must_pass and model.wrong), (slug, model.name)
