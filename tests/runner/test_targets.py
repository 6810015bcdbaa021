"""Target names, and which precisions each is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.delegate_settings import NO_SETTINGS, Settings
from runner.errors import BadInput, TargetUnavailable
from runner.host.gpu import GpuName
from runner.run import Precision
from runner.runtimes import Runtime
from runner.targets import PRECISION_CHOICES, known_runtimes, open_target, precisions_for, resolve, with_settings


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


def test_a_setting_that_there_is_none_of_is_refused_with_the_nearest():
    with pytest.raises(BadInput, match="there is no setting 'bufers'; did you mean 'buffers'"):
        GpuName.parse("gpu:pocl+bufers")
    with pytest.raises(BadInput, match="settings are buffers, textures, buffer_storage_type"):
        resolve(["gpu:lavapipe+x@Mali-G610"])


@pytest.mark.parametrize(
    ("name", "with_it"),
    [
        ("gpu", "gpu+buffers"),
        ("gpu:lavapipe@Mali-G715", "gpu:lavapipe+buffers@Mali-G715"),
        ("gpu:pocl+wait_type=2@Mali-G715", "gpu:pocl+buffers+wait_type=2@Mali-G715"),
        ("adb", "adb+buffers"),
        ("adb:R5CT", "adb:R5CT+buffers"),
        ("adb:loopback", "adb:loopback+buffers"),
        ("adb:loopback:pocl@Mali-G610", "adb:loopback:pocl+buffers@Mali-G610"),
    ],
)
def test_a_setting_goes_into_the_name_before_the_presented_device(name: str, with_it: str):
    assert with_settings(name, Settings.parse(["buffer_storage_type=1"])) == with_it
    assert with_settings(with_it, Settings.parse(["buffers"])) == with_it
    with pytest.raises(BadInput, match="given twice"):
        with_settings(with_it, Settings.parse(["textures"]))


def test_a_cpu_target_has_no_delegate_to_set():
    assert with_settings("cpu", NO_SETTINGS) == "cpu"
    with pytest.raises(BadInput, match="a setting of the GPU's delegate, and target cpu has none"):
        with_settings("cpu", Settings.parse(["buffers"]))


@pytest.mark.parametrize("target", ["gpu:lavapipe+precision=3", "adb:R5CT+precision=3", "adb:loopback+precision=3"])
def test_sums_in_fp32_are_for_values_in_fp16(target: str):
    assert precisions_for(target, "both") == precisions_for(target, "fp16") == [Precision.FP16]
    with pytest.raises(BadInput, match="ask for --precision fp16"):
        precisions_for(target, "fp32")


def test_a_target_over_opencl_runs_on_other_runtimes_than_one_over_vulkan():
    assert known_runtimes("gpu:oclgrind+buffers@Mali-G610")[0] == "lm-0.14.0"
    assert known_runtimes("gpu:lavapipe") == known_runtimes("cpu")
    with pytest.raises(BadInput, match=r"gpu:lavapipe does not run on lm-0\.18\.1"):
        open_target("gpu:lavapipe", runtime=Runtime("lm-0.18.1", Path("unused")))
