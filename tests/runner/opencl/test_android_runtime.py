"""Making LiteRT-LM's wheel a runtime: each step that cannot be done ends in one line that says what to do."""

from __future__ import annotations

import hashlib
import subprocess
import zipfile
from pathlib import Path

import pytest

from runner import known_downloads
from runner.c_compiler import compiler
from runner.errors import BadInput, TargetUnavailable
from runner.opencl import android_runtime
from runner.opencl.android_runtime import KNOWN, NEWEST, check_loads, runtime_folder

NAME = f"litert_lm_api-{NEWEST.removeprefix('lm-')}-py3-none-android_23_x86_64.whl"


def quiet(line: str) -> None: ...


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REPRO_CACHE", str(tmp_path / "cache"))


def serve(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, files: dict[str, bytes], *, is_known: bool = True) -> None:
    """Let pip's place give a wheel of these files, which is the known one or is not."""

    def download(requirement: str, folder: Path, options: object = ()) -> Path:
        wheel = folder / NAME
        with zipfile.ZipFile(wheel, "w") as archive:
            for name, data in files.items():
                archive.writestr(zipfile.ZipInfo(name), data)
        if is_known:
            known = tmp_path / "known"
            known.write_text(f"{hashlib.sha256(wheel.read_bytes()).hexdigest()}  {wheel.name}\n", encoding="utf-8")
            monkeypatch.setattr(known_downloads, "LIST", known)
        return wheel

    monkeypatch.setattr(android_runtime, "download_wheel", download)


def test_every_known_release_has_its_digest():
    for version in KNOWN:
        name = f"litert_lm_api-{version.removeprefix('lm-')}-py3-none-android_23_x86_64.whl"
        assert known_downloads.known_sha256(name), name


def test_an_unknown_version_is_refused_with_those_that_are_known():
    with pytest.raises(BadInput, match=f"'lm-9.9.9' is no LiteRT-LM runtime that is known here.*{KNOWN[0]}, "):
        runtime_folder("lm-9.9.9", quiet)


def test_a_wheel_with_another_hash_is_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    serve(monkeypatch, tmp_path, {"litert_lm/liblitert-lm.so": b"x"}, is_known=False)
    with pytest.raises(TargetUnavailable, match=rf"{NAME} came with sha256 .*: refused"):
        runtime_folder(NEWEST, quiet)
    assert not list((tmp_path / "cache" / "opencl" / "wheels").glob("[0-9]*"))


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"litert_lm/__init__.py": b""}, r"holds no liblitert-lm\.so; use lm-"),
        ({"litert_lm/liblitert-lm.so": b"not a library"}, "cannot be made loadable here: it is no 64-bit"),
    ],
    ids=["no library", "foreign library"],
)
def test_a_wheel_that_is_built_otherwise_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, files: dict[str, bytes], why: str
):
    serve(monkeypatch, tmp_path, files)
    with pytest.raises(TargetUnavailable, match=why):
        runtime_folder(NEWEST, quiet)
    assert not list((tmp_path / "cache" / "opencl").glob("runtimes/lm-*"))


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (
            "extern int of_a_later_release(void); int a(void) { return of_a_later_release(); }",
            "needs of_a_later_release,",
        ),
        ("int LiteRtOther(void) { return 0; }", r"does not export LiteRT's C API \(LiteRtCreateEnvironment\)"),
    ],
    ids=["unknown symbol", "hidden interface"],
)
def test_what_the_loader_misses_is_named(tmp_path: Path, source: str, why: str):
    (tmp_path / "a.c").write_text(source, encoding="utf-8")
    command = [str(compiler()), "-shared", "-fPIC", "-Wl,-z,now", "-o", str(tmp_path / "libLiteRt.so")]
    subprocess.run([*command, str(tmp_path / "a.c")], check=True)
    with pytest.raises(TargetUnavailable, match=why):
        check_loads("lm-9.9.9", tmp_path)
