"""Target names, and which precisions each is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.errors import BadInput, TargetUnavailable
from runner.host.gpu import GpuName
from runner.run import Precision
from runner.runtimes import Runtime
from runner.targets import PRECISION_CHOICES, known_runtimes, open_target, precisions_for, resolve


def test_unknown_and_absent_targets_have_their_own_errors():
    with pytest.raises(BadInput, match="did you mean 'cpu'"):
        open_target("cpuu")
    with pytest.raises(BadInput, match="targets are cpu, cpu:reference"):
        resolve(["quantum"])
    with pytest.raises(TargetUnavailable, match="no Vulkan adapter is called 'geforce-9999'"):
        resolve(["gpu:geforce-9999"])


def test_names_are_resolved_once_each_in_their_order():
    assert resolve(["cpu:reference", "cpu", "cpu:reference"]) == ["cpu:reference", "cpu"]


@pytest.mark.parametrize(("option", "value"), [("device", "loopback"), ("engine", "native")])
def test_an_option_for_phones_is_refused_for_other_targets(option: str, value: str):
    with pytest.raises(BadInput, match=f"--{option} {value} is for phones and target cpu is none"):
        open_target("cpu", **{option: value})


@pytest.mark.parametrize("target", ["cpu", "cpu:reference"])
def test_cpu_targets_compute_in_fp32_whatever_is_asked(target: str):
    for asked in PRECISION_CHOICES:
        assert precisions_for(target, asked) == [Precision.FP32]


@pytest.mark.parametrize("target", ["gpu:lavapipe", "gpu@Mali-G610", "adb:SERIAL"])
def test_other_targets_compute_what_is_asked(target: str):
    assert precisions_for(target, "fp16") == [Precision.FP16]
    assert precisions_for(target, "both") == [Precision.FP32, Precision.FP16]
    with pytest.raises(ValueError, match="fp8"):
        precisions_for(target, "fp8")


@pytest.mark.parametrize(
    "name",
    ["gpu:lavapipe", "gpu:pocl", "gpu:pocl+textures", "gpu:oclgrind+buffers@Mali-G610", "gpu@Mali-G610", "gpu+buffers"],
)
def test_the_name_of_a_gpu_target_is_what_its_parts_make(name: str):
    assert str(GpuName.parse(name)) == name


def test_a_storage_that_there_is_none_of_is_refused_with_the_nearest():
    with pytest.raises(BadInput, match=r"'\+bufers' in 'gpu:pocl\+bufers' is no storage; write \+buffers"):
        GpuName.parse("gpu:pocl+bufers")
    with pytest.raises(BadInput, match=r"write \+buffers or \+textures"):
        resolve(["gpu:lavapipe+x@Mali-G610"])


def test_a_target_over_opencl_runs_on_other_runtimes_than_one_over_vulkan():
    assert known_runtimes("gpu:oclgrind+buffers@Mali-G610")[0] == "lm-0.14.0"
    assert known_runtimes("gpu:lavapipe") == known_runtimes("cpu")
    with pytest.raises(BadInput, match=r"gpu:lavapipe does not run on lm-0\.18\.1"):
        open_target("gpu:lavapipe", runtime=Runtime("lm-0.18.1", Path("unused")))
