"""LiteRT with its OpenCL delegate, from the Android wheel of LiteRT-LM, made loadable on this host.

Key insight: the PyPI package `litert-lm-api` has wheels for Android, and `liblitert-lm.so` in them exports LiteRT's C
API with the OpenCL delegate linked in: the code that a phone runs. Fetched by version and sha256, rewritten for glibc's
loader and linked with a stand-in for Android's libc, it is a runtime folder like any other. ai-edge-litert has no
OpenCL on any platform.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

from runner import children
from runner.c_compiler import build_library
from runner.cache import cache_root, canonical_json, file_sha256, folder_in_place, is_whole_folder
from runner.errors import BadInput, TargetUnavailable
from runner.known_downloads import hold_to_known
from runner.opencl import android_library, stand_in
from runner.opencl.android_library import NotRewritable, for_glibc, imported_names
from runner.runtime_version import LM_PREFIX
from runner.wheels import download_wheel

PACKAGE = "litert-lm-api"
KNOWN = tuple(
    LM_PREFIX + number for number in ("0.14.0", "0.15.0", "0.16.0", "0.16.1", "0.17.0", "0.17.1", "0.18.0", "0.18.1")
)
"""The releases that were loaded and run here, oldest first. A later one may hide the API."""
NEWEST = KNOWN[-1]
OPENCL_ALONE: Mapping[str, str | int | bool] = {"backend": 1}
"""OpenCL alone: the library has OpenGL and WebGPU in it too, and would try them. LiteRT's enum GpuBackend."""
_LIBRARY = "liblitert-lm.so"
_LOADED = {"libLiteRt.so", stand_in.NAME}
_MADE, _SOURCES = "made.json", "sources.json"
"""In a runtime's folder: the sha256 of the files that are loaded, and of what they were made from."""


def is_android(version: str | None) -> bool:
    """Whether a runtime's version is one of these: `lm-0.18.1`."""
    return version is not None and version.startswith(LM_PREFIX)


def runtime_folder(version: str, tell: Callable[[str], None]) -> Path:
    """The folder with `libLiteRt.so`, made at first use. version: `lm-0.18.1`.

    Raises BadInput for a version that is not pinned here, TargetUnavailable where a step fails.
    """
    _require_known(version)
    folder = _home() / f"{version}-{_sources_sha256()[:16]}"
    if not _is_whole(folder):
        if platform.machine() != "x86_64":
            raise TargetUnavailable(
                f"LiteRT-LM's library is loaded on x86_64 hosts only, this one is {platform.machine()}"
            )
        original = published_library(version, "x86_64", tell)
        tell(f"making {version} loadable here")
        with folder_in_place(folder, _is_whole) as made:
            _make(original, version, made)
    return folder


def made_versions() -> list[str]:
    """The versions whose folders lie in the cache, made from the sources as they are now, oldest first."""
    stamp = _sources_sha256()[:16]
    return [version for version in KNOWN if _is_whole(_home() / f"{version}-{stamp}")]


def library_hashes(folder: Path) -> Mapping[str, str]:
    """File name -> sha256 of what decides results: the library as it was published, and the source of the stand-in."""
    found: dict[str, str] = json.loads((folder / _SOURCES).read_text(encoding="utf-8"))
    return found


def loaded(folder: Path) -> Mapping[str, Path]:
    """File name -> what a process loads of a runtime's folder."""
    return {name: folder / name for name in sorted(_LOADED)}


def _is_whole(folder: Path) -> bool:
    """Whether both libraries are as they were made. Digests are remembered: 55 MB are not read each time."""
    try:
        made = json.loads((folder / _MADE).read_text(encoding="utf-8"))
        return made.keys() == _LOADED and all(file_sha256(folder / name) == sha for name, sha in made.items())
    except (OSError, ValueError, AttributeError):
        return False


def _home() -> Path:
    return cache_root() / "opencl" / "runtimes"


def _sources_sha256() -> str:
    """Changes when the same wheel would be made into something else."""
    sources = (stand_in.SOURCE, Path(stand_in.__file__), Path(android_library.__file__))
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()


def published_library(version: str, machine: str, tell: Callable[[str], None]) -> bytes:
    """The library as it was published for Android, from the wheel in the cache, fetched at first use.

    version: `lm-0.18.1`. machine: `x86_64`, or `arm64_v8a`. Raises BadInput for a version that is not pinned here,
    TargetUnavailable where it cannot be fetched.
    """
    _require_known(version)
    wheel = _wheel(version.removeprefix(LM_PREFIX), machine, tell)
    with zipfile.ZipFile(wheel) as archive:
        name = next((n for n in archive.namelist() if n.endswith(f"/{_LIBRARY}")), None)
        if name is None:
            raise TargetUnavailable(f"{wheel.name} holds no {_LIBRARY}; use {NEWEST}")
        return archive.read(name)


def _require_known(version: str) -> None:
    if version not in KNOWN:
        raise BadInput(f"'{version}' is no LiteRT-LM runtime that is known here; known are {', '.join(KNOWN)}")


def _wheel(number: str, machine: str, tell: Callable[[str], None]) -> Path:
    """The wheel of a version in the cache, fetched at first use and held to its known digest."""
    folder = cache_root() / "opencl" / "wheels" / f"{number}-{machine}"
    if not is_whole_folder(folder):
        requirement = f"{PACKAGE}=={number}"
        tell(f"fetching {requirement} for Android on {machine} (about 15 MB) into {folder.parent}")
        options = ["--platform", f"android_23_{machine}", "--implementation", "py", "--abi", "none"]
        options += ["--python-version", f"{sys.version_info.major}.{sys.version_info.minor}"]
        with folder_in_place(folder) as made:
            wheel = download_wheel(requirement, made, options)
            hold_to_known(wheel.name, hashlib.sha256(wheel.read_bytes()).hexdigest(), tell)
    return next(folder.glob("*.whl"))


def _make(original: bytes, version: str, made: Path) -> None:
    source = stand_in.SOURCE.read_text(encoding="utf-8")
    absent = made / "absent.c"
    try:
        (made / "libLiteRt.so").write_bytes(for_glibc(original, stand_in.NAME, stand_in.differing_imports(source)))
        absent.write_text(stand_in.absent_functions(imported_names(original), source), encoding="utf-8")
    except NotRewritable as error:
        raise TargetUnavailable(f"{version} cannot be made loadable here: {error}; use {NEWEST}") from error
    what = "the stand-in for Android's libc"
    build_library(what, [stand_in.SOURCE, absent], made / stand_in.NAME, stand_in.FLAGS)
    check_loads(version, made)
    _write_digests(made / _SOURCES, {_LIBRARY: original, stand_in.SOURCE.name: source.encode()})
    _write_digests(made / _MADE, {name: (made / name).read_bytes() for name in _LOADED})


def _write_digests(path: Path, files: Mapping[str, bytes]) -> None:
    path.write_bytes(canonical_json({name: hashlib.sha256(data).hexdigest() for name, data in files.items()}))


def check_loads(version: str, folder: Path) -> None:
    """Load the finished library in a process of its own; what its loader misses is named."""
    script = "import ctypes, sys; ctypes.CDLL(sys.argv[1]).LiteRtCreateEnvironment"
    try:
        child = children.run([sys.executable, "-c", script, str(folder / "libLiteRt.so")], timeout_s=120)
    except subprocess.TimeoutExpired as error:
        raise TargetUnavailable(f"{version} did not load within 2 minutes; run the same command again") from error
    if child.returncode == 0:
        return
    said = (child.stderr.strip().splitlines() or [f"exit code {child.returncode}"])[-1]
    missing = re.search(r"undefined symbol: (\w+)", said)
    if missing and missing.group(1).startswith("LiteRt"):
        raise TargetUnavailable(f"{version} does not export LiteRT's C API ({missing.group(1)}); use {NEWEST}")
    if missing:
        raise TargetUnavailable(
            f"{version} needs {missing.group(1)}, which is neither in this machine's C library nor in "
            f"{stand_in.SOURCE.name}; use {NEWEST}, or add it there"
        )
    raise TargetUnavailable(f"{version} cannot be loaded here: {said}; use {NEWEST}")
