"""Claims held against measurements: what holds, what was fixed, what changed, and in which runtime to look."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

from cases.evaluation.evaluate import quantises_at_run_time
from cases.graph import Graph
from repro.findings import evidence
from repro.findings.finding import Finding, InBrowser
from repro.findings.reader import load, slugs
from repro.matrix.measure import Measured
from repro.records.folders import FINDINGS
from repro.verdicts.references import float64_outputs
from runner import runtimes
from runner.errors import BadInput
from runner.opencl.android_runtime import KNOWN, is_android
from runner.runtime_version import is_nightly, is_release, spoken, version_order
from runner.web import litert_js
from tests.repro.findings.shipped import ONE, bounded

SHIPPED = slugs()


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


def test_a_claim_is_limited_to_targets_too(copy):
    assert states_in(bounded(copy, 'targets = ["gpu:lavapipe*"]'), "2.3.0", ()) == "holds"
    assert states_in(load(ONE), "2.3.0", ()) == "fixed"


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


@pytest.mark.parametrize(
    ("verdict", "runtime", "state"),
    [
        ("REFUSED", "lm-0.18.1", "holds"),
        ("FAIL", "lm-0.18.1", "changed"),
        ("CRASH", "lm-0.18.1", "changed"),
        ("PASS", "lm-0.18.1", "fixed"),
        ("FAIL", "2.3.0", "holds"),
        ("REFUSED", "2.3.0", "changed"),
    ],
)
def test_a_claim_for_opencl_is_about_the_runtimes_that_have_it(verdict: str, runtime: str, state: str):
    wrong = record("minimal", (0, 1) if verdict == "FAIL" else (), runtime=runtime)
    ended = [{"output": -1, "name": "", "verdict": verdict, "signature": ""}]
    found = {**wrong, "outputs": ended if verdict in ("REFUSED", "CRASH") else wrong["outputs"]}
    assert [c.state for c in evidence.claims(load("concat-of-one"), [found], [])] == [state]


@pytest.mark.parametrize(
    ("claim", "found", "state"),
    [
        ("PASS", (0, "PASS"), "holds"),
        ("PASS", (0, "FAIL"), "changed"),
        ("FAIL", (0, "FAIL"), "holds"),
        ("FAIL", (-1, "CRASH"), "changed"),
        ("CRASH", (-1, "CRASH"), "holds"),
        ("REFUSED", (-1, "REFUSED"), "holds"),
        ("REFUSED", (-1, "CRASH"), "changed"),
        ("REFUSED", (0, "PASS"), "fixed"),
        ("NOT_RESIDENT", (0, "NOT_RESIDENT"), "holds"),
        ("NOT_RESIDENT", (0, "FAIL"), "changed"),
        ("", (-1, "CRASH"), "holds"),
    ],
)
def test_a_claim_for_a_browser_is_about_litert_js_alone(claim: InBrowser, found: tuple[int, str], state: str):
    finding = load("composite-aborts")
    models = tuple(dataclasses.replace(m, in_browser=claim) if m is finding.minimal else m for m in finding.models)
    index, verdict = found
    output = {"output": index, "name": "y", "verdict": verdict, "signature": ""}
    seen = {**record("minimal", (), 1), "outputs": [output], "runtime": "web-2.5.3", "target": "gpu:web"}
    claimed = dataclasses.replace(finding, models=models)
    assert [c.state for c in evidence.claims(claimed, [seen], [])] == [state]
    crash = [{"output": -1, "name": "", "verdict": "CRASH", "signature": ""}]
    elsewhere = {**seen, "outputs": crash, "runtime": "2.3.0", "target": "gpu:lavapipe"}
    assert [c.state for c in evidence.claims(claimed, [elsewhere], [])] == ["holds"]


@pytest.mark.parametrize(
    ("runtime", "target", "wrong", "state"),
    [
        ("lm-0.18.1", "gpu:pocl", (), "holds"),
        ("lm-0.18.1", "gpu:opencl-nvidia", (0,), "holds"),
        ("lm-0.18.1", "gpu:opencl-nvidia", (0, 1), "holds"),
        ("2.3.0", "gpu:lavapipe", (0, 1), "holds"),
        ("2.3.0", "gpu:lavapipe", (), "fixed"),
        ("2.3.0", "gpu:lavapipe", (0,), "changed"),
    ],
)
def test_what_races_over_opencl_may_be_right_or_wrong_there_and_nowhere_else(runtime, target, wrong, state):
    found = {**record("minimal", wrong, runtime=runtime), "target": target}
    assert [c.state for c in evidence.claims(load("split-halves-meet"), [found], [])] == [state]


def test_a_race_does_not_excuse_another_output_nor_another_end():
    finding = load("split-halves-meet")
    models = tuple(dataclasses.replace(m, wrong=(0,)) if m is finding.minimal else m for m in finding.models)
    found = record("minimal", (1,), runtime="lm-0.18.1")
    assert [c.state for c in evidence.claims(dataclasses.replace(finding, models=models), [found], [])] == ["changed"]
    ended = {**found, "outputs": [{"output": -1, "name": "", "verdict": "CRASH", "signature": ""}]}
    assert [c.state for c in evidence.claims(finding, [ended], [])] == ["changed"]


def test_without_a_converter_a_converted_model_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    slug = "scaled-output-feeds-conv"
    shutil.copytree(FINDINGS / slug, tmp_path / slug)
    finding = load(slug, tmp_path)
    before = {model.name: finding.model_bytes(model) for model in finding.models}
    monkeypatch.setattr(evidence, "has_converter", lambda: False)
    monkeypatch.setattr(evidence, "is_converted", lambda _: False)
    evidence.build_models(finding)
    assert {model.name: finding.model_bytes(model) for model in finding.models} == before


def refused(model: str, runtime: str) -> dict:
    ended = [{"output": -1, "name": "", "verdict": "REFUSED", "signature": ""}]
    return {**record(model, (), runtime=runtime), "outputs": ended}


def test_what_an_older_release_refuses_and_a_newer_one_takes_is_no_contradiction():
    def found(*records: dict) -> list[str]:
        return [c.state for c in evidence.claims(load(ONE), [*records], []) if c.model == "emit-mul"]

    assert found(refused("emit-mul", "2.1.3"), record("emit-mul", (), runtime="2.3.0")) == ["holds", "holds"]
    assert found(refused("emit-mul", "lm-0.14.0"), record("emit-mul", (), runtime="lm-0.18.1")) == ["holds", "holds"]
    assert found(record("emit-mul", (), runtime="2.1.3"), refused("emit-mul", "2.3.0")) == ["holds", "changed"]
    assert found(refused("emit-mul", "2.1.3")) == ["changed"]
    assert found(refused("emit-mul", "2.3.0"), record("emit-mul", (), runtime="lm-0.18.1")) == ["changed", "holds"]


def test_outside_its_range_a_wrong_model_may_be_refused_aloud_too(copy):
    finding = bounded(copy, 'targets = ["gpu:lavapipe*"]')
    assert [c.state for c in evidence.claims(finding, [refused("minimal", "2.3.0")], [])] == ["holds"]
    assert [c.state for c in evidence.claims(load(ONE), [refused("minimal", "2.3.0")], [])] == ["changed"]


@pytest.mark.parametrize(("wrong", "state"), [((), "holds"), ((0, 1), "changed")])
def test_a_model_may_be_claimed_to_be_right_over_opencl_alone(wrong: tuple[int, ...], state: str):
    finding = load("split-halves-meet")
    models = tuple(dataclasses.replace(m, over_opencl="PASS") if m is finding.minimal else m for m in finding.models)
    finding = dataclasses.replace(finding, models=models)
    assert states_in(finding, "lm-0.18.1", wrong) == state
    assert states_in(finding, "2.3.0", wrong) == {"holds": "fixed", "changed": "holds"}[state]


@pytest.mark.parametrize(
    ("target", "precision", "verdict", "state"),
    [
        ("gpu:x@PowerVR Rogue GE8320", "fp16", "CRASH", "holds"),
        ("gpu:x@PowerVR Rogue GE8320", "fp16", "FAIL", "changed"),
        ("gpu:x@PowerVR Rogue GE8320", "fp32", "FAIL", "holds"),
        ("gpu:x@PowerVR Rogue GE8320", "fp32", "CRASH", "changed"),
        ("gpu:x", "fp16", "FAIL", "holds"),
        ("gpu:x", "fp16", "PASS", "fixed"),
        ("cpu", "fp32", "PASS", "holds"),
        ("cpu", "fp32", "FAIL", "changed"),
    ],
)
def test_elsewhere_another_bug_may_make_the_model_wrong_but_never_on_the_cpu(
    target: str, precision: str, verdict: str, state: str
):
    wrong = record("minimal", (0,) if verdict == "FAIL" else (), 1)
    ended = [{"output": -1, "name": "", "verdict": verdict, "signature": ""}]
    outputs = ended if verdict == "CRASH" else wrong["outputs"]
    found = {**wrong, "target": target, "precision": precision, "outputs": outputs}
    assert [c.state for c in evidence.claims(load("grouped-conv-powervr"), [found], [])] == [state]


@pytest.mark.parametrize("slug", SHIPPED)
def test_the_evidence_supports_every_claim_in_every_gpu_cell(slug):
    finding = load(slug)
    on_gpu = [r for r in finding.evidence_records() if not r["target"].startswith("cpu")]
    bad = [c for c in evidence.claims(finding, on_gpu, []) if c.state != "holds"]
    assert bad == []
    assert {r["precision"] for r in on_gpu} == {"fp32", "fp16"}
    assert len({r["target"] for r in on_gpu}) >= 2
    measured = {r["runtime"] for r in on_gpu}
    assert any(is_nightly(version) for version in measured)
    of_each = [*(v for v in runtimes.KNOWN if v != runtimes.NIGHTLY), *litert_js.KNOWN]
    if finding.control.in_browser:
        of_each = [v for v in of_each if v not in litert_js.KNOWN]
    unsaid = [v for v in of_each if v not in measured and not any(spoken(v) in s for s in finding.not_claimed)]
    assert unsaid == [], "measure it there, or say in not_claimed why not"


@pytest.mark.parametrize("slug", SHIPPED)
def test_the_evidence_holds_the_oldest_and_newest_release_over_opencl_and_one_under_a_malis_name(slug):
    over_opencl = [r for r in load(slug).evidence_records() if is_android(r["runtime"])]
    assert {r["runtime"] for r in over_opencl if r["target"] == "gpu:pocl"} >= {KNOWN[0], KNOWN[-1]}
    assert "gpu:pocl@Mali-G610" in {r["target"] for r in over_opencl}
    assert {r["case"] for r in over_opencl} == {model.name for model in load(slug).models}


def _returns_constant(graph: Graph) -> bool:
    makers = [graph.producers[name] for name in graph.outputs if name in graph.producers]
    return any(op.kind == "DEQUANTIZE" and graph.tensors[op.inputs[0]].is_constant for op in makers)


@pytest.mark.parametrize("slug", SHIPPED)
def test_the_cpu_computes_every_model_right(slug):
    """A claim about the delegate is void if the CPU is wrong too."""
    finding = load(slug)
    on_cpu = [r for r in finding.evidence_records() if r["target"] == "cpu"]
    assert on_cpu
    # XNNPACK quantises floats in front of weights of integers, which says nothing of who does not; and what a
    # DEQUANTIZE makes of a constant it leaves out of the outputs itself, as the finding says.
    graphs = {model.name: finding.graph(model) for model in finding.models}
    no_witness = {name for name, graph in graphs.items() if quantises_at_run_time(graph) or _returns_constant(graph)}
    assert [r["case"] for r in on_cpu if evidence.wrong_outputs(r) and r["case"] not in no_witness] == []


def newly_measured(finding: Finding, target: str, **changes: str) -> Measured:
    """The evidence of one environment once more, as if it had been measured on `target` just now."""
    (first, *_) = finding.evidence()["environments"]
    records = [
        {**r, "target": target, **changes}
        for r in finding.evidence_records()
        if (r["target"], r["runtime"]) == (first["target"], first["runtime"])
    ]
    return Measured(tuple(records), ({**first, "target": target},), (), 0)


def test_what_is_added_stands_beside_what_was_there_or_in_its_place():
    finding = load(ONE)
    (first, *_) = finding.evidence()["environments"]
    before = finding.evidence_records()
    added = evidence.beside(newly_measured(finding, "gpu:made-up"), finding)
    assert [r for r in added.records if r["target"] != "gpu:made-up"] == before
    assert len(added.environments) == len(finding.evidence()["environments"]) + 1
    again = evidence.beside(newly_measured(finding, first["target"]), finding)
    assert len(again.environments) == len(finding.evidence()["environments"])
    assert sorted(map(str, again.records)) == sorted(map(str, before))


def test_nothing_is_added_to_the_evidence_of_another_file():
    finding = load(ONE)
    with pytest.raises(BadInput, match=r"another \S+\.tflite; measure it whole, without --add"):
        evidence.beside(newly_measured(finding, "gpu:made-up", model_sha256="0" * 64), finding)


@pytest.mark.parametrize("slug", SHIPPED)
def test_kept_expected_outputs_are_what_the_files_own_ops_compute(slug):
    finding = load(slug)
    for model in (finding.minimal, finding.control):
        (computed,) = float64_outputs(finding.graph(model), (finding.arrays(model, "inputs"),))
        for kept, value in zip(finding.arrays(model, "expected"), computed, strict=True):
            np.testing.assert_array_equal(kept, value.astype(kept.dtype))


@pytest.mark.parametrize("slug", slugs())
def test_the_sample_is_of_the_newest_release_that_shows_the_bug(slug):
    finding = load(slug)
    target = finding.sample()["target"]
    measured = {r["runtime"] for r in finding.evidence_records() if r["target"] == target and is_release(r["runtime"])}
    assert finding.sample()["runtime"] == (finding.showing(measured) or sorted(measured, key=version_order))[-1]
