"""What `repro doctor` looks at: what is missing is an answer with the command that brings it, never an exception."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import pytest

from runner import checkup, runtimes
from runner.checkup import Requirement
from runner.errors import TargetUnavailable
from runner.installation import compiler_install
from runner.opencl.drivers import OpenClDriver
from runner.targets import TargetInfo

WORKS = TargetInfo("gpu:lavapipe", True, "llvmpipe", "llvmpipe (LLVM)", "Mesa 25")
SWIFT = TargetInfo("gpu:swiftshader", True, "SwiftShader", "SwiftShader", "5")


@pytest.fixture(autouse=True)
def _no_driver_files(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("VK_DRIVER_FILES", "VK_ICD_FILENAMES"):
        monkeypatch.delenv(name, raising=False)


def by_subject(*infos: TargetInfo) -> dict[str, Requirement]:
    found = list(checkup.check_targets(list(infos)))
    assert len({one.subject for one in found}) == len(found)
    assert all(bool(one.remedy) == (one.state != "ok") for one in found)
    return {one.subject: one for one in found}


def test_a_target_that_works_says_which_driver_and_what_the_delegate_calls_it():
    checks = by_subject(TargetInfo("cpu", True), WORKS, SWIFT)
    assert set(checks) == {"cpu", "gpu:lavapipe", "gpu:swiftshader"}
    assert checks["cpu"].detail == "works"
    assert checks["gpu:lavapipe"].detail == "llvmpipe, driver Mesa 25, accepted by Dawn as 'llvmpipe (LLVM)'"


def test_a_software_driver_that_is_not_here_is_missing_and_not_broken():
    checks = by_subject(TargetInfo("cpu", True))
    assert {name: one.state for name, one in checks.items()} == {
        "cpu": "ok",
        "gpu:lavapipe": "missing",
        "gpu:swiftshader": "missing",
    }
    assert "mesa.sh" in checks["gpu:lavapipe"].remedy
    assert "swiftshader.sh" in checks["gpu:swiftshader"].remedy


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("gpu:lavapipe", "mesa.sh"),
        ("gpu:swiftshader", "swiftshader.sh"),
        ("gpu:arc-a770", "install the vendor's newest Vulkan driver"),
    ],
)
def test_a_driver_that_does_not_work_is_broken_and_says_what_mends_it(name: str, remedy: str):
    broken = TargetInfo(name, False, "a device", "", "driver 1", "the delegate accepts none")
    one = by_subject(broken, *[info for info in (WORKS, SWIFT) if info.name != name])[name]
    assert one.state == "broken"
    assert one.detail == "a device, driver driver 1: the delegate accepts none"
    assert remedy in one.remedy


def test_a_variable_that_hides_every_driver_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("VK_DRIVER_FILES", "/nowhere/icd.json")
    assert by_subject(TargetInfo("cpu", True))["VK_DRIVER_FILES"].remedy == "unset VK_DRIVER_FILES"
    assert "VK_DRIVER_FILES" not in by_subject(WORKS), "it hides nothing that is missed"


def test_a_runtime_that_is_not_installed_is_one_line(monkeypatch: pytest.MonkeyPatch):
    def gone() -> None:
        raise TargetUnavailable("LiteRT is not installed")

    monkeypatch.setattr(runtimes, "installed", gone)
    (one,) = checkup.check_runtime()
    assert (one.subject, one.state, one.detail) == ("runtime", "broken", "LiteRT is not installed")
    assert one.remedy.endswith(f"-m pip install {runtimes.PACKAGE}")


def test_the_installed_runtime_is_here_with_its_accelerator():
    runtime, accelerator, others = checkup.check_runtime()
    assert [one.state for one in (runtime, accelerator, others)] == ["ok"] * 3
    assert runtimes.installed().version in runtime.detail


def test_a_compiler_is_found_by_variable_or_on_the_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("CC", "/opt/cc")
    assert checkup.check_compiler() == Requirement("C compiler", "ok", "/opt/cc")
    monkeypatch.delenv("CC")
    monkeypatch.setenv("PATH", str(tmp_path))
    missing = checkup.check_compiler()
    assert (missing.state, missing.remedy.split()[-3:]) == ("missing", ["-y", "gcc", "libc6-dev"])


def test_what_the_converter_needs_is_named_by_package(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(checkup, "_version", lambda package: "1.0" if package == "torch" else "")
    states = {one.subject: one.state for one in checkup.check_converter()}
    assert states == {name: "ok" if name == "torch" else "missing" for name in checkup.CONVERTER_PACKAGES}


def test_python_is_this_one():
    assert sys.executable in checkup.check_python().detail


POCL = OpenClDriver("pocl", "pthread", "PoCL 3.1", Path("/usr/lib/libpocl.so.2"), ())


@pytest.mark.parametrize(
    ("drivers", "infos", "state", "words"),
    [
        ([], [], "missing", "no OpenCL driver is installed"),
        ([POCL], [], "missing", "PoCL 3.1, but LiteRT-LM's library is not in the cache yet"),
        (
            [POCL],
            [TargetInfo("gpu:pocl", True, "pthread", "pthread", "PoCL 3.1")],
            "ok",
            "PoCL 3.1, with LiteRT-LM lm-",
        ),
        ([POCL], [TargetInfo("gpu:pocl", False, driver="PoCL 3.1", reason="no sum")], "broken", "PoCL 3.1: no sum"),
    ],
    ids=["no driver", "no library", "works", "does not work"],
)
def test_the_targets_over_opencl_are_there_or_brought_by_one_command(
    monkeypatch: pytest.MonkeyPatch, drivers: list[OpenClDriver], infos: list[TargetInfo], state: str, words: str
):
    monkeypatch.setattr(checkup, "opencl_drivers", lambda: drivers)
    monkeypatch.setattr(checkup, "available_opencl", lambda: infos)
    monkeypatch.setattr(checkup.android_runtime, "made_versions", lambda: ["lm-0.18.1"])
    (one,), told = checkup.check_opencl()
    assert told == infos
    assert (one.state, words in one.detail) == (state, True)
    assert one.remedy.endswith(" opencl") is (state != "ok")


WEB = TargetInfo("gpu:web", True, "google swiftshader", "google swiftshader", "Chromium 156.0.1")


@pytest.mark.parametrize(
    ("lacks", "fetched", "infos", "state", "words"),
    [
        ("no Chromium", ["web-2.5.3"], [], "missing", "no Chromium: a browser's own delegate, not needed for a run"),
        ("", [], [], "missing", "LiteRT.js is not in the cache yet"),
        ("", ["web-2.5.3"], [WEB], "ok", "google swiftshader, Chromium 156.0.1, with LiteRT.js 2.5.3"),
        (
            "",
            ["web-2.5.3"],
            [dataclasses.replace(WEB, usable=False, reason="no sum")],
            "broken",
            "Chromium 156.0.1: no sum",
        ),
    ],
    ids=["no browser", "no LiteRT.js", "works", "does not work"],
)
def test_the_target_in_a_browser_is_there_or_brought_by_one_command(
    monkeypatch: pytest.MonkeyPatch, lacks: str, fetched: list[str], infos: list[TargetInfo], state: str, words: str
):
    monkeypatch.setattr(checkup, "missing", lambda: lacks)
    monkeypatch.setattr(checkup, "available_web", lambda: infos)
    monkeypatch.setattr(checkup.litert_js, "fetched_versions", lambda: fetched)
    one, told = checkup.check_web()
    assert told == infos
    assert (one.state, words in one.detail) == (state, True)
    assert one.remedy.endswith(" web") is (state != "ok")


def test_what_gives_a_phones_runner_is_named_or_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REPRO_ANDROID_RUNNER", "ANDROID_NDK_HOME", "ANDROID_NDK_ROOT", "ANDROID_HOME", "ANDROID_SDK_ROOT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("runner.adb.build.zig_compiler", lambda: None)
    absent = checkup.check_phone_runner()
    assert absent.state == "missing"
    assert absent.remedy == compiler_install()
    monkeypatch.setattr("runner.adb.build.zig_compiler", lambda: "/opt/zig")
    assert "/opt/zig" in checkup.check_phone_runner().detail
    monkeypatch.setenv("REPRO_ANDROID_RUNNER", str(tmp_path / "none"))
    broken = checkup.check_phone_runner()
    assert broken.state == "broken"
    assert f"{tmp_path / 'none'}: No such file" in broken.detail
    monkeypatch.setenv("REPRO_ANDROID_RUNNER", sys.executable)
    assert checkup.check_phone_runner().detail == f"REPRO_ANDROID_RUNNER names {sys.executable}"
