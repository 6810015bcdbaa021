"""Where findings are measured: a runtime of the right numbering for each target, and nothing left out unsaid."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from repro.findings import environments
from repro.findings.environments import plans_to_measure, plans_to_verify, runtimes_to_verify, unmeasurable
from repro.findings.finding import EVIDENCE, Finding
from repro.findings.reader import load
from repro.matrix.environments import Environment
from runner.errors import TargetUnavailable
from runner.opencl.android_runtime import NEWEST
from runner.web.litert_js import NEWEST as NEWEST_WEB
from tests.repro.findings.shipped import ONE

LITERT = ["2.1.3", "2.3.0", "2.4.0.dev20261026"]
LITERT_LM = ["lm-0.14.0", "lm-0.18.1"]
EVERYWHERE = [
    *(Environment(v, "gpu:lavapipe") for v in LITERT),
    *(Environment(v, "gpu:pocl") for v in LITERT_LM),
    *(Environment(v, "cpu") for v in LITERT),
]


def presented(slug: str, named: list[str] | None = None) -> list[tuple[str, str]]:
    plan = plans_to_measure([load(slug)], EVERYWHERE, named)[slug]
    assert plan[: len(EVERYWHERE)] == EVERYWHERE
    return [(e.target, e.runtime) for e in plan[len(EVERYWHERE) :]]


@pytest.mark.parametrize(
    ("slug", "on_vulkan"), [(ONE, "2.3.0"), ("output-before-elementwise", "2.1.3"), ("card-token-fanout", "2.3.0")]
)
def test_another_name_is_measured_in_the_newest_release_of_each_numbering_that_shows_the_bug(slug: str, on_vulkan: str):
    expected = [("gpu:lavapipe@Mali-G610", on_vulkan), ("gpu:pocl@Mali-G610", "lm-0.18.1")]
    assert presented(slug) == expected


def test_a_finding_that_needs_a_name_is_measured_under_all_it_knows_in_every_runtime():
    found = presented("mali-thin-pointwise")
    names = ("Mali-G57", "Mali-G610", "Mali-G76")
    over_vulkan = {(f"gpu:lavapipe@{name}", version) for name in names for version in LITERT}
    over_opencl = {(f"gpu:pocl@{name}", version) for name in names[:2] for version in LITERT_LM}
    assert set(found) == over_vulkan | over_opencl
    assert len(found) == len(set(found))


def test_a_name_is_presented_on_the_drivers_that_the_claim_covers_and_over_opencl_only_if_a_phone_can_have_it():
    found = {target for target, _ in presented("thin-convolution-chain")}
    assert {"gpu:lavapipe@NVIDIA H100", "gpu:lavapipe@Intel Iris Xe", "gpu:pocl@Adreno (TM) 740"} <= found
    assert not found & {"gpu:pocl@NVIDIA H100", "gpu:pocl@Intel Iris Xe", "gpu:lavapipe@Adreno (TM) 740"}


def test_of_many_names_the_first_are_measured_in_every_version_and_the_others_in_the_oldest_and_newest_release():
    found = presented("depthwise-feeds-thin")
    assert {v for target, v in found if target == "gpu:lavapipe@NVIDIA H100"} == set(LITERT)
    for name in ("Intel Iris Xe", "Adreno (TM) 740", "Samsung Xclipse 940"):
        assert [v for target, v in found if target == f"gpu:lavapipe@{name}"] == ["2.1.3", "2.3.0"]


def test_a_finding_that_needs_a_setting_is_measured_with_it_in_every_runtime():
    finding = load("correlation-fp32-sums")
    assert (finding.settings, finding.shows_only) == ("precision=3", "with the delegate's setting precision=3")
    found = presented("correlation-fp32-sums")
    assert {v for target, v in found if target == "gpu:lavapipe+precision=3"} == set(LITERT)
    assert not any(target.startswith("gpu:pocl+") for target, _ in found)


def test_named_targets_take_the_place_of_the_presented_ones():
    assert presented(ONE, ["gpu:pocl@Adreno-740"]) == [("gpu:pocl@Adreno-740", "lm-0.18.1")]
    assert presented(ONE, []) == []


def test_without_a_release_that_a_target_runs_on_it_is_left_out():
    plan = plans_to_measure([load(ONE)], [Environment("nightly", "gpu:lavapipe")], ["gpu:pocl@Mali-G610"])
    assert plan == {ONE: [Environment("nightly", "gpu:lavapipe")]}


def test_a_finding_of_older_runtimes_is_verified_in_one_that_shows_it():
    fixed = load("output-before-elementwise")
    assert runtimes_to_verify(fixed, "2.3.0") == ("2.3.0", "2.1.3")
    assert runtimes_to_verify(fixed, "2.1.3") == ("2.1.3",)
    assert runtimes_to_verify(load(ONE), "2.3.0") == ("2.3.0",)


def test_over_opencl_a_finding_is_verified_in_the_newest_release_and_under_the_names_of_its_evidence():
    plan = plans_to_verify([load(ONE)], ["gpu:pocl"], (), presented=True)[ONE]
    assert plan == [Environment(NEWEST, "gpu:pocl"), Environment(NEWEST, "gpu:pocl@Mali-G610")]
    asked = plans_to_verify([load(ONE)], ["gpu:pocl"], ["lm-0.14.0"], presented=False)[ONE]
    assert asked == [Environment("lm-0.14.0", "gpu:pocl")]


def unmeasured_yet(tmp_path) -> Finding:
    return dataclasses.replace(load(ONE), folder=tmp_path / ONE)


def test_evidence_over_opencl_that_nothing_here_can_measure_is_counted(tmp_path):
    two = [load(ONE), load("pad-rank-3")]
    cells = sum(r["runtime"].startswith("lm-") for finding in two for r in finding.evidence_records())
    assert unmeasurable(two, ["gpu:lavapipe", "adb:1234", "gpu:web"]) == f"{cells} cells over OpenCL of 2 findings"
    assert unmeasurable(two, ["gpu:web", "gpu:pocl"]) == ""
    assert not (unmeasured_yet(tmp_path).folder / EVIDENCE).exists()
    assert unmeasurable([unmeasured_yet(tmp_path)], ["gpu:lavapipe"]) == ""


def test_evidence_in_a_browser_that_nothing_here_can_measure_is_counted_apart(tmp_path, monkeypatch):
    finding = load(ONE)
    kept = [r for r in finding.evidence_records() if not r["runtime"].startswith("web-")]
    web: list[Any] = [{**kept[0], "runtime": "web-2.5.3", "target": "gpu:web"}] * 2
    monkeypatch.setattr(Finding, "evidence_records", lambda self: [*kept, *web])
    assert unmeasurable([finding], ["gpu:lavapipe", "gpu:pocl"]) == "2 cells in a browser of 1 finding"
    assert unmeasurable([finding], ["gpu:web", "gpu:pocl"]) == ""
    both = unmeasurable([finding], ["gpu:lavapipe"])
    assert both.endswith(" cells over OpenCL of 1 finding and 2 cells in a browser of 1 finding")


def test_in_a_browser_a_finding_is_verified_in_the_newest_release_unless_its_control_is_not_taken_there():
    finding = load(ONE)
    assert plans_to_verify([finding], ["gpu:web"], (), presented=True)[ONE] == [Environment(NEWEST_WEB, "gpu:web")]
    every = [Environment(version, target) for version, target in (("2.3.0", "gpu:lavapipe"), (NEWEST_WEB, "gpu:web"))]
    assert plans_to_measure([finding], every, [])[ONE] == every
    models = tuple(
        dataclasses.replace(model, in_browser="REFUSED") if model is finding.control else model
        for model in finding.models
    )
    other = dataclasses.replace(finding, models=models)
    assert plans_to_measure([other], every, [])[ONE] == every[:1]
    assert plans_to_verify([other], ["gpu:web"], (), presented=True)[ONE] == []


def test_the_targets_here_are_those_that_run_on_the_runtimes(monkeypatch):
    opencl = [environments.targets.TargetInfo("gpu:pocl", True), environments.targets.TargetInfo("gpu:oclgrind", True)]
    web = [environments.targets.TargetInfo("gpu:web", True)]
    monkeypatch.setattr(environments.targets, "available_opencl", lambda: opencl)
    monkeypatch.setattr(environments.targets, "available_web", lambda: web)
    monkeypatch.setattr(environments, "default_targets", lambda: ["gpu:lavapipe", "adb:1234"])
    assert environments.targets_here() == ["gpu:lavapipe", "adb:1234", "gpu:pocl", "gpu:web"]
    assert environments.targets_here(["2.3.0"]) == ["gpu:lavapipe", "adb:1234"]
    assert environments.targets_here(["lm-0.18.1"]) == ["gpu:pocl"]
    assert environments.targets_here(["web-2.5.3"]) == ["gpu:web"]
    web.clear()

    def none() -> list[str]:
        raise TargetUnavailable("nothing")

    monkeypatch.setattr(environments, "default_targets", none)
    assert environments.targets_here() == ["gpu:pocl"]
    opencl.clear()
    with pytest.raises(TargetUnavailable):
        environments.targets_here()
