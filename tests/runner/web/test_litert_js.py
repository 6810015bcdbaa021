"""LiteRT.js from npm: held to its digest, unpacked once, and each step that cannot be done ends in one line."""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
from pathlib import Path

import pytest

from runner import known_downloads
from runner.errors import BadInput, TargetUnavailable
from runner.runtime_version import bare
from runner.runtimes import Runtime
from runner.web import litert_js
from runner.web.litert_js import KNOWN, NEWEST, deciding_files, fetched_versions, runtime_folder

FILES = ("package.json", "dist/index.js", "wasm/litert_wasm_internal.js", "wasm/litert_wasm_internal.wasm")
OTHER_BUILDS = ("wasm/litert_wasm_jspi_internal.wasm", "wasm/litert_wasm_threaded_internal.js")


def quiet(line: str) -> None: ...


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REPRO_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def npm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An npm whose `pack` gives the archives in the returned folder, which holds the two of the newest version."""
    shelf, programs = tmp_path / "shelf", tmp_path / "bin"
    shelf.mkdir()
    programs.mkdir()
    for name in ("core", "wasm-utils"):
        with tarfile.open(shelf / f"litertjs-{name}-{bare(NEWEST)}.tgz", "w:gz") as archive:
            for file in (*FILES, *OTHER_BUILDS):
                member = tarfile.TarInfo(f"package/{file}")
                member.size = len(name)
                archive.addfile(member, io.BytesIO(name.encode()))
    program = programs / "npm"
    # npm pack @litertjs/core@2.5.3 --pack-destination FOLDER
    program.write_text(
        f'#!/bin/sh\nname=$(echo "$2" | sed "s,@litertjs/,litertjs-,; s,@,-,")\ncp "{shelf}/$name.tgz" "$4" '
        '|| { echo "npm error code E404" >&2; exit 1; }\n',
        encoding="utf-8",
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    believe(monkeypatch, tmp_path, shelf)
    return shelf


def believe(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shelf: Path) -> None:
    known = tmp_path / "known"
    lines = (f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in shelf.iterdir())
    known.write_text("".join(lines), encoding="utf-8")
    monkeypatch.setattr(known_downloads, "LIST", known)


def test_every_known_release_has_its_digest():
    for version in KNOWN:
        assert known_downloads.known_sha256(f"litertjs-core-{bare(version)}.tgz"), version
        assert known_downloads.known_sha256(f"litertjs-wasm-utils-{litert_js._UTILS_OF[bare(version)]}.tgz"), version


def test_a_version_is_fetched_once_without_the_builds_that_no_page_loads(npm: Path):
    said: list[str] = []
    folder = runtime_folder(NEWEST, said.append)
    assert [line.split(" (")[0] for line in said] == [f"fetching @litertjs/core {bare(NEWEST)}"]
    assert fetched_versions() == [NEWEST]
    kept = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert kept == {f"{name}/{file}" for name in ("core", "wasm-utils") for file in FILES} | {"contents.json"}
    for path in npm.iterdir():
        path.unlink()
    assert runtime_folder(NEWEST, said.append) == folder
    assert len(said) == 1
    assert set(Runtime(NEWEST, folder).libraries) == set(deciding_files(folder))


def test_a_damaged_folder_is_fetched_again(npm: Path):
    folder = runtime_folder(NEWEST, quiet)
    file = deciding_files(folder)["index.js"]
    file.write_text("damaged", encoding="utf-8")
    assert fetched_versions() == []
    assert runtime_folder(NEWEST, quiet) == folder
    assert file.read_text(encoding="utf-8") == "core"


def test_an_unknown_version_is_refused_with_those_that_are_known():
    with pytest.raises(BadInput, match=f"'web-9.9.9' is no LiteRT.js runtime that is known here.*{KNOWN[0]}, "):
        runtime_folder("web-9.9.9", quiet)


def test_an_archive_with_another_hash_is_not_used(npm: Path):
    archive = npm / f"litertjs-core-{bare(NEWEST)}.tgz"
    archive.write_bytes(archive.read_bytes() + b"more")
    with pytest.raises(TargetUnavailable, match=rf"{re.escape(archive.name)} came with sha256 .*: refused"):
        runtime_folder(NEWEST, quiet)
    assert fetched_versions() == []


def test_what_npm_cannot_give_is_said_in_its_words(npm: Path):
    (npm / f"litertjs-core-{bare(NEWEST)}.tgz").unlink()
    with pytest.raises(TargetUnavailable, match=r"@litertjs/core@.* cannot be fetched \(npm error code E404\)"):
        runtime_folder(NEWEST, quiet)


def test_without_npm_the_command_that_brings_it_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TargetUnavailable, match=r"fetched with npm, which is not here; run: make -C .* web"):
        runtime_folder(NEWEST, quiet)
