"""LiteRT's Android libraries, by version and ABI, in the cache: fetched, or taken from a folder or an AAR.

The official place is a bucket with `litert/binaries/<version>/android_arm64/<file>`; $REPRO_LITERT_URL
names it or a mirror of it. A download resumes where it was cut, is checked against what is known of that file here
(`runner.known_downloads`), against the place's own checksum file where it has one, and always against the ELF header
and the size.

The other place is PyPI: LiteRT-LM's wheel for Android holds one library with LiteRT's C API and its OpenCL delegate.
To the runner it is a `libLiteRt.so` that needs no accelerator library beside it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path

from runner.adb.build import ABIS, checked_binary, runner_calls
from runner.cache import cache_root, canonical_json, file_sha256, folder_in_place, make_folder, read_json
from runner.errors import BadInput, TargetUnavailable
from runner.known_downloads import hold_to_known
from runner.opencl.android_library import NotRewritable, exported_names
from runner.opencl.android_runtime import NEWEST, is_android, published_library
from runner.runtime_version import version_order
from runner.scratch import ScratchFolder

LIBRARY = "libLiteRt.so"
ACCELERATOR = "libLiteRtClGlAccelerator.so"
RUN_MODEL = "run_model"
FILES = (LIBRARY, ACCELERATOR)
HASHES = "hashes.json"
BUCKET = "https://storage.googleapis.com/litert"
WHEELS = {"arm64-v8a": "arm64_v8a", "x86_64": "x86_64"}
"""ABI -> the machine in the name of LiteRT-LM's wheel for it."""
FOLDERS = {"arm64-v8a": "android_arm64", "x86_64": "android_x86_64", "armeabi-v7a": "android_arm", "x86": "android_x86"}
Progress = Callable[[str, int, int], None]
_CHUNK = 1 << 18


def home(version: str, abi: str) -> Path:
    return cache_root() / "android" / version / abi


def android_libraries(abi: str, version: str | None = None) -> tuple[str, dict[str, Path]]:
    """(version, name -> file) of what was set up for an ABI; the newest where no version is asked.

    Raises TargetUnavailable naming the command that fetches it.
    """
    have = sorted(
        (folder.parent.name for folder in (cache_root() / "android").glob(f"*/{abi}") if _kept_hashes(folder)),
        key=version_order,
    )
    chosen = version or (have[-1] if have else "")
    if not chosen or chosen not in have:
        asked = f" --runtime {version}" if version else ""
        raise TargetUnavailable(f"no LiteRT libraries for {abi} here; run `repro device setup{asked}`")
    folder = home(chosen, abi)
    return chosen, {name: folder / name for name in FILES if (folder / name).is_file()}


def take_from(source: Path, version: str, abi: str) -> dict[str, str]:
    """Copy the libraries out of a folder or an AAR. Returns name -> sha256. Raises BadInput."""
    if abi not in ABIS:
        raise BadInput(f"ABI '{abi}' is none of {', '.join(ABIS)}")
    if not source.exists():
        raise BadInput(f"{source} does not exist; give a folder with {LIBRARY}, or an AAR")
    with ScratchFolder("android") as scratch:
        place = Path(scratch)
        if source.is_dir():
            for name in (*FILES, RUN_MODEL):
                found = next(
                    (p for p in (source / name, source / abi / name, source / "jni" / abi / name) if p.is_file()), None
                )
                if found is not None:
                    shutil.copy2(found, place / name)
        else:
            _unpack_aar(source, abi, place)
        return _install(place, version, abi, str(source))


def _unpack_aar(source: Path, abi: str, place: Path) -> None:
    try:
        with zipfile.ZipFile(source) as archive:
            for name in FILES:
                member = f"jni/{abi}/{name}"
                if member in archive.namelist():
                    (place / name).write_bytes(archive.read(member))
    except (zipfile.BadZipFile, OSError) as error:
        raise BadInput(f"{source} is no AAR ({error}); give a folder or an AAR that is whole") from error


def fetch(
    version: str,
    abi: str,
    progress: Progress = lambda name, done, total: None,
    base: str | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> dict[str, str]:
    """Download the libraries (and run_model where there is one). Returns name -> sha256. tell: of unknown files.

    Raises TargetUnavailable offline, where the place has no such version (what came stays for the next try), and for
    a known file that is another one there.
    """
    if abi not in FOLDERS:
        raise BadInput(f"ABI '{abi}' is none of {', '.join(FOLDERS)}")
    root = (base or os.environ.get("REPRO_LITERT_URL") or BUCKET).rstrip("/")
    folder = f"{root}/binaries/{version}/{FOLDERS[abi]}"
    partial = cache_root() / "android" / "partial" / f"{version}-{abi}-{hashlib.sha256(root.encode()).hexdigest()[:8]}"
    make_folder(partial)
    names = list(FILES)
    for name in FILES:
        download(f"{folder}/{name}", partial / name, progress)
    try:
        download(f"{folder}/{RUN_MODEL}", partial / RUN_MODEL, progress)
        names.append(RUN_MODEL)
    except _Absent:
        (partial / RUN_MODEL).unlink(missing_ok=True)  # only needed for --engine run_model
    for name in names:
        sha256 = hashlib.sha256((partial / name).read_bytes()).hexdigest()
        try:
            hold_to_known(f"binaries/{version}/{FOLDERS[abi]}/{name}", sha256, tell)
        except TargetUnavailable:
            (partial / name).unlink()
            raise
    hashes = _install(partial, version, abi, folder)
    shutil.rmtree(partial)
    return hashes


def fetch_from_pypi(version: str, abi: str, tell: Callable[[str], None] = lambda line: None) -> dict[str, str]:
    """Take the library out of LiteRT-LM's wheel. Returns name -> sha256. version: `lm-0.18.1`.

    Raises BadInput for a version that is not pinned here, TargetUnavailable where there is no wheel for the ABI, where
    it cannot be fetched, and where its library lacks a call that the runner makes.
    """
    if abi not in WHEELS:
        raise TargetUnavailable(
            f"LiteRT-LM has no Android wheel for {abi}, only for {' and '.join(WHEELS)}; use a device of those, or "
            f"LiteRT's own libraries: `repro device setup` without --from-pypi"
        )
    library = published_library(version, WHEELS[abi], tell)
    require_calls(library, version)
    with ScratchFolder("android") as scratch:
        (Path(scratch) / LIBRARY).write_bytes(library)
        return _install(Path(scratch), version, abi, f"{version} from PyPI")


def require_calls(library: bytes, version: str) -> None:
    """Raise TargetUnavailable for a library that does not export all of LiteRT's calls that the runner makes."""
    try:
        exported = exported_names(library)
    except NotRewritable as error:
        raise TargetUnavailable(f"the library of {version} cannot be read: {error}; use {NEWEST}") from error
    missing = [call for call in runner_calls() if call not in exported]
    if missing:
        raise TargetUnavailable(
            f"{version} does not export {missing[0]}, which the runner calls ({len(missing)} such); use {NEWEST}"
        )


class _Absent(TargetUnavailable):
    """The server has no such file."""


def download(url: str, path: Path, progress: Progress) -> None:
    """One file, resumed where `path`.part ends, checked against `url`.sha256 where the server has that."""
    part = path.with_name(path.name + ".part")
    if path.is_file():
        return
    have = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            resumed = have > 0 and answer.status == 206
            total = int(answer.headers.get("Content-Length") or 0) + (have if resumed else 0)
            with part.open("ab" if resumed else "wb") as file:
                done = have if resumed else 0
                while data := answer.read(_CHUNK):
                    file.write(data)
                    done += len(data)
                    progress(path.name, done, total)
        if total and done != total:
            raise TargetUnavailable(f"{url} was cut at {done} of {total} bytes; run the same command again, it resumes")
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # the part is as long as the file, or the file has changed: start over
            part.unlink()
            download(url, path, progress)
            return
        if error.code in (403, 404):
            raise _Absent(
                f"{url} is not there (HTTP {error.code}); check the version, or give the files with --from DIR|AAR"
            ) from error
        raise TargetUnavailable(
            f"{url}: HTTP {error.code}; try again, or give the files with --from DIR|AAR"
        ) from error
    except (urllib.error.URLError, OSError) as error:
        reason = getattr(error, "reason", error)
        raise TargetUnavailable(
            f"{url} cannot be reached ({reason}); check the network, or give the files with --from DIR|AAR"
        ) from error
    _check_sum(url, part)
    part.replace(path)


def _check_sum(url: str, part: Path) -> None:
    try:
        with urllib.request.urlopen(f"{url}.sha256", timeout=30) as answer:
            wanted = answer.read(200).decode("ascii", "replace").split()[0].lower()
    except (urllib.error.URLError, OSError, IndexError):
        return  # the place publishes no checksum; the hash is shown and recorded instead
    got = hashlib.sha256(part.read_bytes()).hexdigest()
    if got != wanted:
        part.unlink()
        raise TargetUnavailable(f"{url} came with sha256 {got[:16]}, the place says {wanted[:16]}; fetch it again")


def _install(place: Path, version: str, abi: str, source: str) -> dict[str, str]:
    for name in (LIBRARY,) if is_android(version) else FILES:
        if not (place / name).is_file():
            raise BadInput(f"{source} holds no {name} for {abi}; give a complete set for this ABI")
        checked_binary(place / name, abi)
    names = [name for name in (*FILES, RUN_MODEL) if (place / name).is_file()]
    hashes = {name: hashlib.sha256((place / name).read_bytes()).hexdigest() for name in names}
    target = home(version, abi)
    if _kept_hashes(target) != hashes:
        with folder_in_place(target, lambda folder: _kept_hashes(folder) == hashes) as made:
            for name in names:
                shutil.copy2(place / name, made / name)
            (made / HASHES).write_bytes(canonical_json({"files": hashes, "source": source}))
    return hashes


def _kept_hashes(folder: Path) -> dict[str, str]:
    """Name -> sha256 of the files that were installed into a folder; empty where one is not as it was then."""
    known = read_json(folder / HASHES)
    files = known.get("files") if isinstance(known, dict) else None
    try:
        return files if isinstance(files, dict) and all(file_sha256(folder / n) == files[n] for n in files) else {}
    except OSError:
        return {}
