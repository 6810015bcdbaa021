"""Before failures of a target count its controls must pass: which they are, who needs them, and what excuses one."""

from __future__ import annotations

from pathlib import Path

import pytest

from cases.findings.model import Purpose
from cases.findings.registry import FINDING_MODELS
from repro.campaigns import controls
from repro.campaigns.controls import control_cases, fitness, must_earn_belief
from repro.campaigns.expectations import load
from runner import targets
from runner.opencl.android_runtime import made_versions
from runner.opencl.drivers import opencl_driver
from runner.opencl.loader import LoaderSettings
from runner.run import Outcome, Precision, Run
from tests.repro.simulated_delegate import Fault, SimulatedDelegate

PADDED, OTHER = "findings/pad-output-feeds-conv-control", "findings/add-before-max-control"
NO_PADS = Fault("pads lose all", 1, loses=lambda graph, name: "PAD" in {op.kind for op in graph.ops})


class Gpu(SimulatedDelegate):
    """The simulation under a name that has to earn belief."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__(*faults)
        self.name = "gpu:simulated"


@pytest.fixture
def few_controls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Two controls, one of them with a PAD, and a cache of their own."""
    monkeypatch.setenv("REPRO_CACHE", str(tmp_path))
    chosen = [case for case in control_cases() if case.name in (PADDED, OTHER)]
    monkeypatch.setattr(controls, "control_cases", lambda: chosen)


def test_the_controls_are_those_of_the_findings():
    named = {case.name for case in control_cases()}
    with_control = [slug for slug, models in FINDING_MODELS.items() if Purpose.CONTROL in {m.purpose for m in models}]
    assert named == {f"findings/{slug}-control" for slug in with_control}
    assert len(named) > 30
    assert all(case.graph is not None for case in control_cases())  # none needs torch to be built


@pytest.mark.parametrize(
    ("name", "must"),
    [
        ("cpu", False),
        ("cpu:reference", False),
        ("adb:loopback", False),
        ("adb:SERIAL", True),
        ("gpu:lavapipe", True),
        ("gpu:pocl+textures@Mali-G610", True),
    ],
)
def test_every_gpu_has_to_earn_belief_and_the_cpu_has_not(name: str, must: bool):
    assert must_earn_belief(name) is must


def test_a_target_without_a_delegate_is_not_asked(few_controls: None):
    target = SimulatedDelegate(NO_PADS)
    assert not fitness(target, Precision.FP32).is_unfit
    assert target.jobs == 0


def test_a_target_that_fails_a_control_is_unfit_and_says_which_and_is_asked_once(few_controls: None):
    target = Gpu(NO_PADS)
    found = fitness(target, Precision.FP32)
    assert (found.controls, [one.case for one in found.failed]) == (2, [PADDED])
    assert target.jobs == 2
    assert fitness(target, Precision.FP32) == found
    assert target.jobs == 2
    assert not fitness(Gpu(), Precision.FP32).is_unfit


def test_a_control_that_is_known_to_fail_there_speaks_of_its_finding(
    few_controls: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    (unfit,) = fitness(Gpu(NO_PADS), Precision.FP32).failed
    status, _, signature = unfit.said.partition(" ")
    (tmp_path / "gpu-simulated.toml").write_text(
        f'[[expect]]\ncase = "{unfit.case}"\noutput = -1\nprecision = "any"\nstatus = "{status}"\n'
        f'signature = "{signature}"\nfinding = "pad-output-feeds-conv"\nreason = "known"\n',
        encoding="utf-8",
    )
    monkeypatch.setattr(controls, "load_for", lambda target, runtime: load(target.name, tmp_path, runtime=runtime))
    assert not fitness(Gpu(NO_PADS), Precision.FP32).is_unfit


def test_a_control_that_ended_once_by_a_crash_is_run_again_and_only_the_second_end_counts(few_controls: None):
    class Moody(Gpu):
        """Crashes in its first job."""

        def _run(self, job) -> Run:
            run = super()._run(job)
            if self.jobs == 1:
                return Run(job.name, Outcome.CRASH, run.fingerprint, message="SIGKILL")
            return run

    assert not fitness(Moody(), Precision.FP32).is_unfit


@pytest.mark.slow
def test_a_driver_whose_kernels_are_built_wrongly_is_unfit():
    if opencl_driver("oclgrind") is None or not made_versions():
        pytest.skip("gpu:oclgrind is not set up here; `make opencl` does it")
    with targets.open_target("gpu:oclgrind", loader=LoaderSettings(build_options="-Dmax=min")) as target:
        found = fitness(target, Precision.FP32)
    assert OTHER in {one.case for one in found.failed}
    assert PADDED not in {one.case for one in found.failed}
    assert f"gpu:oclgrind is UNFIT in fp32: {len(found.failed)} of {len(control_cases())}" in found.line().text
