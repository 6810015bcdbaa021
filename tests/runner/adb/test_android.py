"""Fetching LiteRT's Android libraries: over a server on loopback (progress, resume, checksum), --from, PyPI."""

from __future__ import annotations

import hashlib
import platform
import shutil
import subprocess
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from runner import known_downloads
from runner.adb import android
from runner.adb.build import runner_calls
from runner.c_compiler import compiler
from runner.errors import BadInput, TargetUnavailable
from runner.opencl import android_runtime

ARM = b"\x7fELF\x02\x01\x01" + bytes(11) + (183).to_bytes(2, "little")
FILES = {
    "libLiteRt.so": ARM + b"a" * 300_000,
    "libLiteRtClGlAccelerator.so": ARM + b"b" * 200_000,
    "run_model": ARM + b"c" * 1000,
}


class Bucket(ThreadingHTTPServer):
    """Serves binaries/2.3.0/android_arm64. cut: break one answer after so many bytes. ranges: as they were asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = dict(FILES)
        self.sums = {name: hashlib.sha256(data).hexdigest() for name, data in FILES.items()}
        self.cut: int | None = None
        self.ranges: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Bucket

    def do_GET(self) -> None:
        name = self.path.removeprefix("/binaries/2.3.0/android_arm64/")
        if name.endswith(".sha256") and name.removesuffix(".sha256") in self.server.sums:
            data, start = self.server.sums[name.removesuffix(".sha256")].encode(), 0
        elif name in self.server.files:
            data = self.server.files[name]
            asked = self.headers.get("Range", "")
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
            self.server.ranges.append(asked)
        else:
            self.send_error(404)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        end = len(data)
        if self.server.cut is not None and not name.endswith(".sha256"):
            end, self.server.cut = start + self.server.cut, None
        self.wfile.write(data[start:end])
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    monkeypatch.setenv("REPRO_CACHE", str(tmp_path / "cache"))
    for name in ("no_proxy", "NO_PROXY"):  # a proxy that the user's network needs does not know this server
        monkeypatch.setenv(name, "127.0.0.1")
    server = Bucket()
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_version_is_fetched_with_progress_and_hashes(bucket: Bucket) -> None:
    seen: dict[str, tuple[int, int]] = {}

    def note(name: str, done: int, total: int) -> None:
        seen[name] = (done, total)

    hashes = android.fetch("2.3.0", "arm64-v8a", note, bucket.url)
    assert hashes == bucket.sums
    assert seen["libLiteRt.so"] == (len(FILES["libLiteRt.so"]),) * 2
    version, files = android.android_libraries("arm64-v8a")
    assert version == "2.3.0"
    assert {name: path.read_bytes() for name, path in files.items()} == {name: FILES[name] for name in android.FILES}


def test_a_cut_download_resumes(bucket: Bucket) -> None:
    bucket.cut = 100_000
    with pytest.raises(TargetUnavailable, match="run the same command again"):
        android.fetch("2.3.0", "arm64-v8a", base=bucket.url)
    assert android.fetch("2.3.0", "arm64-v8a", base=bucket.url) == bucket.sums
    assert "bytes=100000-" in bucket.ranges


def test_a_wrong_checksum_is_refused(bucket: Bucket) -> None:
    bucket.sums["libLiteRt.so"] = "0" * 64
    with pytest.raises(TargetUnavailable, match="sha256"):
        android.fetch("2.3.0", "arm64-v8a", base=bucket.url)
    with pytest.raises(TargetUnavailable, match="repro device setup"):
        android.android_libraries("arm64-v8a")


NAME = "binaries/2.3.0/android_arm64/libLiteRt.so"


def test_files_that_are_not_known_are_said_aloud_with_their_digests(bucket: Bucket) -> None:
    said: list[str] = []
    android.fetch("2.3.0", "arm64-v8a", base=bucket.url, tell=said.append)
    assert f"{NAME} is not known here; its sha256 is {bucket.sums['libLiteRt.so']}, not checked" in said
    assert len(said) == len(FILES)


def test_a_known_file_that_is_another_is_refused_even_where_the_place_agrees_with_itself(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_downloads, "LIST", tmp_path / "list")
    (tmp_path / "list").write_text(f"{'0' * 64}  {NAME}\n", encoding="utf-8")
    with pytest.raises(TargetUnavailable, match=rf"{NAME} came with sha256 {bucket.sums['libLiteRt.so']}, and 0{{64}}"):
        android.fetch("2.3.0", "arm64-v8a", base=bucket.url)
    with pytest.raises(TargetUnavailable, match="repro device setup"):
        android.android_libraries("arm64-v8a")
    right = bucket.sums["libLiteRt.so"]
    (tmp_path / "list").write_text(f"{right}  {NAME}\n", encoding="utf-8")
    said: list[str] = []
    assert android.fetch("2.3.0", "arm64-v8a", base=bucket.url, tell=said.append) == bucket.sums
    assert not any(NAME in line for line in said)


def test_offline_and_absent_versions_say_what_to_do(bucket: Bucket) -> None:
    with pytest.raises(TargetUnavailable, match=r"HTTP 404.*--from"):
        android.fetch("9.9.9", "arm64-v8a", base=bucket.url)
    with pytest.raises(TargetUnavailable, match=r"cannot be reached.*--from"):
        android.fetch("2.3.0", "arm64-v8a", base="http://127.0.0.1:1")


def test_from_a_folder_and_an_aar(bucket: Bucket, tmp_path: Path) -> None:
    folder = tmp_path / "libs"
    folder.mkdir()
    for name in android.FILES:
        (folder / name).write_bytes(FILES[name])
    assert set(android.take_from(folder, "2.2.0", "arm64-v8a")) == set(android.FILES)
    aar = tmp_path / "litert.aar"
    with zipfile.ZipFile(aar, "w") as archive:
        for name in android.FILES:
            archive.writestr(f"jni/arm64-v8a/{name}", FILES[name])
    assert set(android.take_from(aar, "2.4.0", "arm64-v8a")) == set(android.FILES)
    assert android.android_libraries("arm64-v8a")[0] == "2.4.0"


def test_incomplete_damaged_and_foreign_sets_are_refused(bucket: Bucket, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"holds no libLiteRt\.so"):
        android.take_from(tmp_path, "2.3.0", "arm64-v8a")
    with pytest.raises(BadInput, match="does not exist"):
        android.take_from(tmp_path / "nothing", "2.3.0", "arm64-v8a")
    (tmp_path / "bad.aar").write_bytes(b"PK no")
    with pytest.raises(BadInput, match="no AAR"):
        android.take_from(tmp_path / "bad.aar", "2.3.0", "arm64-v8a")
    for name in android.FILES:
        (tmp_path / name).write_bytes(b"\x7fELF\x02\x01\x01" + bytes(11) + (62).to_bytes(2, "little"))
    with pytest.raises(BadInput, match="built for x86_64, the device is arm64-v8a"):
        android.take_from(tmp_path, "2.3.0", "arm64-v8a")


ABI = {"x86_64": "x86_64", "aarch64": "arm64-v8a"}.get(platform.machine(), "")


def library(folder: Path, calls: list[str]) -> bytes:
    """A shared library of this machine that exports `calls`."""
    source = folder / "calls.c"
    source.write_text("".join(f"int {call}(void) {{ return 0; }}\n" for call in calls), encoding="utf-8")
    built = folder / "calls.so"
    command = [compiler(), "-shared", "-fPIC", "-Wl,--hash-style=gnu", str(source), "-o", str(built)]
    subprocess.run(command, check=True, capture_output=True)
    return built.read_bytes()


@pytest.fixture
def pypi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The wheel that pip will bring; its digest is known."""
    monkeypatch.setenv("REPRO_CACHE", str(tmp_path / "cache"))
    wheel = tmp_path / "litert_lm_api-0.18.1-py3-none-android.whl"

    def download(requirement: str, folder: Path, options: list[str]) -> Path:
        assert requirement == "litert-lm-api==0.18.1"
        assert f"android_23_{android.WHEELS[ABI]}" in options
        return Path(shutil.copy2(wheel, folder / wheel.name))

    monkeypatch.setattr(android_runtime, "download_wheel", download)
    monkeypatch.setattr(known_downloads, "LIST", tmp_path / "list")
    return wheel


def publish(wheel: Path, data: bytes) -> None:
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("litert_lm/liblitert-lm.so", data)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    wheel.with_name("list").write_text(f"{digest}  {wheel.name}\n", encoding="utf-8")


def test_pypis_library_is_taken_as_the_runners(pypi: Path, tmp_path: Path) -> None:
    data = library(tmp_path, runner_calls())
    publish(pypi, data)
    assert android.fetch_from_pypi("lm-0.18.1", ABI) == {"libLiteRt.so": hashlib.sha256(data).hexdigest()}
    version, files = android.android_libraries(ABI)
    assert version == "lm-0.18.1"
    assert [(name, path.read_bytes()) for name, path in files.items()] == [("libLiteRt.so", data)]


def test_a_wheel_that_is_not_the_known_one_is_refused(pypi: Path, tmp_path: Path) -> None:
    publish(pypi, library(tmp_path, runner_calls()))
    pypi.with_name("list").write_text(f"{'0' * 64}  {pypi.name}\n", encoding="utf-8")
    with pytest.raises(TargetUnavailable, match=r"and 0{64} is known of it: refused"):
        android.fetch_from_pypi("lm-0.18.1", ABI)


def test_whatever_pypis_library_lacks_is_named(pypi: Path, tmp_path: Path) -> None:
    calls = runner_calls()
    assert len(calls) == 30
    publish(pypi, library(tmp_path, [call for call in calls if call != "LiteRtRunCompiledModel"]))
    with pytest.raises(TargetUnavailable, match=r"lm-0\.18\.1 does not export LiteRtRunCompiledModel, .* \(1 such\)"):
        android.fetch_from_pypi("lm-0.18.1", ABI)
    with pytest.raises(TargetUnavailable, match="cannot be read: it is no 64-bit"):
        android.require_calls(b"no library", "lm-0.18.1")
    with pytest.raises(TargetUnavailable, match="no Android wheel for armeabi-v7a, only for arm64-v8a and x86_64"):
        android.fetch_from_pypi("lm-0.18.1", "armeabi-v7a")
    with pytest.raises(BadInput, match=r"known are lm-0\.14\.0"):
        android.fetch_from_pypi("lm-0.19.0", ABI)


def test_every_release_is_pinned_for_phones() -> None:
    for version in android_runtime.KNOWN:
        number = version.removeprefix("lm-")
        for machine in android.WHEELS.values():
            name = f"litert_lm_api-{number}-py3-none-android_23_{machine}.whl"
            assert known_downloads.known_sha256(name), name
