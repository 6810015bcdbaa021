"""Runtimes: the installed one, fetched ones (from a folder of wheels made here), and errors without a network."""

from __future__ import annotations

import hashlib
import sys
import zipfile
from pathlib import Path

import pytest

from runner import known_downloads, runtimes
from runner.errors import BadInput, TargetUnavailable

TAG = f"cp{sys.version_info.major}{sys.version_info.minor}"


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty cache, and a pip that knows no index but the returned folder of wheels."""
    wheels = tmp_path / "wheels with a space"
    wheels.mkdir()
    monkeypatch.setenv("REPRO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", wheels.as_uri())
    return wheels


def make_wheel(folder: Path, version: str, package: str = "ai_edge_litert") -> None:
    with zipfile.ZipFile(folder / f"{package}-{version}-py3-none-any.whl", "w") as wheel:
        info = f"{package}-{version}.dist-info"
        files = {
            "ai_edge_litert/libLiteRt.so": f"library of {version}",
            "ai_edge_litert/libLiteRtWebGpuAccelerator.so": "accelerator",
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n",
            f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        for name, text in files.items():
            wheel.writestr(name, text)
        lengths = "".join(f"{name},,{len(text)}\n" for name, text in files.items())
        wheel.writestr(f"{info}/RECORD", f"{lengths}{info}/RECORD,,\n")


def test_the_installed_runtime_has_its_libraries_fingerprinted():
    runtime = runtimes.runtime()
    assert runtime == runtimes.runtime(runtime.version) == runtimes.installed()
    assert (runtime.folder / "libLiteRt.so").is_file()
    assert runtime.accelerator is not None
    assert set(runtime.libraries) >= {"libLiteRt.so", runtime.accelerator.name}


def test_another_version_is_fetched_once_and_kept(offline: Path):
    make_wheel(offline, "9.9.1")
    said: list[str] = []
    runtime = runtimes.runtime("9.9.1", said.append)
    assert runtime.version == "9.9.1"
    assert (runtime.folder / "libLiteRt.so").read_text(encoding="utf-8") == "library of 9.9.1"
    assert any("fetching" in line for line in said)
    again: list[str] = []
    assert runtimes.runtime("9.9.1", again.append) == runtime
    assert again == []
    assert [r.version for r in runtimes.fetched()] == ["9.9.1"]


def test_nightly_is_the_newest_and_the_cache_serves_when_offline(offline: Path, monkeypatch: pytest.MonkeyPatch):
    make_wheel(offline, "9.9.0.dev20260101", "ai_edge_litert_nightly")
    make_wheel(offline, "9.9.0.dev20260301", "ai_edge_litert_nightly")
    assert runtimes.runtime("nightly", lambda line: None).version == "9.9.0.dev20260301"
    monkeypatch.setattr(runtimes, "_NIGHTLY_LASTS_S", -1)
    for wheel in offline.iterdir():
        wheel.unlink()
    said: list[str] = []
    assert runtimes.runtime("nightly", said.append).version == "9.9.0.dev20260301"
    assert any("no newer nightly" in line for line in said)


def test_a_version_that_is_not_known_is_said_aloud_with_its_digest(offline: Path):
    make_wheel(offline, "9.9.1")
    said: list[str] = []
    runtimes.runtime("9.9.1", said.append)
    digest = hashlib.sha256((offline / "ai_edge_litert-9.9.1-py3-none-any.whl").read_bytes()).hexdigest()
    assert f"ai_edge_litert-9.9.1-py3-none-any.whl is not known here; its sha256 is {digest}, not checked" in said


@pytest.mark.parametrize("is_right", [True, False])
def test_a_known_wheel_is_taken_only_with_its_digest(
    offline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_right: bool
):
    make_wheel(offline, "9.9.1")
    name = "ai_edge_litert-9.9.1-py3-none-any.whl"
    digest = hashlib.sha256((offline / name).read_bytes()).hexdigest()
    known = digest if is_right else "0" * 64
    monkeypatch.setattr(known_downloads, "LIST", tmp_path / "list")
    (tmp_path / "list").write_text(f"# known\n{known}  {name}\n", encoding="utf-8")
    said: list[str] = []
    if is_right:
        assert runtimes.runtime("9.9.1", said.append).version == "9.9.1"
        assert not any("not known" in line for line in said)
        return
    with pytest.raises(TargetUnavailable, match=f"{digest}, and {known} is known of it: refused"):
        runtimes.runtime("9.9.1", said.append)
    assert runtimes.fetched() == []


def test_a_version_that_cannot_be_fetched_says_what_to_do(offline: Path):
    with pytest.raises(TargetUnavailable, match=r"cannot be fetched .*check the network"):
        runtimes.runtime("9.9.7", lambda line: None)
    assert runtimes.fetched() == []


def test_what_is_no_version_is_bad_input():
    with pytest.raises(BadInput, match="no LiteRT version; give one like"):
        runtimes.runtime("latest; rm -rf")


def test_a_runtime_that_is_sent_is_there_as_if_it_had_been_fetched(offline: Path, monkeypatch: pytest.MonkeyPatch):
    make_wheel(offline, "9.9.9")
    mine = runtimes.runtime("9.9.9", say=lambda line: None)
    sent = runtimes.packed(mine)
    monkeypatch.setenv("REPRO_CACHE", str(offline / "another machine's"))
    assert not runtimes.is_here("9.9.9")
    with pytest.raises(BadInput, match="is no runtime"):
        runtimes.unpack("9.9.9", sent[: len(sent) // 2])
    assert not runtimes.is_here("9.9.9")
    runtimes.unpack("9.9.9", sent)
    assert runtimes.is_here("9.9.9")
    assert runtimes.runtime("9.9.9").libraries == mine.libraries != {}
    assert runtimes.packed(runtimes.runtime("9.9.9")) == sent
