"""Blame follows from which targets agree and which do not, and is `undecided` where nothing decides."""

from __future__ import annotations

import pytest

from repro.trials.blame import Observation, blame
from repro.verdicts.verdict import Status

PASS, FAIL = Status.PASS, Status.FAIL


def seen(
    target: str, status: Status, precision: str = "fp32", signature: str = "", runtime: str = "2.3.0"
) -> Observation:
    return Observation(target, precision, runtime, status, signature or ("wrong" if status is FAIL else ""))


CPU = (seen("cpu:reference", PASS), seen("cpu", PASS))
LAVAPIPE, SWIFTSHADER = "gpu:lavapipe", "gpu:swiftshader"


@pytest.mark.parametrize(
    ("evidence", "word", "because"),
    [
        ((seen("cpu:reference", FAIL), seen("cpu", FAIL)), "converter", "both disagree with torch"),
        ((seen("cpu:reference", PASS), seen("cpu", FAIL)), "cpu kernel", "XNNPACK fails"),
        ((seen("cpu:reference", FAIL), seen("cpu", PASS)), "cpu kernel", "reference kernels fail"),
        ((seen("cpu", FAIL),), "undecided", "cpu:reference would tell"),
        ((*CPU, seen(LAVAPIPE, FAIL), seen(SWIFTSHADER, FAIL)), "delegate graph", "fail alike (FAIL wrong)"),
        ((*CPU, seen(LAVAPIPE, FAIL), seen(SWIFTSHADER, PASS)), "driver", "gpu:swiftshader fp32 is right"),
        ((*CPU, seen(LAVAPIPE, FAIL)), "undecided", "a second driver would decide"),
        ((*CPU, seen(LAVAPIPE, PASS), seen(LAVAPIPE, FAIL, "fp16")), "precision", "gpu:lavapipe fp32 is right"),
        (
            # SwiftShader's fp16 is fp32: its pass clears nothing.
            (*CPU, seen(LAVAPIPE, PASS), seen(LAVAPIPE, FAIL, "fp16"), seen(SWIFTSHADER, PASS, "fp16")),
            "precision",
            "",
        ),
        ((*CPU, seen(LAVAPIPE, PASS), seen("adb:S", FAIL)), "device only", "the host delegate is right"),
        ((*CPU, seen("adb:S", FAIL)), "undecided", "a host driver would decide"),
        ((seen(LAVAPIPE, FAIL), seen(SWIFTSHADER, FAIL)), "undecided", "no cpu target"),
        (
            (*CPU, seen(LAVAPIPE, FAIL, signature="stale"), seen(SWIFTSHADER, FAIL, signature="unwritten")),
            "undecided",
            "fail differently",
        ),
        ((*CPU, seen(LAVAPIPE, Status.REFUSED)), "delegate graph", "refused before any driver"),
        ((*CPU, seen(LAVAPIPE, PASS)), "undecided", "nothing fails"),
        ((), "undecided", "nothing was run"),
        ((seen("cpu", Status.INVALID),), "undecided", "nothing fails"),
    ],
)
def test_blame(evidence, word: str, because: str):
    found = blame(evidence)
    assert str(found.word) == word, found
    assert because in found.because


def test_a_runtime_without_the_fault_dates_it():
    evidence = (*CPU, seen(LAVAPIPE, FAIL), seen(SWIFTSHADER, FAIL), seen(LAVAPIPE, PASS, runtime="2.4.0"))
    assert blame(evidence).because.endswith("; fails in LiteRT 2.3.0, right in 2.4.0")


def test_the_order_of_the_evidence_does_not_matter():
    evidence = (*CPU, seen(LAVAPIPE, FAIL), seen(SWIFTSHADER, FAIL), seen(LAVAPIPE, FAIL, "fp16"))
    assert blame(evidence).word == blame(evidence[::-1]).word == "delegate graph"


POCL = "gpu:pocl"


@pytest.mark.parametrize(
    ("evidence", "word", "because"),
    [
        # The delegate over OpenCL and the one over WebGPU are two builds of one graph code, numbered apart.
        ((seen(LAVAPIPE, FAIL), seen(POCL, FAIL, runtime="lm-0.18.1")), "delegate graph", "over two APIs"),
        ((seen(LAVAPIPE, PASS), seen(POCL, FAIL, runtime="lm-0.18.1")), "undecided", "a second driver of the same"),
        (
            (seen(LAVAPIPE, FAIL), seen(SWIFTSHADER, FAIL), seen(POCL, PASS, runtime="lm-0.18.1")),
            "delegate graph",
            "over the other API: gpu:pocl PASS",
        ),
    ],
)
def test_blame_over_two_apis(evidence, word: str, because: str):
    found = blame((*CPU, *evidence))
    assert str(found.word) == word, found
    assert because in found.because
    assert "in every runtime run" not in found.because
