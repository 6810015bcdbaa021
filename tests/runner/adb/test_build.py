"""Building the runner: CMake's one command on the host, what is said where nothing can build it, foreign binaries."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from runner.adb import build
from runner.errors import BadInput, TargetUnavailable


@pytest.fixture(autouse=True)
def _no_android_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "REPRO_ANDROID_RUNNER",
        "ANDROID_NDK_HOME",
        "ANDROID_NDK_ROOT",
        "ANDROID_HOME",
        "ANDROID_SDK_ROOT",
        "ZIG",
    ):
        monkeypatch.delenv(name, raising=False)


def test_the_documented_command_builds_it_on_the_host(tmp_path: Path) -> None:
    if shutil.which("cmake") is None:
        pytest.skip("no cmake here")
    subprocess.run(["cmake", "-S", str(build.NATIVE), "-B", str(tmp_path)], check=True, capture_output=True)
    subprocess.run(["cmake", "--build", str(tmp_path)], check=True, capture_output=True)
    said = subprocess.run(
        [str(tmp_path / build.RUNNER), "version"], check=True, capture_output=True, encoding="utf-8", errors="replace"
    ).stdout
    assert said.startswith("batch_runner 2, ")


def test_without_any_android_tool_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(TargetUnavailable, match="set ANDROID_NDK_HOME"):
        build.android_runner("arm64-v8a")
    with pytest.raises(TargetUnavailable, match="'riscv64' is none of"):
        build.android_runner("riscv64")


def test_the_compiler_that_pip_brings_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "ziglang").mkdir()
    (tmp_path / "ziglang" / "__init__.py").write_text("", encoding="utf-8")
    zig = tmp_path / "ziglang" / "zig"
    zig.write_text("#!/bin/sh\necho error: this is no zig >&2\nexit 1\n", encoding="utf-8")
    zig.chmod(0o755)
    with pytest.raises(TargetUnavailable, match=rf"cannot be built with {zig}: error: this is no zig"):
        build.android_runner("arm64-v8a")


def test_a_given_binary_is_held_to_the_abi(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REPRO_ANDROID_RUNNER", str(build.host_runner()))
    if build.elf_machine(build.host_runner()) == build.ABIS["x86_64"][1:]:
        assert build.android_runner("x86_64") == (build.host_runner(), "")
    with pytest.raises(BadInput, match="the device is armeabi-v7a"):
        build.android_runner("armeabi-v7a")
    (tmp_path / "text").write_text("#!/bin/sh\n", encoding="utf-8")
    monkeypatch.setenv("REPRO_ANDROID_RUNNER", str(tmp_path / "text"))
    with pytest.raises(BadInput, match="is no ELF file"):
        build.android_runner("arm64-v8a")


def test_the_sha256_command_agrees_with_python(tmp_path: Path) -> None:
    import hashlib

    for size in (0, 1, 55, 56, 63, 64, 65, 1000, 1 << 20):
        path = tmp_path / f"of {size}"
        path.write_bytes(bytes(i * 31 & 0xFF for i in range(size)))
        done = subprocess.run(
            [str(build.host_runner()), "sha256", str(path)],
            check=True,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
        )
        assert done.stdout.split()[0] == hashlib.sha256(path.read_bytes()).hexdigest()
