"""A loopback device whose GPU is one over OpenCL: the adb path carries what the phone's own delegate says."""

from __future__ import annotations

import pytest

from cases import catalogue
from repro.campaigns.expectations import load_for
from repro.verdicts.judge import judge
from repro.verdicts.subject import case_subject
from runner.errors import BadInput
from runner.opencl.android_runtime import NEWEST
from runner.run import Outcome, Precision
from runner.targets import open_target, precisions_for
from tests.runner.opencl.needs import need_driver, need_runtime

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _installed() -> None:
    need_driver("pocl")
    need_runtime()


@pytest.mark.parametrize("named", ["", "@Mali-G610"])
def test_litert_cl_runs_over_adb_and_its_lines_decide_residency(named: str):
    subject = case_subject(next(iter(catalogue.select(["findings/add-output-feeds-reduction-minimal"], None))))
    with open_target(f"adb:loopback:pocl{named}") as target:
        run = target.run(subject.job(Precision.FP32))
        known = load_for(target)
    assert run.outcome is Outcome.OK
    assert "Replacing 2 out of 2 node(s) with delegate (LITERT_CL) node, yielding 1 partitions" in run.log
    assert [f"{v.status} {v.signature}".strip() for v in judge(run, subject)] == ["FAIL alias(x)", "PASS"]
    assert run.fingerprint.target == f"adb:loopback:pocl{named}"
    assert run.fingerprint.runtime == NEWEST
    assert set(run.fingerprint.libraries) == {"libLiteRt.so", "libandroid_libc.so"}
    assert run.fingerprint.driver.startswith("PoCL ")
    assert ("named Mali-G610, not a Mali" in run.fingerprint.driver) is bool(named)
    assert known.target == f"gpu:pocl{named}"


def test_a_kernel_that_does_not_compile_is_refused_over_adb_in_the_compilers_words():
    subject = case_subject(next(iter(catalogue.select(["findings/concat-of-one-minimal"], None))))
    with open_target("adb:loopback:pocl") as target:
        run = target.run(subject.job(Precision.FP32))
    assert run.outcome is Outcome.REFUSED
    assert "the generated OpenCL does not compile: line 18, column 15: use of undeclared identifier 'B'" in run.message


def test_it_runs_what_its_gpu_can_and_no_other_runtime():
    assert precisions_for("adb:loopback:pocl", "both") == [Precision.FP32]
    with pytest.raises(BadInput, match="computes fp32 only"):
        precisions_for("adb:loopback:pocl", "fp16")
    with pytest.raises(BadInput, match=r"gpu:pocl does not run on .*; for it the runtimes are lm-0\.14\.0"):
        open_target("adb:loopback:pocl", runtime="2.3.0").activate()
