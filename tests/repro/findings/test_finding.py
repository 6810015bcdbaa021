"""Findings: what is shipped is sealed and renders to its report; claims are held against measurements."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

from cases.findings.add_output_feeds_reduction import add_reduce
from cases.findings.registry import FINDING_MODELS
from cases.tflite.write import write_tflite
from repro.cli import main
from repro.findings import evidence
from repro.findings.finding import MANIFEST, Finding
from repro.findings.new import new_finding
from repro.findings.note import note
from repro.findings.reader import load, slugs
from repro.findings.report import render_report
from repro.findings.seal import check_seal, write_seal
from repro.verdicts.references import float64_outputs
from runner.errors import BadInput, NothingRan, TargetUnavailable
from tests.repro.findings.shipped import ONE, bounded

SHIPPED = slugs()
REQUIRED = {
    "add-output-feeds-reduction",
    "conv-output-feeds-constant",
    "scaled-output-feeds-conv",
    "dfine-naive-enc-coord",
    "card-token-fanout",
    "same-operand-aborts",
    "output-before-elementwise",
}


def test_the_findings_that_were_promised_are_shipped():
    assert set(SHIPPED) >= REQUIRED


@pytest.mark.parametrize("slug", SHIPPED)
def test_a_shipped_finding_is_sealed_and_its_report_is_what_renders(slug):
    finding = load(slug)
    check_seal(finding)
    assert (finding.folder / "report.md").read_text(encoding="utf-8") == render_report(finding)


@pytest.mark.parametrize("slug", SHIPPED)
def test_shipped_models_are_the_graphs_this_project_builds_and_claim_the_same(slug):
    finding = load(slug)
    known = {m.name: m for m in FINDING_MODELS[slug]}
    assert {
        m.name: (m.purpose, m.what, m.wrong, m.outcome, m.where.runtimes, m.where.targets, m.where.precisions)
        for m in finding.models
    } == {m.name: (m.purpose, m.what, m.wrong, m.outcome, m.runtimes, m.targets, m.precisions) for m in known.values()}
    for model in finding.models:
        build = known[model.name].build
        if build is not None:
            assert finding.model_bytes(model) == write_tflite(build())


@pytest.mark.parametrize("slug", SHIPPED)
def test_kept_expected_outputs_are_what_the_files_own_ops_compute(slug):
    finding = load(slug)
    for model in (finding.minimal, finding.control):
        (computed,) = float64_outputs(finding.graph(model), (finding.arrays(model, "inputs"),))
        for kept, value in zip(finding.arrays(model, "expected"), computed, strict=True):
            np.testing.assert_array_equal(kept, value.astype(kept.dtype))


@pytest.mark.parametrize("slug", SHIPPED)
def test_the_evidence_supports_every_claim_in_every_gpu_cell(slug):
    finding = load(slug)
    on_gpu = [r for r in finding.evidence_records() if not r["target"].startswith("cpu")]
    bad = [c for c in evidence.claims(finding, on_gpu, []) if c.state != "holds"]
    assert bad == []
    assert {r["precision"] for r in on_gpu} == {"fp32", "fp16"}
    assert len({r["target"] for r in on_gpu}) >= 2
    assert len({r["runtime"] for r in on_gpu}) >= 5


@pytest.mark.parametrize("slug", SHIPPED)
def test_the_cpu_computes_every_model_right(slug):
    """A claim about the delegate is void if the CPU is wrong too."""
    on_cpu = [r for r in load(slug).evidence_records() if r["target"] == "cpu"]
    assert on_cpu
    assert [r["case"] for r in on_cpu if evidence.wrong_outputs(r)] == []


def record(model: str, wrong: tuple[int, ...], outputs: int = 2, runtime: str = "9.9.9") -> dict:
    made = [
        {"output": i, "name": f"o{i}", "verdict": "FAIL" if i in wrong else "PASS", "signature": "stale" * (i in wrong)}
        for i in range(outputs)
    ]
    return {"case": model, "runtime": runtime, "target": "gpu:x", "precision": "fp32", "outputs": made}


def states(records: list[dict]) -> dict[str, str]:
    return {c.model: c.state for c in evidence.claims(load(ONE), records, [])}


def test_a_claim_that_still_shows_holds_and_one_that_passes_is_fixed():
    assert states([record("minimal", (0,)), record("control", ())]) == {"minimal": "holds", "control": "holds"}
    assert states([record("minimal", ()), record("control", ())])["minimal"] == "fixed"


def test_another_wrong_output_or_a_broken_workaround_is_changed():
    found = states([record("minimal", (0, 1)), record("emit-mul", (0,)), record("control", ())])
    assert found == {"minimal": "changed", "emit-mul": "changed", "control": "holds"}


def test_a_cell_whose_control_fails_proves_nothing():
    assert states([record("minimal", (0,)), record("control", (0, 1))]) == {"minimal": "unclear", "control": "unclear"}


def states_in(finding: Finding, runtime: str, wrong: tuple[int, ...]) -> str:
    records = [record("minimal", wrong, runtime=runtime), record("control", (), runtime=runtime)]
    return next(c.state for c in evidence.claims(finding, records, []) if c.model == "minimal")


@pytest.mark.parametrize(
    ("runtime", "wrong", "state"),
    [("2.1.3", (0,), "holds"), ("2.1.3", (), "fixed"), ("2.1.6", (), "holds"), ("2.1.6", (0,), "changed")],
)
def test_outside_its_range_a_claim_is_that_the_model_passes(copy, runtime, wrong, state):
    assert states_in(bounded(copy, 'runtimes = "<2.1.6"'), runtime, wrong) == state


def test_a_range_of_targets_and_precisions_is_a_range_too(copy):
    assert states_in(bounded(copy, 'targets = ["gpu:lavapipe*"]'), "2.3.0", ()) == "holds"
    assert states_in(load(ONE), "2.3.0", ()) == "fixed"
    limits = load(ONE, copy).minimal.where
    cell = {"runtime": "2.3.0", "precision": "fp16"}
    assert limits.covers({**cell, "target": "gpu:lavapipe@Mali-G610"})
    assert not limits.covers({**cell, "target": "gpu:swiftshader"})
    assert not load(ONE).minimal.where.covers({**cell, "target": "cpu"})


def test_a_model_may_have_a_range_of_its_own(copy):
    path = copy / ONE / MANIFEST
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("wrong = [1]", 'wrong = [1]\nprecisions = ["fp16"]', 1), encoding="utf-8")
    ranges = {m.name: str(m.where) for m in bounded(copy, 'runtimes = "<=2.3.0"').models}
    assert ranges["swapped"] == "LiteRT <=2.3.0, in fp16"
    assert (ranges["rank-4"], ranges["control"]) == ("LiteRT <=2.3.0", "")


def test_agreeing_evidence_does_not_excuse_a_failure_that_is_not_claimed():
    found = [record("minimal", (0, 1)), record("control", ())]
    claims = evidence.claims(load(ONE), found, found)
    assert {c.model: c.state for c in claims} == {"minimal": "changed", "control": "holds"}


@pytest.mark.parametrize(("verdict", "state"), [("CRASH", "holds"), ("REFUSED", "changed"), ("FAIL", "changed")])
def test_a_claimed_crash_is_no_other_outcome(verdict, state):
    finding = load("same-operand-aborts")
    bad = {"output": -1 if verdict != "FAIL" else 0, "name": "", "verdict": verdict, "signature": ""}
    crash = {**record("minimal", (), 1), "outputs": [bad]}
    (claim,) = evidence.claims(finding, [crash], [])
    assert claim.state == state
    assert evidence.claims(finding, [record("minimal", (), 1)], [])[0].state == "fixed"


def test_a_finding_of_older_runtimes_is_verified_in_one_that_shows_it():
    fixed = load("output-before-elementwise")
    assert evidence.runtimes_to_verify(fixed, "2.3.0") == ("2.3.0", "2.1.3")
    assert evidence.runtimes_to_verify(fixed, "2.1.3") == ("2.1.3",)
    assert evidence.runtimes_to_verify(load(ONE), "2.3.0") == ("2.3.0",)


def test_another_adapter_name_is_measured_in_the_newest_release_that_shows_the_bug():
    versions = ["2.1.3", "2.3.0", "2.4.0.dev20261026"]
    assert evidence.named_runtime(load(ONE), versions) == "2.3.0"
    assert evidence.named_runtime(load("output-before-elementwise"), versions) == "2.1.3"
    assert evidence.named_runtime(load("card-token-fanout"), versions) == "2.3.0"
    assert evidence.named_runtime(load(ONE), ["nightly"]) == ""


def test_what_a_finding_comes_to_in_half_a_line():
    assert note("output-before-elementwise") == "since LiteRT 2.1.3; fixed in 2.1.6; helps: emit y through a MUL by 1"
    assert note(ONE).startswith("since LiteRT 2.1.3; helps: ")
    assert note("no-such-finding") == ""


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


def test_verify_without_names_and_without_all_is_refused():
    result = CliRunner().invoke(main, ["finding", "verify"])
    assert isinstance(result.exception, BadInput)


def test_verify_refuses_a_report_that_was_written_by_hand(copy, monkeypatch):
    monkeypatch.setattr(load, "__defaults__", (copy,))
    path = copy / ONE / "report.md"
    path.write_text(path.read_text(encoding="utf-8").replace("stale memory", "fresh memory"), encoding="utf-8")
    write_seal(copy / ONE)
    result = CliRunner().invoke(main, ["finding", "verify", ONE])
    assert isinstance(result.exception, BadInput)
    assert "report.md is not what" in str(result.exception)


def test_verify_on_a_target_that_is_not_here_is_3():
    result = CliRunner().invoke(main, ["finding", "verify", ONE, "--target", "gpu:no-such-adapter"])
    assert isinstance(result.exception, TargetUnavailable)
    assert result.exception.exit_code == 3


@pytest.mark.parametrize("task", ["verify", "measure"])
def test_all_of_no_findings_is_no_pass(task, tmp_path, monkeypatch):
    monkeypatch.setattr("repro.findings.reader.slugs", lambda: [])
    result = CliRunner().invoke(main, ["finding", task, "--all", "--target", "cpu", "--runtime", "2.3.0"])
    assert isinstance(result.exception, NothingRan)
    assert result.exception.exit_code == 3
    assert "holds no finding" in str(result.exception)


def test_a_bug_of_the_delegate_is_not_verified_on_the_cpu():
    result = CliRunner().invoke(main, ["finding", "verify", ONE, "--target", "cpu"])
    assert isinstance(result.exception, NothingRan)


@pytest.mark.gpu
def test_verify_measures_again_and_confirms():
    options = ["--target", "gpu:lavapipe", "--json"]
    result = CliRunner().invoke(main, ["finding", "verify", "dfine-naive-enc-coord", *options])
    assert result.exit_code == 0, result.output
    claims = [json.loads(line) for line in result.stdout.splitlines()]
    assert {c["state"] for c in claims} == {"holds"}
    assert {c["model"] for c in claims} == {m.name for m in load("dfine-naive-enc-coord").models}


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
    fixed = listed["output-before-elementwise"]
    assert (fixed["status"], fixed["fixed_in"], fixed["claimed_in"]) == ("fixed", "2.1.6", "LiteRT <2.1.6")
